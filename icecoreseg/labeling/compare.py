"""`compare_labelers`: several labelers on one stack, one table of scores."""

from collections.abc import Mapping
from time import perf_counter

import numpy as np
from sklearn.base import clone

from icecoreseg._ice import slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_labels, check_same_shape, check_stack
from icecoreseg.labels import OUTSIDE
from icecoreseg.metrics import mass_error, score_table
from icecoreseg.microstructure._tables import make_table


def compare_labelers(
    labelers,
    X,
    y_true: Stack,
    *,
    weighed_mass_g: float | None = None,
    voxel_size_um: VoxelSize | None = None,
):
    """Fit several labelers to a stack and score their labels against the truth.

    The numbers behind the paper's Fig. 5 [1]_, which shows the methods side by side.

    Parameters
    ----------
    labelers : mapping of str to estimator, or sequence of estimators
        Labelers (or pipelines) with ``fit`` and ``predict``. They are cloned: those given stay as
        they are. In a sequence they are named by what ``repr`` says of them.
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack, numpy or dask.
    y_true : array of shape (n_slices, n_rows, n_columns)
        True labels; OUTSIDE is ignored.
    weighed_mass_g, voxel_size_um : float, optional
        Mass of the stack on the balance, in gram, and voxel edge in micrometres: the mass
        error is then that against the balance, of ice at -15 degrees Celsius. Without them
        it is that against the ice of `y_true`.

    Returns
    -------
    pandas.DataFrame or structured array of shape (n_labelers,)
        One row per labeler: ``labeler``; ``accuracy``, ``matthews``, ``precision_ice``,
        ``recall_ice``, ``dice_ice`` (F1), ``jaccard_ice`` and the same for ``_air``, pooled
        over the stack; ``ice_fraction``; ``mass_error_percent``, 100 (computed - true) / true;
        ``seconds_per_slice`` of fit and prediction together.

    Raises
    ------
    ValueError
        If there is no labeler, if two have one name, if the shapes of X and y_true differ,
        or if only one of `weighed_mass_g` and `voxel_size_um` is given.

    References
    ----------
    .. [1] Bagherzadeh et al. (2023), Fig. 5, doi:10.1109/TGRS.2023.3334867

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler, GraphCutLabeler, ThresholdLabeler, compare_labelers
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.integers(0, 2, (2, 6, 6)).repeat(8, 1).repeat(8, 2)
    >>> X = 40 + 60 * ice + rng.normal(0, 25, ice.shape)
    >>> guess = GMMLabeler(smoothing=None)
    >>> labelers = {"Otsu": ThresholdLabeler(), "GMM": guess, "graph cut": GraphCutLabeler(guess)}
    >>> table = compare_labelers(labelers, X, ice)
    >>> [str(name) for name in table["labeler"][np.argsort(table["dice_ice"])]][-1]
    'graph cut'
    """
    X, y_true = check_stack(X), check_labels(y_true, name="y_true")
    check_same_shape(X, y_true, names=("X", "y_true"))
    if (weighed_mass_g is None) != (voxel_size_um is None):
        raise ValueError("weighed_mass_g and voxel_size_um must be given together.")
    rows = []
    for name, labeler in _named(labelers).items():
        labels, seconds = _timed_labels(labeler, X)
        row = {"labeler": name, **score_table(y_true, labels), **_amounts(labels, y_true)}
        if weighed_mass_g is not None and voxel_size_um is not None:
            error = mass_error(labels, weighed_mass_g, voxel_size_um=voxel_size_um)
            row["mass_error_percent"] = error
        rows.append(row | {"seconds_per_slice": seconds / X.shape[0]})
    return make_table({key: [row[key] for row in rows] for key in rows[0]})


def _named(labelers):
    """Mapping of names to labelers."""
    if isinstance(labelers, Mapping):
        named = dict(labelers)
    else:
        labelers = list(labelers)
        names = [" ".join(repr(labeler).split()) for labeler in labelers]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"Labelers must differ; given more than once: {doubles}.")
        named = dict(zip(names, labelers, strict=True))
    if not named:
        raise ValueError("labelers must hold at least one labeler, got none.")
    return named


def _timed_labels(labeler, X):
    """Labels of X (in memory), and the seconds of fit and prediction."""
    start = perf_counter()
    labels = np.asarray(clone(labeler).fit(X).predict(X))
    return labels, perf_counter() - start


def _amounts(labels, y_true):
    """Ice fraction, and the error of the amount of ice, where the truth is known."""
    true_ice, n_inside = slice_amounts(y_true).sum(axis=0)
    ice = slice_amounts(np.where(y_true == OUTSIDE, OUTSIDE, labels))[:, 0].sum()
    error = 100 * (ice - true_ice) / true_ice if true_ice else np.nan
    return {"ice_fraction": ice / n_inside if n_inside else np.nan, "mass_error_percent": error}
