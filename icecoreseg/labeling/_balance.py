"""How much ice there must be: the posterior of the mixture, balanced by the mean grey level.

Blur does not change the mean grey level of a scan, so that the mean tells the ice fraction exactly,
however fine the structure, if the levels of pure air and pure ice are known. The means of the
mixture are not these: partly filled voxels pull them inwards. A few windows of the stack tell them
(`look_for_levels`), and the threshold between the phases is moved to agree.
"""

from collections import defaultdict
from itertools import product

import numpy as np
from scipy.ndimage import minimum_filter
from scipy.optimize import minimize_scalar
from scipy.special import expit

from icecoreseg._slabs import is_lazy
from icecoreseg._validation import inside_mask
from icecoreseg.labeling._content import tempered_exponent
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

GREATEST_ERROR = 0.02
"""Error of the ice fraction beyond which nothing is known of the levels either."""

MIDDLE, DOUBT = 0.5, 0.05
"""How far the threshold is likely to lie from the mixture's on the way to the middle of the pure
levels, and the standard deviation of that, in their distance.

Where there is little air its mean lies in the flank of the ice, up to 0.7 of the way, and the
porosity tells little of the threshold. On 210 scans with a d' of 4 and more, 0.3 to 0.7 was best.
"""

PLACES = np.arange(-4, 4.001, 0.005)
"""Classes of voxels by their distance from the mixture's threshold, in those of the means."""


def find_balance(X, labeler, histograms, mixtures):
    """How far to move the threshold, so that the posterior agrees with the mean grey level.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack, numpy or dask; some windows are looked at.
    labeler : GMMLabeler
        For its parameters and ``smoothing_``.
    histograms : sequence of Histogram
        Of every slice.
    mixtures : sequence of Mixture or None
        What labels every slice; None if it is a bad one, which does not count.

    Returns
    -------
    balance : float
        Towards air, in distances of the means of each slice's mixture: log-odds of that times d'
        squared. 0 if one of the phases is nowhere nearly pure, if labels and grey levels do not
        agree, if many voxels are cut off at black or white, if there are few slices, and if they
        are to borrow nothing from their stack.
    doubtful : Look or None
        What has been found, if it is not to be trusted.
    """
    asked = labeler.prior == "balanced" and labeler.n_components == 2 and labeler.anchor_strength
    if not asked or X.shape[0] < FEWEST:
        return 0.0, None
    views, counts, clipped = [], defaultdict(float), []
    for first, last in _runs(X.shape[0]):
        for window in _windows(X, first, last, labeler, histograms):
            view, places, share = _look(window, labeler, histograms, mixtures)
            views += [view] if view.known.any() else []
            clipped.append(share)
            for number, some in places.items():
                counts[number] += some
    look = look_for_levels(views) if views else None
    if look is None:
        return 0.0, None
    error = np.linalg.norm([look.error, MEAN_ERROR, CLIPPED_ERROR * np.mean(clipped)])
    balance = 0.0
    if error <= GREATEST_ERROR and not look.disagree:
        balance = _best(counts, histograms, mixtures, look, error)
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


def _look(window, labeler, histograms, mixtures):
    """(view of a window, counts of `PLACES` by slice, share of clipped voxels)."""
    slab, start, inner = window
    grey, smooth, place = np.full((3, *slab.shape), np.nan, dtype=np.float32)
    for number in range(max(0, inner[0].start - REACH), min(len(slab), inner[0].stop + REACH)):
        mixture, histogram = mixtures[start + number], histograms[start + number]
        if mixture is None or histogram.n_voxels == 0:
            continue
        options = {"sharpening": labeler.sharpening, "outside": labeler.outside}
        levels = Levels(slab, number, labeler.smoothing_, **options)
        bins = levels.histogram.levels
        levels.look_up(_place(bins, histogram, mixture), out=place[number])
        air, span = mixture.means[0], np.ptp(mixture.means)
        levels.look_up((bins - air) / span, out=smooth[number])
        grey[number] = np.where(np.isnan(place[number]), np.nan, (slab[number] - air) / span)
    inside = ~np.isnan(place)
    known = np.zeros(slab.shape, dtype=bool)
    known[inner] = _out_of_reach(inside)[inner]
    near = tuple(slice(max(0, part.start - REACH), part.stop + REACH) for part in inner)
    middle = np.mean(grey, where=inside) if inside.any() else 0.0
    view = View(*(np.where(inside, a, middle)[near] for a in (grey, smooth)), known[near])
    numbers = np.flatnonzero(known.any(axis=(1, 2)))
    counts = {start + number: _count(place[number][known[number]]) for number in numbers}
    return view, counts, clipped_share(slab[known])


def _place(levels, histogram, mixture):
    return mixture.place(levels, tempered_exponent(histogram, mixture))


def _out_of_reach(inside):
    """Voxels that nothing outside is blurred into, nor a slice that tells nothing."""
    return minimum_filter(inside, 2 * REACH + 1, mode=("nearest", "constant", "constant"))


def _middle(look, histogram, mixture):
    """How far the middle of the pure levels lies from the threshold."""
    middle = mixture.means[:1] + (look.air + look.contrast / 2) * np.ptp(mixture.means)
    return _place(middle, histogram, mixture)[0]


def _count(place):
    """Voxels by how far they lie from the threshold."""
    place = place.clip(PLACES[0], PLACES[-1])
    index = np.rint((place - PLACES[0]) / (PLACES[1] - PLACES[0])).astype(int)
    return np.bincount(index, minlength=len(PLACES))


def _best(counts, histograms, mixtures, look, error):
    """The balance that agrees best with the ice there is, and with the levels of the phases."""
    n = np.array(list(counts.values()))
    sharpness = np.array([[mixtures[number].separation ** 2] for number in counts])
    pure = [_middle(look, histograms[number], mixtures[number]) for number in counts]
    likely, doubt = -MIDDLE * np.average(pure, weights=n.sum(axis=1)), DOUBT * look.contrast

    def misfit(balance):
        ice = (expit(sharpness * (PLACES + balance)) * n).sum() / n.sum()
        return ((ice - look.ice) / error) ** 2 + ((balance - likely) / doubt) ** 2

    bounds = likely - 5 * doubt, likely + 5 * doubt
    found = minimize_scalar(misfit, bounds=bounds, options={"xatol": 1e-4})
    return float(found.x.round(4))
