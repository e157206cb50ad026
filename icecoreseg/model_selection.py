"""Splits that do not leak: neighbouring slices are near-copies of each other."""

import numbers

import numpy as np
from sklearn.model_selection import BaseCrossValidator


class DepthSplit(BaseCrossValidator):
    """Upper part of every core to train, lower part to test, as in the paper.

    A random split of slices would put near-copies of every test slice into the training
    set. This one cuts every core once, at a depth; a gap may be left out in between.

    Parameters
    ----------
    test_size : float or int
        Lowest part of every core that is tested on: a fraction, or a number of slices.
    gap : int
        Slices left out between the two parts, so that the test does not begin with
        copies of the last training slices.

    Notes
    -----
    There is one split. ``groups`` holds one core id per slice, the slices of a core in
    order of depth; without it all slices are of one core.

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
    """

    def __init__(self, test_size=0.2, *, gap=0):
        self.test_size = test_size
        self.gap = gap

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
        n_slices = X.shape[0] if hasattr(X, "shape") else len(X)
        groups = np.zeros(n_slices, int) if groups is None else np.asarray(groups)
        if groups.shape != (n_slices,):
            raise ValueError(f"groups has shape {groups.shape}, but X has {n_slices} slices.")
        parts = [self._cut(np.flatnonzero(groups == core), core) for core in _in_order(groups)]
        yield tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _cut(self, slices, core):
        n_test = self._n_test(len(slices))
        if not isinstance(self.gap, numbers.Integral) or self.gap < 0:
            raise ValueError(f"gap must be a number of slices, got {self.gap!r}.")
        n_train = len(slices) - n_test - self.gap
        if n_train < 1 or n_test < 1:
            raise ValueError(
                f"Core {core} has {len(slices)} slices: too few for {n_test} to test, a gap of "
                f"{self.gap} and at least one to train."
            )
        return slices[:n_train], slices[len(slices) - n_test :]

    def _n_test(self, n_slices):
        whole = isinstance(self.test_size, numbers.Integral)
        if whole and self.test_size >= 1:
            return int(self.test_size)
        if not whole and 0 < self.test_size < 1:
            return max(1, round(self.test_size * n_slices))
        raise ValueError(
            f"test_size must be a fraction in (0, 1) or a number of slices, got {self.test_size!r}."
        )


def _in_order(groups):
    """Core ids in the order in which they first occur."""
    cores, first = np.unique(groups, return_index=True)
    return cores[np.argsort(first)]
