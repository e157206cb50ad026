"""Labels by a grey threshold: the classical company of the mixture."""

import warnings
from functools import partial

import numpy as np
from skimage import filters

from icecoreseg._slabs import iterate_slabs, map_slabs
from icecoreseg._validation import (
    check_choice,
    check_grey_values,
    inside_mask,
    warn_if_outside_unmarked,
)
from icecoreseg.labeling._labeler import Labeler
from icecoreseg.labeling.histogram import choose_bin_width, grey_histogram
from icecoreseg.labeling.mixture import two_means
from icecoreseg.labels import AIR, ICE, OUTSIDE


def threshold_kmeans(values):
    """Threshold between the two clusters of k-means, at their global optimum.

    Parameters
    ----------
    values : array of shape (n_voxels,)
        Grey levels, at least two different ones.

    Returns
    -------
    float
        Halfway between two bins of the histogram (for whole numbers: grey levels).

    Examples
    --------
    >>> import numpy as np
    >>> threshold_kmeans(np.array([20, 22, 24, 110, 120], dtype=np.uint8))
    24.5
    """
    histogram = grey_histogram(values, choose_bin_width(values))
    return float((histogram.first + two_means(histogram) - 0.5) * histogram.width)


METHODS = {
    "otsu": filters.threshold_otsu,
    "triangle": filters.threshold_triangle,
    "li": filters.threshold_li,
    "yen": filters.threshold_yen,
    "isodata": filters.threshold_isodata,
    "minimum": filters.threshold_minimum,
    "mean": filters.threshold_mean,
    "kmeans": threshold_kmeans,
}
"""Global methods by name, all but k-means those of scikit-image."""


class ThresholdLabeler(Labeler):
    """Label ice and air by one grey threshold per slice.

    Voxels above the threshold are ice. The threshold is found among the specimen's
    voxels only, by a method of scikit-image or given by hand [1]_.

    Parameters
    ----------
    method : {"otsu", "triangle", "li", "yen", "isodata", "minimum", "mean", "kmeans"} or float
        How the threshold of a slice is found (``skimage.filters.threshold_<method>``; "kmeans":
        two clusters of least squared deviation), or the threshold itself, in grey levels,
        for all slices.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside.

    Attributes
    ----------
    thresholds_ : array of shape (n_slices,)
        Threshold of every slice of the fit; NaN for slices without voxels inside.

    Raises
    ------
    ValueError
        If X is not a grey stack, or the method is not known.

    Notes
    -----
    ``predict`` finds the thresholds of the slices that it is given. A slice of one single grey
    level has no threshold of its own: it takes the median of those of the fit.

    References
    ----------
    .. [1] Bagherzadeh et al. (2023), section III-B, doi:10.1109/TGRS.2023.3334867, for
       thresholds on ice cores; Otsu (1979), doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[[20, 25, 110, 120]]], dtype=np.uint8)
    >>> ThresholdLabeler("otsu").fit_transform(X).ravel()
    array([0, 0, 1, 1], dtype=uint8)
    """

    def __init__(self, method="otsu", *, outside=np.nan):
        self.method = method
        self.outside = outside

    def fit(self, X, y=None):
        """Find the threshold of every slice.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask.
        y : None
            Ignored.

        Returns
        -------
        ThresholdLabeler
            The estimator itself.
        """
        X = self._check(X)
        warn_if_outside_unmarked(X, self.outside)
        pairs = (pair for _, slab in iterate_slabs(X) for pair in self._planes(slab))
        self.thresholds_ = np.array([self._threshold(plane[mask], np.nan) for plane, mask in pairs])
        return self

    def _predict(self, X):
        known = self.thresholds_[~np.isnan(self.thresholds_)]
        fallback = float(np.median(known)) if known.size else np.nan
        return map_slabs(partial(self._label, fallback=fallback), X, dtype=np.uint8)

    def _check_parameters(self):
        if isinstance(self.method, str):
            check_choice(self.method, METHODS, name="method")
        elif not np.isscalar(self.method) or not np.isfinite(self.method):
            raise ValueError(f"method must be a name or a finite number, got {self.method!r}.")

    def _planes(self, slab):
        """(slice, mask of the specimen) of every slice, ready for its threshold."""
        check_grey_values(slab, self.outside)
        inside = inside_mask(slab, self.outside)
        return [(self._prepare(*pair), pair[1]) for pair in zip(slab, inside, strict=True)]

    def _prepare(self, plane, inside):
        """A slice before its threshold: as it is."""
        return plane

    def _label(self, slab, fallback):
        labels = np.full(slab.shape, OUTSIDE, dtype=np.uint8)
        for (plane, inside), out in zip(self._planes(slab), labels, strict=True):
            threshold = self._threshold(plane[inside], fallback)
            out[inside] = np.where(plane[inside] > threshold, np.uint8(ICE), np.uint8(AIR))
        return labels

    def _threshold(self, values, fallback):
        """Threshold of one slice's voxels inside; `fallback` where they do not determine one."""
        if not isinstance(self.method, str):
            return float(self.method)
        if values.size == 0 or values.min() == values.max():
            return fallback
        try:
            return float(METHODS[self.method](values))
        except RuntimeError:  # threshold_minimum found no two peaks
            warnings.warn(
                f"method={self.method!r} finds no threshold in a slice (its histogram does not "
                "have two peaks); the median threshold of the fit is used there.",
                stacklevel=2,
            )
            return fallback
