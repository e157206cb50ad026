"""
First segmentation
==================

From a raw scan to labels and density in three steps: find the specimen in its casing, label its
voxels, measure. Nothing is trained and nothing is set by hand.
"""

# %%
# A scan
# ------
# `make_ice_core` simulates the scan of a core whose ice is known exactly. A real one comes from
# ``open_stack("scans/bag43/*.png")``.

from sklearn.pipeline import make_pipeline

from icecoreseg import CoreMasker, GMMLabeler, MicrostructureMetrics
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import SegmentationDisplay
from icecoreseg.metrics import score_table

core = make_ice_core("firn", n_slices=8, n_columns=128, random_state=0)
X = core.high  # (slices, rows, columns), uint8
print(X.shape, X.dtype)

# %%
# Labels
# ------
# Two steps in a pipeline: what `CoreMasker` finds outside the specimen becomes NaN, and
# `GMMLabeler` fits a mixture of two Gaussians to the grey levels of what is left.

labeler = make_pipeline(CoreMasker(), GMMLabeler())
labels = labeler.fit_transform(X)

# %%
# In a notebook, the pipeline draws itself:

labeler

# %%
# Outlines of the labels (red) over those of the exact truth (green). Where no green is visible,
# both coincide.

SegmentationDisplay.from_predictions(X, labels, core.labels_high, title="firn, 29 µm").plot()

# %%
# How good is it?
# ---------------
# Scores ignore what is outside. F1 is called Dice here; in firn it is higher for ice than for air,
# because there is less air and the same boundary.

for name, value in score_table(core.labels_high, labels).items():
    print(f"{name:16s} {value:.3f}")

# %%
# Density
# -------
# One row per slice; every column carries its unit.

metrics = MicrostructureMetrics(core.voxel_size_high_um).set_output(transform="pandas")
table = metrics.fit_transform(labels)
print(table[["density_kg_m3", "ssa_2d_m2_kg", "intercept_length_mm"]].describe().round(2))
print(f"exact density: {core.density_kg_m3:.1f} kg m-3")
