"""Which blocks are ice: a threshold, a rule for ties, and how to choose them to keep the ice.

A fixed threshold favours one phase: what grains lose at their rims, pores gain. Blocks at
the threshold can make up for it, as far as there are enough of them. Or the threshold gives way:
as many blocks become ice as the fine labels hold ice, those of largest ice fraction
first; the fraction of the last one is the threshold. Many blocks of labels share that
fraction: what surrounds them decides which of them come first.
"""

import math
from typing import NamedTuple

import numpy as np

from icecoreseg._slabs import iterate_slabs
from icecoreseg.downsampling._blocks import NEAR, coarse_shape, decide, fractions, least_ice
from icecoreseg.downsampling._counting import block_counts
from icecoreseg.downsampling._phases import label_phases
from icecoreseg.downsampling._planes import iterate_planes
from icecoreseg.downsampling._surroundings import surrounding_fraction
from icecoreseg.labels import ICE, OUTSIDE

TIES = ("balanced", "surroundings", "ice", "air")

N_SAMPLE = 32
"""Coarse slices that the share of ice among the ties is learned from, at most."""

N_BINS = 4096
"""Bins of ice fractions, at least."""

NEIGHBOURS = (1, 1)
"""Weights of the voxels of a block and of those that touch it."""

SURROUNDINGS = (7, 4, 1)
"""Weights that fall off like a Gaussian: few blocks have the same weighted fraction."""


_RANKED = ("balanced", "surroundings")


class Rule(NamedTuple):
    """How the ice fraction of a block becomes a label.

    Parameters
    ----------
    threshold : float
        Ice fraction that a block must exceed to be ice.
    ties : {"balanced", "surroundings", "ice", "air"}
        What a block of just that fraction is.
    tie_threshold : float
        Ice fraction of the surroundings from which on they make it ice.
    weights : tuple of int
        See `surrounding_fraction`.
    """

    threshold: float
    ties: str = "surroundings"
    tie_threshold: float = 0.5
    weights: tuple = NEIGHBOURS

    def label(self, slab, factor):
        """Labels of one coarse slice from its fine ones."""
        labels = np.empty(coarse_shape(slab, factor), dtype=np.uint8)
        ranked = self.ties in _RANKED
        least = least_ice(self.threshold, math.prod(factor), ties_are_ice=self.ties == "ice")
        if not ranked and label_phases(slab, factor, least, labels):
            return labels
        for planes in iterate_planes(slab, factor, len(self.weights) - 1 if ranked else 0):
            some = labels[planes.rows]
            tied = decide(planes, self.threshold, some, find_ties=self.ties != "air")
            if ranked:
                fraction = surrounding_fraction(planes, tied, self.weights)
                some.reshape(-1)[tied] = fraction >= self.tie_threshold - NEAR  # AIR 0, ICE 1
            elif self.ties == "ice":
                some.reshape(-1)[tied] = ICE
        return labels


def balance_ties(labels, factor, threshold):
    """The rule that makes so many ties ice that the ice fraction is kept, if ties suffice.

    Parameters
    ----------
    labels : array of shape (n_slices, n_rows, n_columns)
        Checked labels or ice fractions, numpy or dask. At most `N_SAMPLE` coarse slices,
        evenly spread, are read, once.
    factor : (int, int, int)
        Voxels per block.
    threshold : float

    Returns
    -------
    Rule

    Examples
    --------
    One block of eight ice voxels and two of four: 16 of 32 voxels are ice, so that one of the
    two ties must be ice for two of four blocks to be.

    >>> import numpy as np
    >>> labels = np.zeros((2, 2, 8), dtype=np.uint8)
    >>> labels[:, :, :2] = labels[0, :, 2:4] = labels[0, :, 6:] = 1
    >>> balance_ties(labels, (2, 2, 2), 0.5).label(labels, (2, 2, 2))
    array([[1, 1, 0, 0]], dtype=uint8)
    """
    ranks = np.zeros(N_BINS + 1, dtype=np.int64)
    ice_sum = n_inside = n_blocks = n_sure = 0
    for piece in _sample(labels, factor[0]):
        ice_sum, n_inside = np.add((ice_sum, n_inside), _sums(piece, factor))
        coarse, counts = _rank_ties(piece, factor, threshold)
        n_blocks += np.count_nonzero(coarse != OUTSIDE)
        n_sure += np.count_nonzero(coarse == ICE)
        ranks += counts
    n_wanted = n_blocks * ice_sum / max(n_inside, 1) - n_sure
    return Rule(threshold, "balanced", _reached_by(ranks, n_wanted), SURROUNDINGS)


