"""`GraphCutLabeler`: labels of least energy, a Markov random field on the mixture."""

import numpy as np

from icecoreseg.labeling._cut import minimum_cut
from icecoreseg.labeling._spatial import SpatialLabeler, check_number

_CERTAIN = 1e-6  # probabilities are kept this far from 0 and 1, so that odds stay finite


class GraphCutLabeler(SpatialLabeler):
    r"""Label ice and air so that an energy is least: a graph cut on the mixture.

    The energy of the labels :math:`y` of a slice is

    .. math:: E(y) = -\sum_i \log p_i(y_i) + s \sum_{i \sim j} w_{ij} [y_i \ne y_j]

    with the probabilities of a first guess as data term and the cost of the boundary as
    smoothness term: a Potts model on 8 neighbours [1]_. Its minimum is found exactly,
    as a minimum cut (`scipy.sparse.csgraph.maximum_flow`), slice by slice.

    Parameters
    ----------
    labeler : estimator, optional
        Makes the first guess: a labeler with ``predict_fraction``, or a pipeline with
        ``predict_proba`` that ends in one. Default: ``GMMLabeler()``.
    smoothness : float
        Cost s, in nats, of two neighbours of different labels (diagonal ones: divided by the
        square root of 2). 0 returns the guess; large values lose thin structures,
        and take long.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside. A given
        labeler must have the same. No pair reaches across the rim.

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
    .. [1] Boykov and Kolmogorov (2004), doi:10.1109/TPAMI.2004.60; for snow: Hagenmuller
       et al. (2013), doi:10.3189/2013JoG13J035.

    Examples
    --------
    What the noise has torn is mended:

    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler, GraphCutLabeler
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.integers(0, 2, (1, 6, 6)).repeat(8, 1).repeat(8, 2)
    >>> X = 40 + 60 * ice + rng.normal(0, 25, ice.shape)
    >>> guess = GMMLabeler(smoothing=None)
    >>> round(guess.fit(X).score(X, ice), 2)
    0.91
    >>> round(GraphCutLabeler(guess).fit(X).score(X, ice), 2)
    0.99
    """

    def __init__(self, labeler=None, *, smoothness=1.0, outside=np.nan):
        self.labeler = labeler
        self.smoothness = smoothness
        self.outside = outside

    def _check_parameters(self):
        super()._check_parameters()
        check_number(self.smoothness, name="smoothness", low=0, high=1000)

    def _ice(self, plane, guess, inside):
        likely = np.clip(guess.astype(float), _CERTAIN, 1 - _CERTAIN)
        return minimum_cut(np.log(likely / (1 - likely)), inside, self.smoothness)
