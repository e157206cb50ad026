"""
Bubbles and their sizes
=======================

One row per bubble, an unbiased count, and what a coarse voxel can no longer see.
"""

# sphinx_gallery_thumbnail_number = 2
# %%
# A table of bubbles
# ------------------
# From the exact labels of generated bubbly ice, so that what follows is about counting alone.

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg.datasets import make_ice_core
from icecoreseg.display import BubbleSizeDisplay
from icecoreseg.microstructure import (
    bubble_number_density,
    bubble_table,
    detection_limit_mm,
    match_bubbles,
    match_summary,
)

core = make_ice_core("ice", n_slices=32, n_columns=128, random_state=3)
fine = bubble_table(core.labels_high, core.voxel_size_high_um)
coarse = bubble_table(core.labels_low, core.voxel_size_um)
print(f"{len(fine)} bubbles in the fine labels, {len(coarse)} in the coarse ones")

# %%
# Sheared bubbles are no balls: elongation against size.

figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
points = ax.scatter(
    fine["equivalent_diameter_mm"],
    fine["elongation"],
    c=fine["inclination_deg"],
    s=14,
    cmap="viridis",
    vmin=0,
    vmax=90,
)
figure.colorbar(points, label="inclination to the core axis (degrees)")
ax.set(xlabel="equivalent diameter (mm)", ylabel="elongation")

# %%
# Number density
# --------------
# A bubble at the edge of the sample has unknown size, and large ones are cut more often. So those
# at the edge are left out, and the others stand for as many as could lie without touching it.
# Counted down to the same size, 64 fine or 8 coarse voxels, both grids give the same number; the
# fine one could count further down. Always state the limit with a number density.

for name, labels, voxel_size_um, min_voxels in (
    ("fine", core.labels_high, core.voxel_size_high_um, 64),
    ("coarse", core.labels_low, core.voxel_size_um, 8),
):
    density = bubble_number_density(labels, voxel_size_um, min_voxels=min_voxels)
    limit = detection_limit_mm(voxel_size_um, min_voxels=min_voxels)
    print(f"{name:6s} {density:5.0f} bubbles per cm3 above {limit:.2f} mm")

# %%
# Size distribution
# -----------------
# Both grids show the same large bubbles. Below the limit of the coarse one (dashed) only the fine
# one counts. (Generated ice has more micro-bubbles than natural ice.)

volume_mm3 = core.mask_low.sum() * (core.voxel_size_um * 1e-3) ** 3
edges_mm = np.geomspace(0.06, 1.6, 14)
figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for name, table in (("29 µm", fine), ("58 µm", coarse)):
    BubbleSizeDisplay.from_table(table, volume_mm3, edges_mm=edges_mm, label=name).plot(ax)
ax.axvline(detection_limit_mm(core.voxel_size_um), color="black", linestyle="--", linewidth=0.8)

# %%
# Bubble by bubble
# ----------------
# `match_bubbles` pairs the bubbles of two segmentations, also at different resolutions. Which sizes
# are found, and how much of their volume?

match = match_bubbles(
    core.labels_high,
    core.labels_low,
    voxel_size_um=core.voxel_size_high_um,
    other_voxel_size_um=core.voxel_size_um,
)
summary = match_summary(match, edges_mm=[0, 0.1, 0.15, 0.2, 0.3, 2])
columns = [
    "diameter_lower_mm",
    "diameter_upper_mm",
    "n_reference",
    "detection_rate",
    "volume_ratio",
]
print(summary[columns].round(2).to_string(index=False))