def _sums(piece, factor):
    """(ice, number of voxels inside) of the fine slices of a coarse one."""
    ice_sum = n_inside = 0.0
    for planes in iterate_planes(piece, factor):
        ice, inside = block_counts(planes)
        ice_sum += ice.sum(dtype=float)
        n_inside += inside.sum(dtype=float) if np.ndim(inside) else inside * ice.size
    return ice_sum, n_inside


def _sample(labels, n_slices):
    """The fine slices of coarse slices that are evenly spread over the stack."""
    last = labels.shape[0] // n_slices - 1
    for number in np.unique(np.linspace(0, last, N_SAMPLE).astype(int)).tolist():
        yield np.asarray(labels[number * n_slices : (number + 1) * n_slices])


def keep_porosity(labels, factor, ties):
    """The rule that keeps the ice fraction of a stack.

    Parameters
    ----------
    labels : array of shape (n_slices, n_rows, n_columns)
        Checked labels or ice fractions, numpy or dask (read twice).
    factor : (int, int, int)
        Voxels per block.
    ties : {"balanced", "surroundings", "ice", "air"}
        With the first two the blocks at the threshold are ranked by their surroundings;
        else they all have one label, whichever comes closest.

    Returns
    -------
    Rule

    Raises
    ------
    ValueError
        If nothing is inside.

    Examples
    --------
    Six of 32 voxels are ice, so that the one block of four with most ice becomes ice.

    >>> import numpy as np
    >>> labels = np.zeros((2, 2, 8), dtype=np.uint8)
    >>> labels[0, 0, :3] = labels[0, 1, 0] = labels[0, 0, 4] = labels[0, 0, 6] = 1
    >>> keep_porosity(labels, (2, 2, 2), "air").threshold < 3 / 8
    True
    """
    pieces = _Pieces(labels, factor)
    counts, n_ice = _count_fractions(pieces, factor)
    at_least = np.append(counts[::-1].cumsum()[::-1], 0)
    last = int(np.flatnonzero(at_least[:-1] >= n_ice)[-1])
    n_bins = len(counts) - 1
    if ties in _RANKED:
        threshold = last / n_bins
        ranks = sum(_rank_ties(piece, factor, threshold)[1] for piece in pieces)
        missing = n_ice - at_least[last + 1]
        return Rule(threshold, ties, _reached_by(ranks, missing), SURROUNDINGS)
    closer = last + np.argmin(np.abs(at_least[last : last + 2] - n_ice))
    return Rule(float(closer - 0.5) / n_bins, ties)


class _Pieces:
    """The fine slices of every coarse slice, read slab by slab as often as one likes."""

    def __init__(self, labels, factor):
        self.labels, self.n_slices = labels, factor[0]

    def __iter__(self):
        for _, slab in iterate_slabs(self.labels, multiple=self.n_slices):
            yield from np.split(slab, len(slab) // self.n_slices)


def _count_fractions(pieces, factor):
    """Histogram of the blocks' ice fractions, and how many of them should be ice."""
    size = int(np.prod(factor))
    n_bins = size * -(-N_BINS // size)  # the fractions of labels are centres of bins
    counts = np.zeros(n_bins + 1, dtype=np.int64)
    ice_sum = n_inside = 0.0
    for piece in pieces:
        ice_sum, n_inside = np.add((ice_sum, n_inside), _sums(piece, factor))
        counts += _histogram(fractions(piece, factor), n_bins)
    if not n_inside:
        raise ValueError("labels have no voxel inside: there is no porosity to keep.")
    return counts, counts.sum() * ice_sum / n_inside


def _histogram(fraction, n_bins):
    fraction = fraction[~np.isnan(fraction)]
    return np.bincount(np.rint(fraction * n_bins).astype(np.intp), minlength=n_bins + 1)


def _rank_ties(piece, factor, threshold):
    """Labels of one coarse slice and the histogram of what surrounds its tied blocks."""
    labels = np.empty(coarse_shape(piece, factor), dtype=np.uint8)
    counts = np.zeros(N_BINS + 1, dtype=np.int64)
    for planes in iterate_planes(piece, factor, len(SURROUNDINGS) - 1):
        tied = decide(planes, threshold, labels[planes.rows])
        counts += _histogram(surrounding_fraction(planes, tied, SURROUNDINGS), N_BINS)
    return labels, counts


def _reached_by(counts, n_wanted):
    """Ice fraction of surroundings that the wanted number of blocks reach, from their histogram."""
    at_least = np.append(counts[::-1].cumsum()[::-1], 0)
    return (int(np.argmin(np.abs(at_least - n_wanted))) - 0.5) / N_BINS
