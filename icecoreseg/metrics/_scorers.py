"""Scorers for scikit-learn's tools, whose own string scorers refuse 3-D labels."""

from sklearn.metrics import make_scorer

from icecoreseg.labels import AIR, ICE
from icecoreseg.metrics import _scores

_BY_CLASS = {
    "precision": _scores.precision_score,
    "recall": _scores.recall_score,
    "dice": _scores.dice_score,
    "jaccard": _scores.jaccard_score,
}

SCORERS = {
    "accuracy": make_scorer(_scores.voxel_accuracy),
    "matthews": make_scorer(_scores.matthews_score),
    **{
        f"{name}_{class_name}": make_scorer(function, positive=positive)
        for class_name, positive in (("ice", ICE), ("air", AIR))
        for name, function in _BY_CLASS.items()
    },
}
"""Pooled scores as scorers: ``cross_val_score(model, X, y, scoring=SCORERS["dice_air"])``.

Keys: ``accuracy``, ``matthews``, and ``precision``, ``recall``, ``dice``, ``jaccard`` with
``_ice`` or ``_air`` behind. The whole dict can be given to `cross_validate`.
"""
