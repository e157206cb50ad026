"""
Soft labels and ties
====================

Labels of the fine scan are averaged over 2 x 2 x 2 voxels. What happens to a block that is half
ice, half air decides how much ice is lost.
"""

# %%
# How many blocks are undecided
# -----------------------------
# The exact labels of a fine grid, averaged: the coarse ice fraction takes nine values, from 0/8 to
# 8/8. Blocks with 4/8 are ties.

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg import MaskDownsampler, downsample_labels
from icecoreseg.datasets import make_ice_core
from icecoreseg.metrics import mass_error
from icecoreseg.microstructure import ice_mass

KINDS = {"snow": "snow", "firn": "firn", "ice": "bubbly ice"}
cores = {kind: make_ice_core(kind, n_slices=8, n_columns=128, random_state=0) for kind in KINDS}

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for shift, (kind, core) in enumerate(cores.items()):
    fraction = downsample_labels(core.labels_high, threshold=None)
    eighths = np.round(8 * fraction[~np.isnan(fraction)]).astype(int)
    share = 100 * np.bincount(eighths, minlength=9) / eighths.size
    ax.bar(np.arange(9) + 0.27 * (shift - 1), share, width=0.27, label=KINDS[kind])
ax.set(
    xticks=range(9),
    xticklabels=[f"{n}/8" for n in range(9)],
    xlabel="ice in a coarse voxel",
    ylabel="share of voxels (%)",
    yscale="log",
)
ax.legend(loc="upper center")

# %%
# What a rule costs
# -----------------
# Error of the mass after averaging. ``ties="air"`` is the rule of the paper; the default asks the
# surroundings of the tied block; ``threshold="porosity"`` looks for the threshold that keeps the
# ice. Soft labels (``threshold=None``) keep the mass exactly.

rules = {
    "ties to air": {"ties": "air"},
    "ties to ice": {"ties": "ice"},
    "surroundings": {},
    "porosity": {"threshold": "porosity"},
    "soft labels": {"threshold": None},
}
figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
for shift, (kind, core) in enumerate(cores.items()):
    weighed = ice_mass(core.labels_high, core.voxel_size_high_um)
    reduced = [
        MaskDownsampler(2, **rule).fit_transform(core.labels_high) for rule in rules.values()
    ]
    errors = [mass_error(y, weighed, voxel_size_um=core.voxel_size_um) for y in reduced]
    ax.bar(np.arange(5) + 0.27 * (shift - 1), errors, width=0.27, label=KINDS[kind])
    print(KINDS[kind], dict(zip(rules, np.round(errors, 2).tolist(), strict=True)))
ax.axhline(0, color="black", linewidth=0.8)
ax.set(xticks=range(5), xticklabels=rules, ylabel="mass error (%)")
ax.legend()

# %%
# What they look like
# -------------------
# The same piece of snow, as labels of the fine grid, as coarse labels and as coarse fractions. Thin
# necks between grains break in labels, and stay as grey voxels in fractions.

snow = cores["snow"].labels_high
pictures = {
    "fine labels": snow,
    "coarse, ties to air": downsample_labels(snow, ties="air"),
    "coarse, ice fraction": downsample_labels(snow, threshold=None),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, (name, stack) in zip(axes, pictures.items(), strict=True):
    pixels = stack[stack.shape[0] // 2]
    n = pixels.shape[0]
    middle = slice(3 * n // 8, 5 * n // 8)
    ax.imshow(pixels[middle, middle], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(name, fontsize="medium")
    ax.set_axis_off()
