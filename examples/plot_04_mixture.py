"""
The mixture behind the labels
=============================

Grey levels of air and ice overlap. A mixture of two Gaussians says, for every grey level, how much
ice is to be expected.
"""

# %%
# One slice
# ---------
# `GMMLabeler` fits a tied mixture (one variance for both) to every slice. Its parameters are arrays
# with one row per slice.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from icecoreseg import GMMLabeler
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import MixtureDisplay

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
# Histograms
# ----------
# Above, the raw grey levels of a slice, fitted alone. Below, the default: smoothed in three
# dimensions and sharpened before the fit, and a slice with too little of one phase borrows it from
# the whole stack. The two peaks come apart; d' is the distance of their means in standard
# deviations. The dashed curve is the ice content that a grey level stands for. Where it crosses one
# half, the label changes.

figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
for column, (kind, X) in zip(axes.T, masked.items(), strict=True):
    for ax, model, name in zip(column, (alone, GMMLabeler()), ("raw", "default"), strict=True):
        title = f"{kinds[kind]}, {name}"
        display = MixtureDisplay.from_estimator(model.fit(X), X, title=title).plot(ax)
        if kind != "ice":
            display.ice_ax_.set(ylabel="", yticklabels=[])
        if kind != "snow":
            ax.set(ylabel="")

# %%
# In bubbly ice there is so little air that it makes no peak of its own. Raw and alone, its Gaussian
# is a guess, and many a slice splits the noise of its ice in the middle.
#
# Soft labels
# -----------
# ``predict_fraction`` gives the ice content voxel by voxel. In a pipeline, ``output="fraction"``
# hands it to the next step.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
ice = masked["ice"]
for ax, model, title in (
    (axes[0], alone, "raw, each slice alone"),
    (axes[1], GMMLabeler(), "default"),
):
    image = ax.imshow(model.fit(ice).predict_fraction(ice)[6], cmap="viridis", vmin=0, vmax=1)
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
figure.colorbar(image, ax=axes, label="ice content", shrink=0.8)
