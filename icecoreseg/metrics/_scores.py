"""The scores: ratios of confusion counts, for either class, pooled or per slice.

With TP, FP and FN the true positive, false positive and false negative voxels of the
class called `positive`:

=================  ====================  ==========================
score              formula               undefined (NaN) where
=================  ====================  ==========================
precision          TP / (TP + FP)        the class is not predicted
recall             TP / (TP + FN)        the class is not there
Dice (F1)          2 TP / (2 TP + FP + FN)  neither
Jaccard (IoU)      TP / (TP + FP + FN)   neither
accuracy           right / all           the slice has no specimen
=================  ====================  ==========================

(Bagherzadeh et al. 2023, equations 6-8, doi:10.1109/TGRS.2023.3334867.) Dice and Jaccard
are monotone functions of each other, D = 2 J / (1 + J), for one table of counts; their
means over slices are not. A mean over slices leaves NaN slices out.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from icecoreseg._typing import Stack
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR, ICE
from icecoreseg.metrics._confusion import confusion_counts

AVERAGES = ("pooled", "mean")


def voxel_accuracy(
    y_true: Stack, y_pred: Stack, *, average: str = "pooled", sample_weight: ArrayLike | None = None
):
    """Share of the specimen's voxels whose label is right.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
        Labels; OUTSIDE in y_true is ignored, OUTSIDE in y_pred alone is wrong.
    average : {"pooled", "mean"} or None
        One score from the sum of all counts, the mean of the slices' scores, or an
        array of shape (n_slices,).
    sample_weight : array of shape (n_slices,), optional
        Weight of each slice.

    Returns
    -------
    float or array of shape (n_slices,)
        Between 0 and 1; NaN where there is no specimen.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.array([[[1, 1, 0, 255]]], dtype=np.uint8)
    >>> voxel_accuracy(y_true, 1 - y_true * (y_true < 2))
    0.0
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(_accuracy, counts, average=average, sample_weight=sample_weight)


def precision_score(
    y_true: Stack,
    y_pred: Stack,
    *,
    positive: int = ICE,
    average: str = "pooled",
    sample_weight: ArrayLike | None = None,
):
    """Share of the voxels predicted as `positive` that are so: TP / (TP + FP).

    Parameters, averages and undefined values as in `dice_score`.

    Examples
    --------
    >>> import numpy as np
    >>> y_true, y_pred = np.uint8([[[1, 1, 0, 0]]]), np.uint8([[[1, 1, 1, 1]]])
    >>> precision_score(y_true, y_pred)
    0.5
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(
        _precision, counts, positive=positive, average=average, sample_weight=sample_weight
    )


def recall_score(
    y_true: Stack,
    y_pred: Stack,
    *,
    positive: int = ICE,
    average: str = "pooled",
    sample_weight: ArrayLike | None = None,
):
    """Share of the `positive` voxels that were found: TP / (TP + FN).

    Parameters, averages and undefined values as in `dice_score`.

    Examples
    --------
    >>> import numpy as np
    >>> y_true, y_pred = np.uint8([[[1, 1, 0, 0]]]), np.uint8([[[1, 0, 0, 0]]])
    >>> recall_score(y_true, y_pred)
    0.5
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(
        _recall, counts, positive=positive, average=average, sample_weight=sample_weight
    )


def dice_score(
    y_true: Stack,
    y_pred: Stack,
    *,
    positive: int = ICE,
    average: str = "pooled",
    sample_weight: ArrayLike | None = None,
):
    """Dice score, which is the F1 score: 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
        Labels; OUTSIDE in y_true is ignored, OUTSIDE in y_pred alone is a miss.
    positive : {ICE, AIR}
        The class that is looked for: ice as in the paper, or air, which is the object
        in bubbly ice.
    average : {"pooled", "mean"} or None
        ``"pooled"``: one score from the sum of all counts; ``"mean"``: mean of the
        slices' scores, undefined slices left out; None: one score per slice.
    sample_weight : array of shape (n_slices,), optional
        Weight of each slice, in the sum or in the mean.

    Returns
    -------
    float or array of shape (n_slices,)
        Between 0 and 1; NaN where the class is neither there nor predicted.

    Warns
    -----
    UndefinedMetricWarning
        If the class is neither there nor predicted in the whole stack.

    Examples
    --------
    A slice without air has no Dice score of air; the mean leaves it out.

    >>> import numpy as np
    >>> y_true = np.array([[[1, 1, 0, 0]], [[1, 1, 1, 1]]], dtype=np.uint8)
    >>> dice_score(y_true, y_true, positive=AIR, average=None).tolist()
    [1.0, nan]
    >>> dice_score(y_true, y_true, positive=AIR, average="mean")
    1.0
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(
        _dice, counts, positive=positive, average=average, sample_weight=sample_weight
    )


def jaccard_score(
    y_true: Stack,
    y_pred: Stack,
    *,
    positive: int = ICE,
    average: str = "pooled",
    sample_weight: ArrayLike | None = None,
):
    """Jaccard score, or intersection over union: TP / (TP + FP + FN).

    Parameters, averages and undefined values as in `dice_score`.

    Examples
    --------
    >>> import numpy as np
    >>> y_true, y_pred = np.uint8([[[1, 1, 0, 0]]]), np.uint8([[[1, 0, 1, 0]]])
    >>> jaccard_score(y_true, y_pred)
    0.333...
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(
        _jaccard, counts, positive=positive, average=average, sample_weight=sample_weight
    )


