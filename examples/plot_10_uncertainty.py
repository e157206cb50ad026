"""
How sure is the density?
========================

A few networks that differ only in their seed, each asked from eight sides, tell where they
disagree, voxel by voxel and slice by slice.
"""

# %%
# An ensemble
# -----------
# Very small networks and seconds of training, to keep the example short.

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg import CoreMasker, EnsembleSegmenter, UNetSegmenter
from icecoreseg.datasets import make_ice_core
from icecoreseg.microstructure import ice_density

core = make_ice_core("firn", n_slices=12, n_columns=96, random_state=0)
X = CoreMasker().fit_transform(core.low)
segmenter = UNetSegmenter(widths=(8, 16), patch_size=64, max_epochs=1, batches_per_epoch=25)
ensemble = EnsembleSegmenter(segmenter, n_members=3, random_state=0)
ensemble.fit(X, np.where(np.isnan(X), np.nan, core.fraction_low))

# %%
# Voxel by voxel
# --------------
# The networks disagree along surfaces and in small pores, and agree elsewhere.

other = make_ice_core("firn", n_slices=10, n_columns=96, random_state=1)
X_other = CoreMasker().fit_transform(other.low)
fraction, spread = ensemble.predict_fraction(X_other, return_std=True)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for ax, pixels, title in (
    (axes[0], X_other[5], "scan"),
    (axes[1], fraction[5], "ice fraction"),
    (axes[2], spread[5], "standard deviation"),
):
    image = ax.imshow(pixels, cmap="magma" if title == "standard deviation" else "gray")
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
figure.colorbar(image, ax=axes[2])

# %%
# Slice by slice
# --------------
# Errors of neighbouring voxels go together, so the spread of a slice's density is not that of its
# voxels divided by their number: each network and each view gives one density per slice.

ice, std = ensemble.ice_fraction(X_other)
density, error = ice * ice_density(), std * ice_density()
exact = np.nanmean(other.fraction_low, axis=(1, 2)) * ice_density()

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
numbers = np.arange(len(density))
ax.errorbar(numbers, density, 2 * error, fmt="o", capsize=3, label="ensemble, 2 std")
ax.plot(numbers, exact, color="black", marker="_", linestyle="", markersize=12, label="exact")
ax.set(xlabel="slice", ylabel="density (kg m$^{-3}$)")
ax.legend()
print(
    f"exact values within two standard deviations: {np.mean(abs(density - exact) < 2 * error):.0%}"
)

# %%
# The spread says how far networks of one kind disagree. What all of them have in common - the blur
# of the scan, the bias of their labels - it cannot show: compare the weighed mass as well.
