"""What the spatial labelers share: a first guess voxel by voxel, then slice by slice."""

from numbers import Real

import numpy as np
from scipy.ndimage import distance_transform_edt
from sklearn.base import clone

from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_grey_values, inside_mask
from icecoreseg.labeling._labeler import Labeler
from icecoreseg.labeling._smoothing import smooth_inside
from icecoreseg.labeling.gmm import GMMLabeler
from icecoreseg.labels import AIR, ICE, OUTSIDE


class SpatialLabeler(Labeler):
    """A labeler that lets neighbouring voxels of a slice correct a point-wise first guess.

    The guess is the ice fraction of another labeler (`labeler`) or of a pipeline that ends in one,
    a mixture by default. What it has no guess for is outside.
    Subclasses have ``_ice(plane, guess, inside)``, which decides one slice.
    """

    def fit(self, X, y=None):
        """Fit the labeler that makes the first guess.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask.
        y : None
            Ignored.

        Returns
        -------
        self
            The estimator itself.
        """
        X = self._check(X)
        labeler = GMMLabeler(outside=self.outside) if self.labeler is None else self.labeler
        self.labeler_ = clone(labeler).fit(X)
        return self

    def _predict(self, X):
        return map_slabs(self._label, X, self._guess(X), dtype=np.uint8)

    def _guess(self, X):
        if hasattr(self.labeler_, "predict_fraction"):
            return self.labeler_.predict_fraction(X)
        return self.labeler_.predict_proba(X)[:, 1]  # what a pipeline hands on

    def _check_parameters(self):
        guesses = (hasattr(self.labeler, name) for name in ("predict_fraction", "predict_proba"))
        if self.labeler is not None and not any(guesses):
            raise ValueError(
                "labeler must have predict_fraction or predict_proba (as GMMLabeler has), or be "
                f"None; got {self.labeler!r}."
            )
        theirs = getattr(self.labeler, "outside", self.outside)
        if not np.array_equal(theirs, self.outside, equal_nan=True):
            raise ValueError(f"labeler has outside={theirs!r}, expected {self.outside!r}, as here.")

    def _label(self, slab, fraction):
        check_grey_values(slab, self.outside)
        labels = np.full(slab.shape, OUTSIDE, dtype=np.uint8)
        inside = inside_mask(slab, self.outside) & ~np.isnan(fraction)
        for plane, guess, mask, out in zip(slab, fraction, inside, labels, strict=True):
            if mask.any():
                ice = self._ice(plane, guess, mask)
                out[mask] = np.where(ice[mask], np.uint8(ICE), np.uint8(AIR))
        return labels


def fill_outside(plane, inside):
    """Copy of a slice (float32) whose outside repeats the nearest voxel of the specimen.

    What knows no mask then sees no edge at the rim, and nothing of the casing.

    Examples
    --------
    >>> import numpy as np
    >>> fill_outside(np.array([[np.nan, 3, 5, 0]]), np.array([[False, True, True, False]]))
    array([[3., 3., 5., 5.]], dtype=float32)
    """
    plane = np.asarray(plane, dtype=np.float32)
    if inside.all():
        return plane
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return plane[tuple(nearest)]


def smooth_and_fill(plane, inside, sigma):
    """A slice as float32, smoothed inside by a Gaussian, its outside filled (`fill_outside`)."""
    if sigma > 0:
        plane = smooth_inside(plane[np.newaxis], inside[np.newaxis], (0, sigma, sigma))[0]
    return fill_outside(plane, inside)


def check_number(value, *, name, low, high=np.inf):
    """Raise ValueError unless `value` is a finite number with low <= value <= high."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and low <= value <= high and np.isfinite(value)):
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")
