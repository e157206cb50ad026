"""
Labelers compared
=================

Every method that the paper names is a labeler with the same manners: exchange one for another in a
pipeline, or run them all on one stack with `compare_labelers`.
"""

# %%
# Three cores, five methods
# -------------------------
# The mask is given, so that only labelling is compared. Small cores: see the guide for larger ones.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg import (
    GMMLabeler,
    GraphCutLabeler,
    SequentialLabeler,
    ThresholdLabeler,
    compare_labelers,
)
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import LabelerComparisonDisplay

# Each slice alone, as in the paper, some of bubbly ice have too little air: the labeler says which.
warnings.filterwarnings("ignore", message="The two phases are less than 2")

labelers = {
    "Otsu": ThresholdLabeler("otsu"),
    "sequential": SequentialLabeler(),
    "mixture of the paper": GMMLabeler(
        smoothing=(0, 1.1, 1.1), sharpening=0, anchor_strength=0, prior="mixture", tol=1e-3
    ),
    "mixture": GMMLabeler(),
    "graph cut": GraphCutLabeler(),
}
kinds = {"snow": "snow", "firn": "firn", "ice": "bubbly ice"}
stacks, tables = {}, {}
for kind in kinds:
    core = make_ice_core(kind, n_slices=6, n_columns=96, random_state=0)
    X = np.where(core.mask_high, core.high, np.float32(np.nan))
    stacks[kind] = X, core.labels_high
    tables[kind] = compare_labelers(labelers, X, core.labels_high).set_index("labeler")
    print(kinds[kind])
    print(tables[kind][["dice_ice", "dice_air", "mass_error_percent"]].round(3).to_string(), "\n")

# %%
# F1 of air, the rarer phase in firn and ice. Two-phase thresholds fail in bubbly ice: there is too
# little air for a peak of its own, and Otsu splits the ice. No method is the best for all three.

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
width = 0.8 / len(labelers)
for number, name in enumerate(labelers):
    scores = [tables[kind].loc[name, "dice_air"] for kind in kinds]
    ax.bar(np.arange(3) + width * (number - 2), scores, width=width, label=name)
ax.set(xticks=range(3), xticklabels=kinds.values(), ylabel="F1 of air", ylim=(0, 1.02))
figure.legend(fontsize="small", loc="outside right upper")

# %%
# In pictures
# -----------
# The scan, the exact labels (air dark, ice light) and those of three methods, with their F1 of air.

shown = {name: labelers[name] for name in ("Otsu", "mixture", "graph cut")}
figure, axes = plt.subplots(3, 5, figsize=(10, 6.9), layout="constrained")
for row, (kind, (X, truth)) in zip(axes, stacks.items(), strict=True):
    LabelerComparisonDisplay.from_estimators(shown, X, truth).plot(row)
    row[0].set_title(f"{kinds[kind]}, scan", fontsize="medium")
