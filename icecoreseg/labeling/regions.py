"""Labels of regions instead of voxels: active contours and superpixels."""

import numpy as np
from skimage.segmentation import slic

from icecoreseg._validation import check_positive_int
from icecoreseg.labeling._contour import move_contour
from icecoreseg.labeling._spatial import (
    SpatialLabeler,
    check_number,
    fill_outside,
    smooth_and_fill,
)


class ChanVeseLabeler(SpatialLabeler):
    """Label ice and air by active contours without edges (Chan and Vese).

    The contour of the first guess moves, slice by slice, until the ice fractions on either
    side are as uniform as they can be, and is smoothed by morphology on its way [1]_.

    Parameters
    ----------
    labeler : estimator, optional
        Makes the first guess: a labeler with ``predict_fraction``, or a pipeline with
        ``predict_proba`` that ends in one. Default: ``GMMLabeler()``.
    n_iterations : int
        Steps of the contour.
    n_smoothings : int
        Morphological smoothings of the contour in every step; 0 for none.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. A given
        labeler must have the same. Outside, the contour sees the nearest voxel of the
        specimen, so that the rim is no edge.

    Attributes
    ----------
    labeler_ : estimator
        The fitted labeler of the first guess.

    Raises
    ------
    ValueError
        If X is not a grey stack, or a parameter is wrong.

    References
    ----------
    .. [1] Marquez-Neila et al. (2014), doi:10.1109/TPAMI.2013.106; Chan and Vese (2001),
       doi:10.1109/83.902291.

    Examples
    --------
    A bubble stays, a single dark voxel goes:

    >>> import numpy as np
    >>> from icecoreseg import ChanVeseLabeler, GMMLabeler
    >>> X = np.full((1, 20, 20), 110.0)
    >>> X[0, 4:10, 4:10] = 30
    >>> X[0, 15, 15] = 30
    >>> labels = ChanVeseLabeler(GMMLabeler(smoothing=None)).fit_transform(X)
    >>> int(labels[0, 7, 7]), int(labels[0, 15, 15])
    (0, 1)
    """

    def __init__(self, labeler=None, *, n_iterations=5, n_smoothings=1, outside=np.nan):
        self.labeler = labeler
        self.n_iterations = n_iterations
        self.n_smoothings = n_smoothings
        self.outside = outside

    def _check_parameters(self):
        super()._check_parameters()
        check_positive_int(self.n_iterations, name="n_iterations")
        check_positive_int(self.n_smoothings, name="n_smoothings", minimum=0)

    def _ice(self, plane, guess, inside):
        fraction = fill_outside(guess, inside)
        return move_contour(fraction, inside, fraction > 0.5, self.n_iterations, self.n_smoothings)


class SuperpixelLabeler(SpatialLabeler):
    """Label ice and air by the majority within superpixels.

    A slice is cut into small patches of similar grey level (SLIC [1]_,
    `skimage.segmentation.slic`); a patch is ice where its mean ice fraction, by the first
    guess, exceeds one half.

    Parameters
    ----------
    labeler : estimator, optional
        Makes the first guess: a labeler with ``predict_fraction``, or a pipeline with
        ``predict_proba`` that ends in one. Default: ``GMMLabeler()``.
    superpixel_size : int
        Voxels of a superpixel, about.
    compactness : float
        Weight of distance against grey level (scaled to [0, 1]): larger makes the
        patches squarer.
    smoothing : float
        Standard deviation, in voxels, of the in-plane Gaussian smoothing of the slice that
        is cut; the outside does not bleed into the rim.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. A given
        labeler must have the same. Voxels outside have no vote.

    Attributes
    ----------
    labeler_ : estimator
        The fitted labeler of the first guess.

    Raises
    ------
    ValueError
        If X is not a grey stack, or a parameter is wrong.

    References
    ----------
    .. [1] Achanta et al. (2012), doi:10.1109/TPAMI.2012.120; superpixels with majority
       votes are named by Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler, SuperpixelLabeler
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.integers(0, 2, (1, 6, 6)).repeat(8, 1).repeat(8, 2)
    >>> X = 40 + 60 * ice + rng.normal(0, 25, ice.shape)
    >>> guess = GMMLabeler(smoothing=None)
    >>> round(guess.fit(X).score(X, ice), 2)
    0.91
    >>> SuperpixelLabeler(guess).fit(X).score(X, ice) > 0.95
    True
    """

    def __init__(
        self,
        labeler=None,
        *,
        superpixel_size=8,
        compactness=0.1,
        smoothing=1.3,
        outside=np.nan,
    ):
        self.labeler = labeler
        self.superpixel_size = superpixel_size
        self.compactness = compactness
        self.smoothing = smoothing
        self.outside = outside

    def _check_parameters(self):
        super()._check_parameters()
        check_positive_int(self.superpixel_size, name="superpixel_size")
        check_number(self.smoothing, name="smoothing", low=0)
        if not 0 < self.compactness < np.inf:
            raise ValueError(f"compactness must be positive, got {self.compactness!r}.")

    def _ice(self, plane, guess, inside):
        patches = slic(
            smooth_and_fill(plane, inside, self.smoothing),
            n_segments=max(1, plane.size // self.superpixel_size),
            compactness=self.compactness,
            channel_axis=None,
            start_label=0,
        )
        votes = np.bincount(
            patches[inside], weights=guess[inside] - 0.5, minlength=patches.max() + 1
        )
        return votes[patches] > 0
