"""
Finding the specimen
====================

`CoreMasker` finds the outline of the specimen inside its casing. Everything else becomes *outside*
and takes part in nothing that follows.
"""

# %%
# Three kinds of ice
# ------------------
# The outline is the envelope of the specimen, its pores included. In snow it spans the pores at the
# rim; the truth here is the cylinder that the specimen was cut to.

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg import CoreMasker
from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import core_mask

KINDS = {"snow": "snow", "firn": "firn", "ice": "bubbly ice"}
cores = {kind: make_ice_core(kind, n_slices=6, n_columns=160, random_state=0) for kind in KINDS}

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for ax, (kind, core) in zip(axes, cores.items(), strict=True):
    mask = core_mask(core.low)
    overlap = (mask & core.mask_low).sum() / (mask | core.mask_low).sum()
    ax.imshow(core.low[3], cmap="gray")
    ax.contour(mask[3], levels=[0.5], colors="#ff1744", linewidths=1.2)
    ax.set_title(f"{KINDS[kind]}, overlap (IoU) {overlap:.3f}", fontsize="medium")
    ax.set_axis_off()

# %%
# The outside value
# -----------------
# Masks travel inside the stack, not beside it. By default the outside is NaN, which makes integers
# float32; with an integer, uint8 stays uint8, at a quarter of the memory. Later steps must then be
# told: ``GMMLabeler(outside=0)``.

X = cores["firn"].low
for outside in (np.nan, 0):
    masked = CoreMasker(outside=outside).fit_transform(X)
    print(f"outside={outside}: {masked.dtype}, {masked.nbytes / 1e6:.2f} MB")

# %%
# A report per slice
# ------------------
# ``report`` says what was found. Here the picture moves by one pixel every three slices, as if the
# core stood askew; the radius stays. Outlines are combined with those of neighbouring slices, so
# that a slice with an artefact cannot jump.

long = make_ice_core("firn", n_slices=12, n_columns=96, random_state=0).low
askew = np.stack([np.roll(pixels, number // 3, axis=1) for number, pixels in enumerate(long)])
report = CoreMasker().fit(askew).report(askew)

figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for name, label in (
    ("centre_column", "centre, column"),
    ("centre_row", "centre, row"),
    ("radius", "radius"),
):
    ax.plot(report["slice"], report[name], marker="o", markersize=4, label=label)
ax.set(xlabel="slice", ylabel="pixels", ylim=(36, 62))
ax.legend(loc="upper left")
