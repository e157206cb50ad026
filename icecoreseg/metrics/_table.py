"""All scores at once, from one count."""

import numpy as np

from icecoreseg._typing import Stack
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR, ICE
from icecoreseg.metrics import _scores
from icecoreseg.metrics._confusion import confusion_counts

_CLASSES = {"ice": ICE, "air": AIR}
_CLASS_SCORES = {
    "precision": _scores._precision,
    "recall": _scores._recall,
    "dice": _scores._dice,
    "jaccard": _scores._jaccard,
}


def score_table(y_true: Stack, y_pred: Stack, *, average: str = "pooled"):
    """All scores of a segmentation, for ice and for air, from one pass over the voxels.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
        Labels; OUTSIDE in y_true is ignored, OUTSIDE in y_pred alone is a miss.
    average : {"pooled", "mean"} or None
        As in `dice_score`. With "mean", the number of slices behind each mean is given
        too, since slices in which a score is undefined are left out.

    Returns
    -------
    dict of str to float, or to array of shape (n_slices,)
        ``accuracy``, ``matthews`` and, for ice and air, ``precision_ice``, ``recall_ice``,
        ``dice_ice``, ``jaccard_ice``, ``precision_air``...; with ``average="mean"`` also
        ``n_slices_accuracy``, ``n_slices_dice_ice``... Undefined scores are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.array([[[1, 1, 0, 0]], [[1, 1, 1, 1]]], dtype=np.uint8)
    >>> table = score_table(y_true, y_true, average="mean")
    >>> table["dice_ice"], table["n_slices_dice_ice"], table["n_slices_dice_air"]
    (1.0, 2, 1)
    """
    if average is not None:
        check_choice(average, _scores.AVERAGES, name="average")
    counts = confusion_counts(y_true, y_pred)
    table = {}
    for name, score, options in _every_score():
        table[name] = _scores.average_score(score, counts, average=average, **options)
        if average == "mean":
            defined = ~np.isnan(score(counts, **options))
            table[f"n_slices_{name}"] = int(np.count_nonzero(defined))
    return table


def _every_score():
    yield "accuracy", _scores._accuracy, {}
    yield "matthews", _scores._matthews, {}
    for class_name, positive in _CLASSES.items():
        for name, score in _CLASS_SCORES.items():
            yield f"{name}_{class_name}", score, {"positive": positive}
