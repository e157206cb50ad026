"""
An estimator of your own
========================

Everything is a scikit-learn estimator, so that a step of your own fits into pipelines, grid
searches and cross-validation like those of the package.
"""

# %%
# A step that takes a trend away
# ------------------------------
# Grey levels often drift along the core. This transformer divides every slice by a straight line
# fitted to the slices' medians. A stack in, a stack out, and NaN is outside: that is all there is
# to keep.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline

from icecoreseg import AIR, BrightnessNormalizer, CoreMasker, GMMLabeler, ThresholdLabeler
from icecoreseg.datasets import make_ice_core
from icecoreseg.metrics import SCORERS, dice_score
from icecoreseg.model_selection import DepthSplit


class Detrend(TransformerMixin, BaseEstimator):
    """Divide out a linear drift of the grey levels along the core."""

    def fit(self, X, y=None):
        """Nothing to learn: every stack has a drift of its own."""
        return self

    def transform(self, X):
        """Stack without drift, of the same shape."""
        middle = np.nanmedian(X, axis=(1, 2))
        depth = np.arange(len(X))
        line = np.polyval(np.polyfit(depth, middle, deg=1), depth)
        return X / (line / line.mean())[:, np.newaxis, np.newaxis]

    def __sklearn_is_fitted__(self):
        return True


# %%
# In a pipeline
# -------------
# A core with a drift of 40 %, and one threshold by hand, which needs steady grey levels. (For real
# work there is `BrightnessNormalizer`, which knows air from ice and needs no straight line.)

core = make_ice_core("firn", n_slices=12, n_columns=96, random_state=0)
drift = np.linspace(0.8, 1.2, 12)[:, np.newaxis, np.newaxis]
X = CoreMasker().fit_transform((core.low * drift).astype(np.float32))
y = core.labels_low

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
models = {
    "threshold": ThresholdLabeler(70),
    "detrended, threshold": make_pipeline(Detrend(), ThresholdLabeler(70)),
    "normalized, threshold": make_pipeline(BrightnessNormalizer(), ThresholdLabeler(70)),
}
for name, model in models.items():
    labels = model.fit(X).predict(X)
    score = dice_score(y, labels, positive=AIR, average=None)
    ax.plot(score, marker="o", markersize=4, alpha=0.7, label=f"{name}, mean {score.mean():.3f}")
ax.set(xlabel="slice", ylabel="F1 of air")
ax.legend()

# %%
# In a grid search
# ----------------
# `DepthSplit` trains on the upper part and tests on the lower part of every core: neighbouring
# slices are near-copies, and a random split would leak. String scorers of scikit-learn refuse 3-D
# labels; ``SCORERS`` has those that take them.

pipeline = make_pipeline(Detrend(), GMMLabeler())
search = GridSearchCV(
    pipeline,
    {"gmmlabeler__smoothing": [0.5, 1.15, 2.0]},
    scoring=SCORERS["dice_air"],
    cv=DepthSplit(0.25),
)
search.fit(X, y)
for parameters, value in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{value:.4f}", parameters)

# %%
# With several cores, ``LeaveOneGroupOut`` tests on one that was never seen; ``groups`` says which
# core each slice belongs to. (Here the two halves of the one core stand for two.)

groups = np.repeat(["upper", "lower"], 6)
scores = cross_val_score(
    search.best_estimator_,
    X,
    y,
    groups=groups,
    cv=LeaveOneGroupOut(),
    scoring=SCORERS["dice_air"],
)
print("F1 of air on the half left out:", scores.round(3))
