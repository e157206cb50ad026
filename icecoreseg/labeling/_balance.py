"""How much ice there must be: the posterior of the mixture, balanced by the mean grey level.

Blur does not change the mean grey level of a scan, so that the mean tells the ice fraction exactly,
however fine the structure, if the levels of pure air and pure ice are known. The means of the
mixture are not these: partly filled voxels pull them inwards. But voxels whose neighbours in all
directions are of their own phase are nearly pure, and what is still missing shows in
how much it helps to go one voxel deeper. A few windows of the stack tell both, and the
posterior is shifted to agree.
"""

from itertools import product

import numpy as np
from scipy.ndimage import correlate1d, minimum_filter
from scipy.special import expit, logit

from icecoreseg._slabs import is_lazy
from icecoreseg._validation import inside_mask
from icecoreseg.labeling._content import ice_at, prior_exponent
from icecoreseg.labeling._levels import Levels
from icecoreseg.labeling._smoothing import smoothing_reach

DEPTHS = (1, 2)
"""Voxels in all directions that must be of the same phase."""

N_RUNS, RUN, WHOLE = 4, 4, 24
"""Runs of neighbouring slices that are looked at, slices per run; up to how many slices all are."""

EDGE, WHOLE_EDGE = 128, 512
"""Rows and columns of a window; up to how many of them a slice is one window."""

BEYOND = 1.2
"""How much further than from the first to the second depth the pure level is."""

REACH = max(DEPTHS)
RIM = 2
"""Voxels along the rim of the specimen that do not count: what is outside is blurred into them."""

LEAST = 10
"""Fewest voxels whose mean is a level."""

SHALLOW_ERROR, STEP_ERROR, MEAN_ERROR = 0.05, 0.3, 0.001
"""Doubts about levels known at the first depth only, the last step, the ice fraction."""

TOLERANCE = 0.0015
"""Difference of ice fractions that is not worth a shift."""

MOST_LIKELY = 4.0
"""Standard deviation of the shift, in log-odds, before anything is known of it."""

ODDS = np.arange(-20, 20.001, 0.05)
SHIFTS = np.arange(-6, 6.001, 0.05)


def find_balance(X, labeler, histograms, fits):
    """Log-odds to add to the posterior of ice, so that it agrees with the mean grey level.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack, numpy or dask; some windows are looked at.
    labeler : GMMLabeler
        For its parameters and ``smoothing_``.
    histograms : sequence of Histogram
        Of every slice.
    fits : sequence of (Mixture or None, bool)
        What labels every slice, and whether it fell back on the stack; if so it does not count.

    Returns
    -------
    float
        0 if one of the phases is nowhere thick enough to show its level, and if slices are to
        borrow nothing from their stack.
    """
    if labeler.prior != "balanced" or labeler.n_components > 2 or labeler.anchor_strength == 0:
        return 0.0
    mixtures = [None if fell_back else mixture for mixture, fell_back in fits]
    tally = _Tally()
    for first, last in _runs(X.shape[0]):
        for window in _windows(X, first, last, labeler, histograms):
            tally.add(*_look(window, labeler, histograms, mixtures))
    return tally.balance()


