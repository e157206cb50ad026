"""Splits that do not leak: neighbouring slices are near-copies of each other."""

import numbers
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import BaseCrossValidator


class Parts(NamedTuple):
    """Indices of the slices of each part, as returned by `DepthSplit.parts`."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class DepthSplit(BaseCrossValidator):
    """Upper part of every core to train, lower part to test, as in the paper.

    A random split of slices would put near-copies of every test slice into the training
    set. This one cuts every core once, at a depth; a gap may be left out in between. A third
    part, between the two, serves to choose the number of epochs: the paper chose it on the
    test slices, which makes the test too kind.

    Parameters
    ----------
    test_size : float or int
        Lowest part of every core that is tested on: a fraction, or a number of slices.
    gap : int
        Slices left out between two parts, so that the lower one does not begin with copies
        of the last slices of the upper one.
    validation_size : float or int
        Part above the test part that is neither trained nor tested on: a fraction of the
        core, or a number of slices; 0 for none. `parts` returns it.

    Notes
    -----
    There is one split. ``groups`` holds one core id per slice, the slices of a core in
    order of depth; without it all slices are of one core. To leave out one specimen after the
    other, use scikit-learn's `LeaveOneGroupOut` with the same groups.

    References
    ----------
    Bagherzadeh et al. (2023), section II, doi:10.1109/TGRS.2023.3334867: the lower 20 %
    of every specimen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((10, 4, 4))
    >>> groups = ["snow"] * 5 + ["ice"] * 5
    >>> train, test = next(DepthSplit(0.2, gap=1).split(X, groups=groups))
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 5, 6, 7], [4, 9])
    >>> parts = DepthSplit(0.2, validation_size=0.1).parts(np.zeros((20, 4, 4)))
    >>> len(parts.train), parts.validation.tolist(), parts.test.tolist()
    (14, [14, 15], [16, 17, 18, 19])
    """

    # With metadata routing on, ``cross_validate(..., params={"groups": cores})`` reaches `split`.
    __metadata_request__split = {"groups": True}

    def __init__(self, test_size=0.2, *, gap=0, validation_size=0):
        self.test_size = test_size
        self.gap = gap
        self.validation_size = validation_size

    def get_n_splits(self, X=None, y=None, groups=None):
        """One."""
        return 1

    def split(self, X, y=None, groups=None):
        """Yield the indices of the training and of the test slices.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Only its length is used.
        y : None
            Ignored.
        groups : array of shape (n_slices,), optional
            Core of every slice.

        Yields
        ------
        train, test : arrays of int
            Indices of slices.

        Raises
        ------
        ValueError
            If a core is too short for both parts, or a parameter is wrong.
        """
        train, _, test = self.parts(X, groups=groups)
        yield train, test

    def parts(self, X, groups=None):
        """Indices of the slices to train on, to choose epochs by, and to test on.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Only its length is used.
        groups : array of shape (n_slices,), optional
            Core of every slice.

        Returns
        -------
        Parts
            ``train``, ``validation`` and ``test``: arrays of int.

        Raises
        ------
        ValueError
            As `split`.
        """
        n_slices = X.shape[0] if hasattr(X, "shape") else len(X)
        groups = np.zeros(n_slices, int) if groups is None else np.asarray(groups)
        if groups.shape != (n_slices,):
            raise ValueError(f"groups has shape {groups.shape}, but X has {n_slices} slices.")
        parts = [self._cut(np.flatnonzero(groups == core), core) for core in _in_order(groups)]
        return Parts(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _cut(self, slices, core):
        """Train, validation and test slices of one core, from the top."""
        n_test = max(1, self._count("test_size", len(slices)))
        n_valid = self._count("validation_size", len(slices))
        if not isinstance(self.gap, numbers.Integral) or self.gap < 0:
            raise ValueError(f"gap must be a number of slices, got {self.gap!r}.")
        below = n_test + (n_valid + self.gap if n_valid else 0)
        n_train = len(slices) - below - self.gap
        if n_train < 1:
            raise ValueError(
                f"Core {core} has {len(slices)} slices: too few for {n_test} to test, "
                f"{n_valid} to validate, gaps of {self.gap} and at least one to train."
            )
        start = len(slices) - below
        return slices[:n_train], slices[start : start + n_valid], slices[len(slices) - n_test :]

    def _count(self, name, n_slices):
        """Slices of a part that is given as a fraction or as a number."""
        size = getattr(self, name)
        whole = isinstance(size, numbers.Integral)
        if whole and size >= (0 if name == "validation_size" else 1):
            return int(size)
        if not whole and isinstance(size, numbers.Real) and 0 < size < 1:
            return max(1, round(size * n_slices))
        raise ValueError(
            f"{name} must be a fraction in (0, 1) or a number of slices, got {size!r}."
        )


def _in_order(groups):
    """Core ids in the order in which they first occur."""
    cores, first = np.unique(groups, return_index=True)
    return cores[np.argsort(first)]
