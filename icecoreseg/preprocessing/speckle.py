"""Remove salt and pepper, and nothing else."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackTransformer
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import (
    check_grey_values,
    check_outside,
    check_positive_int,
    check_stack,
    inside_mask,
)
from icecoreseg.preprocessing._median import median_inside

_FIT_SLICES = 16
_NOISE_MULTIPLE = 6.0
_NORMAL_MAD = 0.6745


def remove_speckles(X, *, threshold=None, size=3, outside=np.nan):
    """Replace single voxels that stick out by the median of their neighbourhood.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack.
    threshold : float, optional
        Grey levels by which a voxel must depart from the median of its neighbourhood;
        all others keep their value. Default: see `SpeckleFilter`.
    size : int
        Edge of the neighbourhood in the slice, odd. What fills less than half of it can
        go: with 3, up to four voxels.
    outside : float or int
        The value that marks what is outside. It is no neighbour, and stays.

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
        With the dtype of X. numpy in -> numpy out; dask in -> dask out.

    Examples
    --------
    >>> X = np.full((1, 5, 5), 100.0)
    >>> X[0, 2, 2], X[0, :, 4] = 255, np.nan
    >>> remove_speckles(X, threshold=50)[0, 2]
    array([100., 100., 100., 100.,  nan])
    """
    return SpeckleFilter(threshold=threshold, size=size, outside=outside).fit(X).transform(X)


class SpeckleFilter(StackTransformer):
    """Salt-and-pepper removal that respects the outside and spares clean voxels.

    A voxel is replaced by the median of the inside voxels around it, in its slice, only
    if it departs from it by more than a threshold. So noise, edges and bubbles of some
    voxels stay as they are.

    Parameters
    ----------
    threshold : float, optional
        In grey levels. Default: learned in ``fit``, the larger of six standard
        deviations of the noise (from the median absolute departure) and half of the
        span of grey values, from their 5 % to their 95 % quantile.
    size : int
        Edge of the neighbourhood, odd.
    outside : float or int
        The value that marks what is outside.

    Attributes
    ----------
    threshold_ : float

    Notes
    -----
    Slices are filtered one by one, so that blocks of a stack give what the whole gives.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> X = random.normal(100, 9, (2, 40, 40)).round().astype(np.uint8)
    >>> salted = X.copy()
    >>> salted[:, 5::10, 5::10] = 255
    >>> filtered = SpeckleFilter().fit_transform(salted)
    >>> int(filtered.max()) < 140, int((filtered != salted).sum())  # the 32 grains of salt
    (True, 32)
    """

    def __init__(self, *, threshold=None, size=3, outside=np.nan):
        self.threshold = threshold
        self.size = size
        self.outside = outside

    def fit(self, X, y=None):
        """Learn the threshold, from up to 16 slices, unless it is given.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
        y : None
            Ignored.

        Returns
        -------
        SpeckleFilter
        """
        X = check_stack(X)
        self._check_parameters(X)
        if self.threshold is None:
            self.threshold_ = _learn_threshold(X, self.size, self.outside)
        else:
            self.threshold_ = float(self.threshold)
        return self

    def transform(self, X):
        """Remove the speckles.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)

        Returns
        -------
        array of shape (n_slices, n_rows, n_columns)
        """
        check_is_fitted(self)
        X = check_stack(X)
        self._check_parameters(X)
        return map_slabs(self._filter, X, dtype=X.dtype)

    def _check_parameters(self, X):
        check_outside(self.outside, X.dtype)
        if check_positive_int(self.size, name="size", minimum=3) % 2 == 0:
            raise ValueError(f"size must be odd, got {self.size}.")
        threshold = self.threshold
        if threshold is not None and not (isinstance(threshold, Real) and threshold >= 0):
            raise ValueError(f"threshold must be at least 0 grey levels, got {threshold!r}.")

    def _filter(self, slab):
        check_grey_values(slab, self.outside)
        result = slab.copy()
        for pixels in result:
            inside = inside_mask(pixels, self.outside)
            median = median_inside(pixels, inside, self.size)
            np.copyto(pixels, median, where=inside & _departs(pixels, median, self.threshold_))
        return result


def _departs(pixels, median, threshold):
    """Where two arrays differ by more than a threshold, without leaving their dtype."""
    if pixels.dtype.kind == "u":  # a whole number exceeds t if it exceeds floor(t)
        threshold = pixels.dtype.type(min(threshold, np.iinfo(pixels.dtype).max))
    return np.maximum(pixels, median) - np.minimum(pixels, median) > threshold


def _learn_threshold(X, size, outside):
    """See `SpeckleFilter`."""
    numbers = np.unique(np.linspace(0, X.shape[0] - 1, _FIT_SLICES).round().astype(np.intp))
    values, departures = [], []
    for number in numbers.tolist():
        pixels = check_grey_values(np.asarray(X[number]), outside)
        inside = inside_mask(pixels, outside)
        median = median_inside(pixels, inside, size)
        stride = max(1, inside.size // 2**16)
        values.append(pixels[inside][::stride].astype(np.float64))
        departures.append(values[-1] - median[inside][::stride])
    values, departures = np.concatenate(values), np.concatenate(departures)
    if values.size == 0:
        return 0.0  # all outside: there is nothing to filter
    noise = np.median(np.abs(departures)) / _NORMAL_MAD
    low, high = np.quantile(values, (0.05, 0.95))
    return float(max(_NOISE_MULTIPLE * noise, (high - low) / 2))
