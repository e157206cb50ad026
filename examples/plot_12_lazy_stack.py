"""
Stacks larger than memory
=========================

A scan of one metre of core has tens of gigabytes. Stacks on disk are opened without being read, and
every estimator passes on what is lazy, slab by slab.
"""

# %%
# On disk
# -------
# A folder of PNG slices, as scanners write them.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from icecoreseg import CoreMasker, GMMLabeler, MaskDownsampler, open_stack, write_stack
from icecoreseg.datasets import make_ice_core

folder = Path(tempfile.mkdtemp())
core = make_ice_core("firn", n_slices=8, n_columns=96, random_state=0)
write_stack(core.high, folder / "high", voxel_size_um=core.voxel_size_high_um)
print(sorted(file.name for file in (folder / "high").iterdir())[:3], "...")

# %%
# Opened, not read
# ----------------
# A dask array: shape and dtype are known, pixels are read when they are needed. ``slab`` sets how
# many slices are read at a time; by default about eight million voxels.

X = open_stack(folder / "high", slab=8)
X

# %%
# A lazy chain
# ------------
# ``fit`` streams through the stack, ``transform`` only notes what there is to do. ``write_stack``
# pulls the result through, slab by slab: memory grows with the slab, not with the core. What is
# slow and read more than once, such as the mask, is best written first and opened again.

masked = CoreMasker(outside=0).fit_transform(X)
write_stack(masked, folder / "masked.npy")
masked = open_stack(folder / "masked.npy", slab=8)

chain = make_pipeline(GMMLabeler(outside=0, output="fraction"), MaskDownsampler(2, threshold=None))
fraction = chain.fit_transform(masked)
fraction

# %%

write_stack(fraction, folder / "fraction.npy")
result = open_stack(folder / "fraction.npy")

# %%
# The same as in memory
# ---------------------
# Steps that look at neighbouring slices read a few slices beyond each slab. So the result does not
# depend on where the slabs are cut, to the last bit.

in_memory = chain.fit_transform(CoreMasker(outside=0).fit_transform(core.high))
print("equal:", np.array_equal(result.compute(), in_memory, equal_nan=True))

# %%
# One slice
# ---------
# Taking one slice of a lazy stack reads what that slice needs, and nothing else.

figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
axes[0].imshow(X[8], cmap="gray")
axes[0].set_title("scan, slice 8", fontsize="medium")
axes[1].imshow(fraction[4], cmap="gray", vmin=0, vmax=1)
axes[1].set_title("ice fraction, slice 4", fontsize="medium")
for ax in axes:
    ax.set_axis_off()
