"""
The mixture behind the labels
=============================

Grey levels of air and ice overlap. A mixture of two Gaussians says, for every grey level, how
probable ice is.
"""

# %%
# One slice
# ---------
# `GMMLabeler` fits a tied mixture (one variance for both) to every slice. Its parameters are arrays
# with one row per slice.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from icecoreseg import GMMLabeler
from icecoreseg.datasets import make_ice_core

kinds = {"snow": "snow", "firn": "firn", "ice": "bubbly ice"}
masked = {}
for kind in kinds:
    core = make_ice_core(kind, n_slices=6, n_columns=128, random_state=0)
    masked[kind] = np.where(core.mask_high, core.high, np.float32(np.nan))

# Without smoothing the labeler warns of slices whose phases it cannot tell apart. Here that is the
# point.
warnings.filterwarnings("ignore", message="The two phases are less than 2")

alone = GMMLabeler(smoothing=None, anchor_strength=0)
labeler = alone.fit(masked["firn"])
print("means", labeler.means_[6].round(1))
print("standard deviation", np.sqrt(labeler.covariances_[6, 0]).round(1))
print("weights", labeler.weights_[6].round(3))

# %%
# Histogram and posterior
# -----------------------
# The histogram of the raw grey levels, the mixture that was fitted to it, and the probability of
# ice (red, right axis). Where it crosses one half, the label changes.


def draw(ax, values, means, variances, weights):
    """Histogram, components and posterior of one slice."""
    levels = np.linspace(np.nanmin(values), np.nanmax(values), 300)
    parts = [
        weight * norm.pdf(levels, mean, np.sqrt(variance))
        for mean, variance, weight in zip(means, variances, weights, strict=True)
    ]
    bins = np.arange(levels[0] - 0.5, levels[-1] + 3, 3)  # whole grey levels
    ax.hist(values[~np.isnan(values)], bins=bins, density=True, color="0.8")
    ax.plot(levels, parts[0], label="air")
    ax.plot(levels, parts[1], label="ice")
    ax.set(xlabel="grey level", yticks=[])
    posterior = ax.twinx()
    posterior.plot(levels, parts[1] / np.sum(parts, axis=0), color="tab:red", linestyle="--")
    posterior.set(ylim=(0, 1.05), yticks=[0, 0.5, 1])
    return posterior


figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for ax, (kind, X) in zip(axes, masked.items(), strict=True):
    fitted = alone.fit(X)
    posterior = draw(ax, X[6], fitted.means_[6], fitted.covariances_[6], fitted.weights_[6])
    ax.set_title(kinds[kind], fontsize="medium")
axes[0].legend(fontsize="small", loc="center right")
axes[0].set_ylabel("density of voxels")
posterior.set_ylabel("probability of ice", color="tab:red")

# %%
# In bubbly ice, a slice fitted alone may split the noise of the ice in its middle: so little air
# makes no peak of its own.
#
# Smoothing and the anchor
# ------------------------
# By default the scan is smoothed in three dimensions and sharpened before the fit, and slices with
# too little of one phase borrow it from the whole stack. ``separation_`` is the distance of the two
# means in standard deviations.

for kind, X in masked.items():
    rows = {"raw, alone": alone.fit(X).separation_, "default": GMMLabeler().fit(X).separation_}
    print(kinds[kind], {name: float(np.mean(value).round(1)) for name, value in rows.items()})

# %%

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
ice = masked["ice"]
for ax, model, title in (
    (axes[0], alone, "raw, each slice alone"),
    (axes[1], GMMLabeler(), "default"),
):
    image = ax.imshow(model.fit(ice).predict_fraction(ice)[6], cmap="viridis", vmin=0, vmax=1)
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
figure.colorbar(image, ax=axes, label="probability of ice", shrink=0.8)