def _runs(n_slices):
    """(first, last + 1) of the runs of slices that are looked at."""
    if n_slices <= WHOLE:
        return [(0, n_slices)]
    middles = np.linspace(0, n_slices, N_RUNS + 2)[1:-1]
    return [(int(m) - RUN // 2, int(m) + RUN // 2) for m in middles]


def _windows(X, first, last, labeler, histograms):
    """Yield ``(slab, number of its first slice, inner)``: windows with their margins, in memory.

    They are placed where the slice with most voxels has some: others may be blank.
    """
    reach = np.array(smoothing_reach(labeler.smoothing_, labeler.sharpening)) + REACH
    fullest = max(range(first, last), key=lambda number: histograms[number].n_voxels)
    inside = inside_mask(np.asarray(X[fullest]), labeler.outside)
    if not inside.any():
        return
    spans = [_spans(np.flatnonzero(inside.any(axis))) for axis in (1, 0)]
    inner, outer = [], []
    for place in product([(first, last)], *spans):
        edges = zip(place, reach, X.shape, strict=True)
        outer.append([slice(max(0, a - m), min(n, b + m)) for (a, b), m, n in edges])
        starts = zip(place, outer[-1], strict=True)
        inner.append(tuple(slice(a - o.start, b - o.start) for (a, b), o in starts))
    slabs = [X[tuple(place)] for place in outer]
    if is_lazy(X):
        import dask

        copies = (slab.map_blocks(np.copy, dtype=X.dtype) for slab in slabs)  # chunks can go
        slabs = dask.compute(*copies)
    yield from (
        (slab, place[0].start, part) for slab, place, part in zip(slabs, outer, inner, strict=True)
    )


def _spans(filled):
    """(first, last + 1) of the windows along an axis, within the extent of the specimen."""
    low, high = int(filled[0]), int(filled[-1]) + 1
    if high - low <= WHOLE_EDGE:
        return [(low, high)]
    middles = (low + (high - low) * part // 3 for part in (1, 2))
    return [(middle - EDGE // 2, middle + EDGE // 2) for middle in middles]


def _look(window, labeler, histograms, mixtures):
    """(probabilities of ice, grey in contrasts above air, pure air and pure ice) of a window.

    Probabilities of all voxels and of those away from the rim; the others are of the latter
    alone. The last is a list, over depths and phases, of bool arrays.
    """
    slab, start, inner = window
    grey = np.full(slab.shape, np.nan, dtype=np.float32)
    ice = np.full(slab.shape, np.nan, dtype=np.float32)
    for number in range(max(0, inner[0].start - REACH), min(len(slab), inner[0].stop + REACH)):
        mixture, histogram = mixtures[start + number], histograms[start + number]
        if mixture is None or histogram.n_voxels == 0:
            continue
        options = {"sharpening": labeler.sharpening, "outside": labeler.outside}
        levels = Levels(slab, number, labeler.smoothing_, **options)
        exponent = prior_exponent(histogram, mixture, "tempered")
        levels.look_up(ice_at(levels.histogram.levels, mixture, exponent), out=ice[number])
        grey[number] = (slab[number] - mixture.means[0]) / np.ptp(mixture.means)
    inside = ~np.isnan(ice)
    known = minimum_filter(inside, (1, 2 * RIM + 1, 2 * RIM + 1), mode="nearest")[inner]
    phases = (ice <= 0.5) | ~inside, (ice > 0.5) | ~inside
    pure = [[_all_around(phase, depth)[inner][known] for phase in phases] for depth in DEPTHS]
    return [ice[inner][part] for part in (inside[inner], known)], grey[inner][known], pure


def _all_around(mask, depth):
    """Where all neighbours are True; the voxel itself does not count, lest its noise decides."""
    count = mask.view(np.uint8)
    for axis in range(mask.ndim):
        count = correlate1d(count, np.ones(2 * depth + 1), axis=axis, mode="nearest")
    return count - mask.view(np.uint8) == (2 * depth + 1) ** mask.ndim - 1


class _Tally:
    """Sums over windows: voxels, grey levels and their squares; histograms of log-odds."""

    def __init__(self):
        self.pure = np.zeros((len(DEPTHS), 2, 3))
        self.all = np.zeros(3)
        self.odds = np.zeros((2, len(ODDS)))  # of all voxels, of those away from the rim

    def add(self, ice, grey, pure):
        self.all += _sums(grey)
        self.pure += [[_sums(grey[mask]) for mask in masks] for masks in pure]
        for counts, some in zip(self.odds, ice, strict=True):
            odds = logit(np.clip(some, 1e-8, 1 - 1e-7))
            index = np.rint((odds - ODDS[0]) / (ODDS[1] - ODDS[0])).astype(int)
            counts += np.bincount(index.clip(0, len(ODDS) - 1), minlength=len(ODDS))

    def balance(self):
        """The shift that is asked for with the rim and without it, or none."""
        if self.pure[0, :, 0].min() < LEAST:
            return 0.0
        (air, air_error), (ice, ice_error) = (_level(*self.pure[:, i], (-1, 1)[i]) for i in (0, 1))
        wanted = (self.all[1] / self.all[0] - air) / (ice - air)
        noise = max(shallow[0] * _mean(shallow)[1] for shallow in self.pure[0])  # its variance
        mean_error = MEAN_ERROR + (noise / self.all[0]) ** 0.5
        errors = (1 - wanted) * air_error, wanted * ice_error, mean_error
        shifts = [_shift(counts, wanted, np.linalg.norm(errors)) for counts in self.odds]
        return float(np.median([0.0, *shifts]).round(2)) + 0.0  # not -0.0


def _shift(counts, wanted, error):
    """Shift of log-odds that makes the mean probability the ice fraction that is wanted."""
    found = expit(ODDS + SHIFTS[:, None]) @ counts / counts.sum()
    now = found[len(SHIFTS) // 2]
    wanted = np.clip(now, wanted - TOLERANCE, wanted + TOLERANCE)
    misfit = ((found - wanted) / error) ** 2 + (SHIFTS / MOST_LIKELY) ** 2
    return SHIFTS[np.argmin(misfit)]


def _level(shallow, deep, outwards):
    """(level of a pure phase, its error) from (voxels, grey, squares) at two depths."""
    level, variance = _mean(shallow)
    if deep[0] < LEAST:
        return level, SHALLOW_ERROR
    deeper, deep_variance = _mean(deep)
    step = outwards * max(0.0, outwards * (deeper - level))
    share = step**2 / (step**2 + variance + deep_variance)  # of the step that is no chance
    errors = STEP_ERROR * share * step, BEYOND * share * deep_variance**0.5, variance**0.5
    return level + BEYOND * share * step, np.linalg.norm(errors)


def _sums(grey):
    grey = grey.astype(float)
    return np.array([grey.size, grey.sum(), grey @ grey])


def _mean(sums):
    """(mean, its variance)."""
    n, total, squares = sums
    mean = total / n
    return mean, max(squares / n - mean**2, 1e-12) / n
