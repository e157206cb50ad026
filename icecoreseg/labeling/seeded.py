"""Labels that grow from seeds of both phases: random walker and region growing.

Where the first guess is certain it gives seeds, of air *and* of ice; the doubtful voxels
between them go to the phase that reaches them first. (With seeds of one phase only, a random
walker just gives the seeds back.)
"""

import numpy as np
from scipy.ndimage import label
from skimage.filters import sobel
from skimage.segmentation import random_walker, watershed

from icecoreseg.labeling._spatial import SpatialLabeler, check_number, smooth_and_fill

UNDECIDED, AIR_SEED, ICE_SEED = 0, 1, 2


def find_seeds(fraction, inside, confidence):
    """Markers where the guess is certain.

    Parameters
    ----------
    fraction : array of shape (n_rows, n_columns)
        Probability of ice.
    inside : array of the same shape, bool
        True inside the specimen.
    confidence : float
        Probability from which on a voxel is a seed of its phase.

    Returns
    -------
    array of the same shape, int32
        1 air, 2 ice, 0 undecided, -1 outside.

    Examples
    --------
    >>> import numpy as np
    >>> fraction = np.array([[0.01, 0.4, 0.99, np.nan]])
    >>> find_seeds(fraction, ~np.isnan(fraction), 0.95)
    array([[ 1,  0,  2, -1]], dtype=int32)
    """
    markers = np.full(fraction.shape, UNDECIDED, dtype=np.int32)
    markers[fraction >= confidence] = ICE_SEED
    markers[fraction <= 1 - confidence] = AIR_SEED
    markers[~inside] = -1
    return markers


class _SeededLabeler(SpatialLabeler):
    """Seeds, then ``_grow(plane, markers)`` -> markers, 0 or less where none came."""

    def __init__(self, labeler=None, *, confidence=0.95, smoothing=1.3, outside=np.nan):
        self.labeler = labeler
        self.confidence = confidence
        self.smoothing = smoothing
        self.outside = outside

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.smoothing, name="smoothing", low=0)
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence must lie in (0.5, 1), got {self.confidence!r}.")

    def _ice(self, plane, guess, inside):
        markers = find_seeds(guess, inside, self.confidence)
        ice = guess > 0.5
        if {UNDECIDED, AIR_SEED, ICE_SEED} <= set(np.unique(markers)):
            grown = self._grow(smooth_and_fill(plane, inside, self.smoothing), markers)
            reached = inside & (grown > 0)
            ice[reached] = grown[reached] == ICE_SEED
        return ice


