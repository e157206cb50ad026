"""
A small U-Net learns
====================

A U-Net learns from a coarse scan what the fine scan knew. Here it is a very small network, trained
for seconds; the real one has 1.5 million parameters (see the guide).
"""

# %%
# Teacher and pupil
# -----------------
# The fine scan is labelled without supervision, and the labels are averaged onto the coarse grid.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from icecoreseg import CoreMasker, GMMLabeler, MaskDownsampler, ThresholdLabeler, UNetSegmenter
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import SegmentationDisplay, TrainingDisplay
from icecoreseg.metrics import dice_score

core = make_ice_core("ice", n_slices=15, n_columns=112, random_state=0)
teacher = make_pipeline(
    CoreMasker(), GMMLabeler(output="fraction"), MaskDownsampler(factor=2, threshold=None)
)
fraction = teacher.fit_transform(core.high)
X = CoreMasker().fit_transform(core.low)

# %%
# Training
# --------
# The upper slices train, the lower ones watch: neighbouring slices are near-copies of each other,
# so that a random split would tell nothing. ``validation_data`` is scored after every epoch.

model = UNetSegmenter(
    widths=(12, 24), patch_size=64, max_epochs=5, batches_per_epoch=10, random_state=0
)
model.fit(X[:12], fraction[:12], validation_data=(X[12:], fraction[12:]))
TrainingDisplay.from_estimator(model).plot()

# %%
# A core that it has not seen
# ---------------------------
# Against the exact truth, beside Otsu's threshold on the same coarse scan. In bubbly ice the score
# to look at is that of air: ice alone, everywhere, would already have an F1 of 0.98.

other = make_ice_core("ice", n_slices=4, n_columns=112, random_state=1)
X_other = CoreMasker().fit_transform(other.low)
truth = other.labels_low
results = {
    "Otsu": ThresholdLabeler("otsu").fit_transform(X_other),
    "mixture": GMMLabeler().fit_transform(X_other),
    "small U-Net": model.predict(X_other),
}
for name, labels in results.items():
    air, ice = (dice_score(truth, labels, positive=label) for label in (0, 1))
    print(f"{name:12s} F1 of ice {ice:.3f}, of air {air:.3f}")

# %%

figure, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
for ax, name in zip(axes, ("mixture", "small U-Net"), strict=True):
    SegmentationDisplay.from_predictions(X_other, results[name], truth, title=name).plot(ax)

# %%
# What it is unsure of
# --------------------
# The predicted fraction is grey along the surfaces, where voxels are partly ice, and little
# elsewhere.

unsure = model.predict_fraction(X_other)[2]
figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
image = ax.imshow(np.minimum(unsure, 1 - unsure), cmap="magma", vmin=0, vmax=0.5)
figure.colorbar(image, label="distance of the ice fraction from 0 or 1")
ax.set_axis_off()
