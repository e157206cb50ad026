"""`LocalThresholdLabeler`: a threshold for every voxel, from its surroundings."""

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from icecoreseg._validation import (
    check_choice,
    check_grey_values,
    check_positive_int,
    inside_mask,
)
from icecoreseg.labeling._labeler import Labeler
from icecoreseg.labels import AIR, ICE, OUTSIDE


class LocalThresholdLabeler(Labeler):
    """Label ice and air by comparing every voxel with the mean of its surroundings.

    Adaptive thresholds follow slow changes of brightness across a slice. They need both
    phases within the block: within solid ice they find air in the noise, unless `offset`
    keeps the threshold away from the ice. No dependence between slices.

    Parameters
    ----------
    method : {"mean", "gaussian"}
        Plain mean of the block, or weighted by a Gaussian.
    block_size : int
        Edge of the block in voxels, odd. The Gaussian has the standard deviation
        ``(block_size - 1) / 6``, as in `skimage.filters.threshold_local`.
    offset : float
        Grey levels by which the threshold lies below the local mean.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. They have
        no weight in the means, so that the rim is judged by the specimen alone.

    Raises
    ------
    ValueError
        If X is not a grey stack, the method is not known, or the block is not odd.

    References
    ----------
    Bagherzadeh et al. (2023), section III-B, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    Bubbles in ice that brightens from left to right have no common threshold, but are
    darker than what is around them:

    >>> import numpy as np
    >>> X = np.tile(np.arange(100.0, 160), (1, 20, 1))
    >>> X[0, 10, ::10] -= 30
    >>> labels = LocalThresholdLabeler("mean", block_size=7, offset=15).fit_transform(X)
    >>> np.flatnonzero(labels[0, 10] == 0)
    array([ 0, 10, 20, 30, 40, 50])
    >>> int((labels == 0).sum())
    6
    """

    def __init__(self, method="mean", *, block_size=101, offset=0.0, outside=np.nan):
        self.method = method
        self.block_size = block_size
        self.offset = offset
        self.outside = outside

    def fit(self, X, y=None):
        """Check X and the parameters; there is nothing to learn.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask.
        y : None
            Ignored.

        Returns
        -------
        LocalThresholdLabeler
            The estimator itself.
        """
        self._check(X)
        self.is_fitted_ = True
        return self

    def _check_parameters(self):
        check_choice(self.method, ("mean", "gaussian"), name="method")
        check_positive_int(self.block_size, name="block_size", minimum=3)
        if self.block_size % 2 == 0:
            raise ValueError(f"block_size must be odd, got {self.block_size!r}.")
        if not np.isfinite(self.offset):
            raise ValueError(f"offset must be finite, got {self.offset!r}.")

    def _label(self, slab):
        check_grey_values(slab, self.outside)
        labels = np.full(slab.shape, OUTSIDE, dtype=np.uint8)
        inside = inside_mask(slab, self.outside)
        for plane, mask, out in zip(slab, inside, labels, strict=True):
            ice = plane[mask] > self._local_mean(plane, mask)[mask] - self.offset
            out[mask] = np.where(ice, np.uint8(ICE), np.uint8(AIR))
        return labels

    def _local_mean(self, plane, mask):
        """Mean of the voxels inside the block and inside the specimen."""
        weight = mask.astype(float)
        total = self._average(np.where(mask, plane, 0.0))
        share = self._average(weight)
        return np.divide(total, share, out=np.zeros_like(total), where=share > 0)

    def _average(self, plane):
        if self.method == "mean":
            return uniform_filter(plane, self.block_size, mode="constant")
        return gaussian_filter(plane, (self.block_size - 1) / 6, mode="constant")