class RandomWalkerLabeler(_SeededLabeler):
    """Label ice and air by a random walker from seeds of both phases.

    A voxel becomes ice if a walker that starts there, and hardly crosses steps of grey
    level, probably meets a seed of ice before one of air [1]_. Slice by slice, with
    `skimage.segmentation.random_walker`.

    Parameters
    ----------
    labeler : estimator, optional
        Makes the first guess, which gives the seeds: a labeler with ``predict_fraction``, or a
        pipeline with ``predict_proba`` that ends in one. Default: ``GMMLabeler()``.
    confidence : float
        Probability, by the guess, from which on a voxel is a seed.
    beta : float
        How much the walker avoids steps of grey level, the slice being scaled to [0, 1].
    smoothing : float
        Standard deviation, in voxels, of the in-plane Gaussian smoothing of the slice that
        the walker walks on; the outside does not bleed into the rim.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. A given
        labeler must have the same.

    Attributes
    ----------
    labeler_ : estimator
        The fitted labeler of the first guess.

    Raises
    ------
    ValueError
        If X is not a grey stack, or a parameter is wrong.

    Notes
    -----
    Slices, and parts of slices, without seeds of both phases keep the first guess.

    References
    ----------
    .. [1] Grady (2006), doi:10.1109/TPAMI.2006.233; named for ice cores by Bagherzadeh et
       al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    A dim voxel amid ice is not a bubble, and the walker knows:

    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler, RandomWalkerLabeler
    >>> X = np.tile(np.where(np.arange(40) < 20, 30.0, 110.0), (1, 40, 1))
    >>> X += np.random.default_rng(0).normal(0, 12, X.shape)
    >>> X[0, 20, 30] = 68
    >>> guess = GMMLabeler(smoothing=None)
    >>> walker = RandomWalkerLabeler(guess)
    >>> int(guess.fit_transform(X)[0, 20, 30]), int(walker.fit_transform(X)[0, 20, 30])
    (0, 1)
    """

    def __init__(self, labeler=None, *, confidence=0.95, beta=130.0, smoothing=1.3, outside=np.nan):
        super().__init__(labeler, confidence=confidence, smoothing=smoothing, outside=outside)
        self.beta = beta

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.beta, name="beta", low=0)

    def _grow(self, plane, markers):
        markers = _without_islands(markers)
        if (
            np.ptp(plane) == 0 or not (markers == UNDECIDED).any()
        ):  # the walker divides by the spread
            return markers
        # Few voxels are open, so that the direct solver is quick; conjugate gradients stall on
        # patches that hardly hang together.
        # In float32 the weights of steep steps would vanish beside those of level ground.
        plane = (plane.astype(float) - plane.min()) / np.ptp(plane)
        return random_walker(plane, markers, beta=self.beta, mode="bf")


def _without_islands(markers):
    """Markers, with -1 for parts of the specimen that are all seeds, or hold none."""
    parts, n_parts = label(markers >= UNDECIDED)
    seeded = np.zeros(n_parts + 1, dtype=bool)
    seeded[parts[markers > UNDECIDED]] = True
    undecided = np.zeros(n_parts + 1, dtype=bool)
    undecided[parts[markers == UNDECIDED]] = True
    return np.where((seeded & undecided)[parts], markers, -1)


class WatershedLabeler(_SeededLabeler):
    """Label ice and air by growing regions from seeds of both phases.

    Seeds grow over the doubtful voxels in the order of their grey level's gradient
    (Sobel), until they meet on its ridges: a watershed from markers [1]_. Slice by slice,
    with `skimage.segmentation.watershed`.

    Parameters
    ----------
    labeler : estimator, optional
        Makes the first guess, which gives the seeds: a labeler with ``predict_fraction``, or a
        pipeline with ``predict_proba`` that ends in one. Default: ``GMMLabeler()``.
    confidence : float
        Probability, by the guess, from which on a voxel is a seed.
    smoothing : float
        Standard deviation, in voxels, of the in-plane Gaussian smoothing of the slice
        before its gradient is taken; the outside does not bleed into the rim.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. A given
        labeler must have the same.

    Attributes
    ----------
    labeler_ : estimator
        The fitted labeler of the first guess.

    Raises
    ------
    ValueError
        If X is not a grey stack, or a parameter is wrong.

    Notes
    -----
    Slices, and parts of slices, without seeds of both phases keep the first guess.

    References
    ----------
    .. [1] Meyer (1994), doi:10.1016/0165-1684(94)90060-4; region growing for ice cores is
       named by Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    The border lies on the steepest slope, whatever grey level that is:

    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler, WatershedLabeler
    >>> ramp = np.r_[np.full(20, 30.0), 35, 40, 90, 95, np.full(20, 100.0)]
    >>> X = np.tile(ramp, (1, 8, 1))
    >>> guess = GMMLabeler(smoothing=None)
    >>> labels = WatershedLabeler(guess, smoothing=0).fit_transform(X)
    >>> int(np.argmax(labels[0, 0])), ramp[22]
    (22, np.float64(90.0))
    """

    def _grow(self, plane, markers):
        return watershed(sobel(plane), np.maximum(markers, UNDECIDED), mask=markers >= UNDECIDED)
