"""
Density and surface along a core
================================

From labels to a profile with depth, with the confidence interval of its mean.
"""

# %%
# A core that gets denser
# -----------------------
# Four pieces of firn of rising density on top of each other.

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg.datasets import make_ice_core
from icecoreseg.display import DepthProfileDisplay
from icecoreseg.microstructure import block_bootstrap, depth_profile

pieces = [
    make_ice_core("firn", n_slices=24, n_columns=96, ice_fraction=ice, random_state=number)
    for number, ice in enumerate((0.6, 0.68, 0.74, 0.8))
]
labels = np.concatenate([piece.labels_low for piece in pieces])
voxel_size_um = pieces[0].voxel_size_um
print(f"{len(labels)} slices, {len(labels) * voxel_size_um * 1e-3:.1f} mm")

# %%
# Slab by slab
# ------------
# Every row is a 3-D measurement of one slab, with its depth. Slabs may overlap (``step_mm``).

profile = depth_profile(
    labels, voxel_size_um, slab_mm=0.7, step_mm=0.35, core="example", depth_top_m=42.83
)
print(profile[["depth_top_m", "density_kg_m3", "ssa_m2_kg", "connectivity_index"]].head().round(4))

# %%
# Slabs this thin hold few grains, so the numbers scatter around the trend. The band is the
# confidence interval of the mean over the whole piece.

intervals = block_bootstrap(profile, random_state=0).set_index("quantity")
print(intervals.loc[["density_kg_m3", "ssa_m2_kg"], ["mean", "lower", "upper"]].round(2))

figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
for ax, quantity in zip(axes, ("density_kg_m3", "ssa_m2_kg", "connectivity_index"), strict=True):
    limits = tuple(intervals.loc[quantity, ["lower", "upper"]])
    DepthProfileDisplay(profile, quantity=quantity, interval=limits).plot(ax)
    ax.label_outer()
axes[0].ticklabel_format(axis="y", useOffset=False)

# %%
# Why blocks
# ----------
# Neighbouring slabs are alike, above all where they overlap. An interval that takes each of them
# for a measurement of its own is too narrow.

single = block_bootstrap(profile, block_length=1, random_state=0).set_index("quantity")
for name, table in (("blocks", intervals), ("single slabs", single)):
    print(f"{name:13s} standard error {table.loc['density_kg_m3', 'standard_error']:.1f} kg m-3")
