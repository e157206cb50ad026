"""How much ice there must be: the posterior of the mixture, balanced by the mean grey level.

Blur does not change the mean grey level of a scan, so that the mean tells the ice fraction exactly,
however fine the structure, if the levels of pure air and pure ice are known. The means of the
mixture are not these: partly filled voxels pull them inwards. A few windows of the stack tell them
(`look_for_levels`), and the posterior is shifted to agree.
"""

from itertools import product

import numpy as np
from scipy.ndimage import minimum_filter
from scipy.special import expit, logit

from icecoreseg._slabs import is_lazy
from icecoreseg._validation import inside_mask
from icecoreseg.labeling._content import ice_at, prior_exponent
from icecoreseg.labeling._levels import Levels
from icecoreseg.labeling._pure import View, look_for_levels
from icecoreseg.labeling._quality import clipped_share
from icecoreseg.labeling._smoothing import smoothing_reach

FEWEST = 6
"""Slices without which nothing is known of the blur along the core."""

N_RUNS, RUN, WHOLE = 4, 4, 24
"""Runs of neighbouring slices that are looked at, slices per run; up to how many slices all are."""

EDGE, WHOLE_EDGE = 96, 192
"""Rows and columns of a window; up to how many of them a slice is one window."""

REACH = 3
"""Voxels along the rim, and slices beside blank ones, that do not count, as these are blurred into
them; margin."""

MEAN_ERROR, CLIPPED_ERROR = 0.002, 1.0
"""Doubts about the ice fraction, however well it is known, and per share of clipped voxels."""

TOLERANCE, SHARE = 0.0015, 0.5
"""Difference of ice fractions that is not worth a shift: this, or the share of its error."""

MOST_LIKELY = 4.0
"""Standard deviation of the shift, in log-odds, before anything is known of it."""

ODDS = np.arange(-20, 20.001, 0.05)
SHIFTS = np.arange(-10, 10.001, 0.05)


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
    balance : float
        0 if one of the phases is nowhere nearly pure, if labels and grey levels do not agree, if
        there are few slices, and if they are to borrow nothing from their stack.
    doubtful : Look or None
        What has been found, if it is not to be trusted.
    """
    asked = labeler.prior == "balanced" and labeler.n_components == 2 and labeler.anchor_strength
    if not asked or X.shape[0] < FEWEST:
        return 0.0, None
    views, odds, clipped = [], np.zeros(len(ODDS)), []
    for first, last in _runs(X.shape[0]):
        for window in _windows(X, first, last, labeler, histograms):
            view, ice, share = _look(window, labeler, histograms, fits)
            views += [view] if view.known.any() else []
            odds += _count(ice)
            clipped.append(share)
    look = look_for_levels(views) if views else None
    if look is None:
        return 0.0, None
    error = np.linalg.norm([look.error, MEAN_ERROR, CLIPPED_ERROR * np.mean(clipped)])
    balance = 0.0 if look.disagree else _shift(odds, look.ice, error)
    return balance, look if look.doubtful else None


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


def _look(window, labeler, histograms, fits):
    """(view of a window, ice of its voxels that count, share of clipped ones)."""
    slab, start, inner = window
    grey, smooth, ice = np.full((3, *slab.shape), np.nan, dtype=np.float32)
    for number in range(max(0, inner[0].start - REACH), min(len(slab), inner[0].stop + REACH)):
        (mixture, fell_back), histogram = fits[start + number], histograms[start + number]
        if mixture is None or fell_back or histogram.n_voxels == 0:
            continue
        options = {"sharpening": labeler.sharpening, "outside": labeler.outside}
        levels = Levels(slab, number, labeler.smoothing_, **options)
        bins = levels.histogram.levels
        exponent = prior_exponent(histogram, mixture, "tempered")
        levels.look_up(ice_at(bins, mixture, exponent), out=ice[number])
        air, span = mixture.means[0], np.ptp(mixture.means)
        levels.look_up((bins - air) / span, out=smooth[number])
        grey[number] = np.where(np.isnan(ice[number]), np.nan, (slab[number] - air) / span)
    inside = ~np.isnan(ice)
    known = np.zeros(slab.shape, dtype=bool)
    known[inner] = _out_of_reach(inside)[inner]
    near = tuple(slice(max(0, part.start - REACH), part.stop + REACH) for part in inner)
    middle = np.mean(grey, where=inside) if inside.any() else 0.0
    view = View(*(np.where(inside, a, middle)[near] for a in (grey, smooth)), known[near])
    return view, ice[known], clipped_share(slab[known])


def _out_of_reach(inside):
    """Voxels that nothing outside is blurred into, nor a slice that tells nothing."""
    return minimum_filter(inside, 2 * REACH + 1, mode=("nearest", "constant", "constant"))


def _count(ice):
    """Histogram of the log-odds of probabilities."""
    odds = logit(np.clip(ice, 1e-8, 1 - 1e-7))
    index = np.rint((odds - ODDS[0]) / (ODDS[1] - ODDS[0])).astype(int)
    return np.bincount(index.clip(0, len(ODDS) - 1), minlength=len(ODDS))


def _shift(counts, wanted, error):
    """Shift of log-odds that makes the mean probability the ice fraction that is wanted."""
    found = expit(ODDS + SHIFTS[:, None]) @ counts / counts.sum()
    now = found[len(SHIFTS) // 2]
    tolerance = max(TOLERANCE, SHARE * error)
    wanted = np.clip(now, wanted - tolerance, wanted + tolerance)
    misfit = ((found - wanted) / error) ** 2 + (SHIFTS / MOST_LIKELY) ** 2
    return float(SHIFTS[np.argmin(misfit)].round(2)) + 0.0  # not -0.0
