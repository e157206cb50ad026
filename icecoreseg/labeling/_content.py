"""How much ice a grey level stands for: from the posterior, or from the two phase means."""

import numpy as np

from icecoreseg.labeling._quality import noise_share


def ice_by_level(histogram, mixture, rule, balance=0.0):
    """Ice content, 0 to 1, of every grey level of a slice.

    Parameters
    ----------
    histogram : Histogram
        Grey levels of the slice, not empty.
    mixture : Mixture
        Fitted to it.
    rule : {"mixture", "tempered", "balanced", "linear"}
        "mixture": posterior of equation (2). "tempered": the same with the weights to the
        power (1 + noise share) / 2. "balanced": that, with the threshold moved by `balance`.
        "linear": where the level lies between the means of air and ice, as if every level
        between them were a partly filled voxel.
    balance : float
        See `find_balance`.

    Returns
    -------
    array of shape (n_bins,), float32

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg.labeling.histogram import Histogram
    >>> from icecoreseg.labeling.mixture import Mixture
    >>> histogram = Histogram(30, np.ones(81))
    >>> mixture = Mixture(np.array([0.5, 0.5]), np.array([30.0, 110.0]), np.array([64.0, 64.0]))
    >>> at = [20, 40, 60]  # 50, 70 and 90 grey levels
    >>> ice_by_level(histogram, mixture, "mixture")[at].round(2).tolist()
    [0.0, 0.5, 1.0]
    >>> ice_by_level(histogram, mixture, "linear")[at].tolist()
    [0.25, 0.5, 0.75]
    """
    air, span = mixture.means[0], np.ptp(mixture.means)
    if rule == "linear":
        return np.clip((histogram.levels - air) / span, 0, 1).astype(np.float32)
    exponent = 1.0 if rule == "mixture" else tempered_exponent(histogram, mixture)
    moved = balance if rule == "balanced" else 0.0
    content = (mixture.means - air) / span
    return (content @ mixture.posterior(histogram.levels, exponent, moved)).astype(np.float32)


def tempered_exponent(histogram, mixture):
    """Power of the weights in the posterior of which partly filled voxels take away little."""
    return (1 + noise_share(histogram, mixture)) / 2


def explain_slice(labeler, X, number):
    """What a fitted GMMLabeler makes of one slice of a stack.

    Returns
    -------
    histogram : Histogram
        Of the smoothed slice.
    mixture : Mixture
        Fitted to it.
    ice : array of shape (n_bins,), float32
        Ice content of every grey level.

    Raises
    ------
    ValueError
        If the slice has no voxel inside.
    """
    number = range(X.shape[0])[number]
    first = max(0, number - labeler._halo())
    slab = np.asarray(X[first : number + labeler._halo() + 1])
    labeler._check_values(slab)
    histogram = labeler._levels(slab, number - first).histogram
    if histogram.n_voxels == 0:
        raise ValueError(f"Slice {number} has no voxel inside the specimen.")
    mixture = labeler._mixture_of(histogram)
    return histogram, mixture, labeler._ice(histogram)