def matthews_score(
    y_true: Stack, y_pred: Stack, *, average: str = "pooled", sample_weight: ArrayLike | None = None
):
    """Matthews correlation coefficient of truth and prediction, fair to both classes.

    Parameters and averages as in `dice_score`; the score does not depend on which
    class is called positive. Missed voxels are a third predicted class (Gorodkin 2004).

    Returns
    -------
    float or array of shape (n_slices,)
        Between -1 and 1; NaN where truth or prediction has one class only.

    References
    ----------
    Matthews, B. W. (1975), doi:10.1016/0005-2795(75)90109-9; Gorodkin, J. (2004),
    doi:10.1016/j.compbiolchem.2004.09.006.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([[[1, 1, 0, 0]]], dtype=np.uint8)
    >>> matthews_score(y, 1 - y)
    -1.0
    """
    counts = confusion_counts(y_true, y_pred)
    return reduce_score(_matthews, counts, average=average, sample_weight=sample_weight)


def reduce_score(score, counts, *, positive=None, average="pooled", sample_weight=None):
    """Turn counts of shape (n_slices, 2, 3) into one score, or one per slice; warn of NaN."""
    if average is not None:
        check_choice(average, AVERAGES, name="average")
    options = {}
    if positive is not None:
        options["positive"] = check_choice(positive, (AIR, ICE), name="positive")
    weights = _check_weights(sample_weight, counts.shape[0])
    value = average_score(score, counts, average=average, weights=weights, **options)
    if average is not None and np.isnan(value):
        warnings.warn(
            f"The {score.__name__.strip('_')} score is undefined: the whole stack lacks the "
            "voxels that it is a share of. It is NaN.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    return value


def average_score(score, counts, *, average, weights=None, **options):
    """As `reduce_score`, of checked arguments and without a warning."""
    if average is None:
        return score(counts, **options)
    if average == "pooled":
        counts = counts if weights is None else counts * weights[:, np.newaxis, np.newaxis]
        return float(score(counts.sum(axis=0), **options))
    return float(_mean_defined(score(counts, **options), weights))


def _check_weights(sample_weight, n_slices):
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=float)
    if weights.shape != (n_slices,) or not (weights >= 0).all():
        raise ValueError(
            f"sample_weight must hold one weight >= 0 per slice, shape ({n_slices},); got "
            f"shape {weights.shape}."
        )
    return weights


def _mean_defined(values, weights):
    defined = ~np.isnan(values)
    weights = defined if weights is None else weights * defined
    return _ratio((np.where(defined, values, 0) * weights).sum(), weights.sum())


def _ratio(numerator, denominator):
    """Quotient that is NaN, quietly, where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    result = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _accuracy(counts):
    return _ratio(counts[..., AIR, AIR] + counts[..., ICE, ICE], counts.sum(axis=(-2, -1)))


def _precision(counts, positive):
    return _ratio(counts[..., positive, positive], counts[..., :, positive].sum(axis=-1))


def _recall(counts, positive):
    return _ratio(counts[..., positive, positive], counts[..., positive, :].sum(axis=-1))


def _dice(counts, positive):
    both = counts[..., :, positive].sum(axis=-1) + counts[..., positive, :].sum(axis=-1)
    return _ratio(2 * counts[..., positive, positive], both)


def _jaccard(counts, positive):
    right = counts[..., positive, positive]
    both = counts[..., :, positive].sum(axis=-1) + counts[..., positive, :].sum(axis=-1)
    return _ratio(right, both - right)


def _matthews(counts):
    counts = counts.astype(float)  # products of voxel counts overflow int64
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    total = counts.sum(axis=(-2, -1))
    right = counts[..., AIR, AIR] + counts[..., ICE, ICE]
    covariance = right * total - (true * predicted[..., :2]).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(spread))
