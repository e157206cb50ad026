"""`SequentialLabeler`: denoise, threshold, clean."""

import numpy as np
from scipy.ndimage import label

from icecoreseg._validation import check_positive_int
from icecoreseg.labeling.thresholds import ThresholdLabeler
from icecoreseg.labels import AIR, ICE
from icecoreseg.preprocessing._median import median_inside


class SequentialLabeler(ThresholdLabeler):
    """Label ice and air by the classical sequence: denoise, threshold, clean.

    Slice by slice, a median filter takes away noise, a global threshold separates the
    phases, and patches of either phase that are too small to be real are given to the
    other [1]_.

    Parameters
    ----------
    method : str or float
        How the threshold is found; see `ThresholdLabeler`.
    median_size : int
        Edge of the median filter in voxels, odd; 1 for none.
    min_size : int
        Smallest patch, in voxels connected by their edges, that is kept; 1 keeps all.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. The median
        leaves them out.

    Attributes
    ----------
    thresholds_ : array of shape (n_slices,)
        Threshold of every slice of the fit, in grey levels after the median.

    Raises
    ------
    ValueError
        If X is not a grey stack, or a parameter is wrong.

    References
    ----------
    .. [1] Named "sequential filtering" by Bagherzadeh et al. (2023),
       doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    A bubble of 4 voxels goes where 5 are asked for:

    >>> import numpy as np
    >>> X = np.full((1, 9, 9), 110, dtype=np.uint8)
    >>> X[0, 1:3, 1:3] = X[0, 5:8, 5:8] = 30
    >>> labels = SequentialLabeler(median_size=1, min_size=5).fit_transform(X)
    >>> int(labels[0, 1, 1]), int(labels[0, 6, 6])
    (1, 0)
    """

    def __init__(self, method="otsu", *, median_size=5, min_size=10, outside=np.nan):
        super().__init__(method, outside=outside)
        self.median_size = median_size
        self.min_size = min_size

    def _check_parameters(self):
        super()._check_parameters()
        check_positive_int(self.min_size, name="min_size")
        check_positive_int(self.median_size, name="median_size")
        if self.median_size % 2 == 0:
            raise ValueError(f"median_size must be odd, got {self.median_size!r}.")

    def _prepare(self, plane, inside):
        if self.median_size == 1:
            return plane
        return median_inside(np.where(inside, plane, 0), inside, self.median_size)

    def _label(self, slab, fallback):
        labels = super()._label(slab, fallback)
        return np.stack([remove_small_patches(plane, self.min_size) for plane in labels])


def remove_small_patches(labels, min_size):
    """Give small patches of air to ice, then small patches of ice to air.

    Parameters
    ----------
    labels : array of shape (n_rows, n_columns), uint8
        One slice.
    min_size : int
        Smallest patch, in voxels connected by their edges, that is kept.

    Returns
    -------
    array of the same shape, uint8
        OUTSIDE where it was.
    """
    for phase, other in ((AIR, ICE), (ICE, AIR)):
        patches, _ = label(labels == phase)
        small = np.bincount(patches.ravel()) < min_size
        small[0] = False  # not of this phase at all
        labels = np.where(small[patches], np.uint8(other), labels)
    return labels
