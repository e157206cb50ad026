"""Grey levels of air and ice in each slice, from its histogram, by medians.

No minimum, maximum or mean: a bright artefact of a few percent of a slice moves the
median of its ice by a few percent of the noise.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr
from skimage.filters import threshold_otsu

from icecoreseg.labeling.histogram import grey_histogram

_N_ROUNDS = 30
_N_SHIFTS = 41
_LEAST_VOXELS = 30
_MOST_STRAY = 0.15
_LEAST_GAP = 0.6
_INDEPENDENT = 0.03
_VOXELS_ALIKE = 50  # of one pore: a slice shows so many fewer
_LEAST_SEPARATION = 3.1
_FAR = 4.0
_FEWEST_FAR = 1e-3
_NORMAL_MAD = 0.6745


class Bins(NamedTuple):
    """Equal bins of grey values; what is beyond them counts in the last ones.

    Attributes
    ----------
    start, width : float
    number : int
    """

    start: float
    width: float
    number: int

    @property
    def centres(self):
        """Middle of every bin."""
        return self.start + self.width * (np.arange(self.number) + 0.5)

    def count(self, values):
        """Histogram of values, (number,) int64."""
        if values.dtype == np.uint8:
            histogram = grey_histogram(values)
            counts = np.zeros(self.number, dtype=np.int64)
            counts[histogram.first :][: len(histogram.counts)] = histogram.counts
            return counts
        places = (values - self.start) / self.width
        places = np.clip(places, 0, self.number - 1).astype(np.intp)
        return np.bincount(places, minlength=self.number)


def choose_bins(dtype, values):
    """Bins for the grey values of a scan.

    Parameters
    ----------
    dtype : dtype
        uint8 gets a bin per value, others 2048 around the typical values.
    values : array of shape (n_values,)
        Of the scan, finite, at least one.

    Examples
    --------
    >>> bins = choose_bins(np.dtype(np.uint8), np.array([3]))
    >>> bins.number, float(bins.centres[7])
    (256, 7.0)
    """
    if dtype == np.uint8:
        return Bins(-0.5, 1, 256)
    low, high = np.quantile(values, (0.01, 0.99)).tolist()
    reach = max(high - low, 1e-6 * max(abs(high), abs(low), 1e-6))
    return Bins(low - reach, 3 * reach / 2048, 2048)


def median_of(counts, bins):
    """Median of each histogram, interpolated within its bin; NaN where it is empty.

    Parameters
    ----------
    counts : array of shape (n, n_bins)

    Examples
    --------
    >>> bins = choose_bins(np.dtype(np.uint8), np.array([0]))
    >>> counts = np.stack([bins.count(np.uint8([5, 6, 6, 7])), np.zeros(256)])
    >>> median_of(counts, bins).tolist()
    [6.0, nan]
    """
    total = np.cumsum(counts, axis=1, dtype=np.float64)
    half = total[:, -1:] / 2
    place = np.minimum((total < half).sum(axis=1), bins.number - 1)
    every = np.arange(len(counts))
    held = counts[every, place]
    before = total[every, place] - held
    with np.errstate(invalid="ignore", divide="ignore"):
        return bins.start + bins.width * (place + (half[:, 0] - before) / held)


def phase_levels(counts, bins, reference):
    """Levels of air and ice in each slice, found from those of the whole scan.

    The levels start at the reference, shifted together to where most of the slice lies
    near one of them; then classes and their medians take turns.

    Parameters
    ----------
    counts : array of shape (n_slices, n_bins)
        Histograms of the specimen's voxels.
    bins : Bins
    reference : tuple (air, ice) of float

    Returns
    -------
    levels : array of shape (n_slices, 2)
        NaN for a phase that can hardly be told from the noise of the other.
    trust : array of shape (n_slices,)
        In the level of air, from 0 to 1: how well so few bubbles can show it.
    """
    air, ice = reference
    shifts = np.linspace(-0.5, 0.5, _N_SHIFTS) * (ice - air)
    apart = np.abs(bins.centres - np.array([air, ice])[:, np.newaxis] - shifts[:, None, None])
    near = np.maximum(0, 1 - 2 * apart.min(axis=1) / (ice - air))
    best = shifts[(counts @ near.T).argmax(axis=1)]
    start = np.stack([air + best, ice + best], axis=1)
    levels = settle(counts, bins, start)
    merged = ~(np.diff(levels, axis=1)[:, 0] >= _LEAST_GAP * (ice - air))  # or one is NaN
    levels[merged] = _one_level(counts[merged], bins, start[merged])
    return levels, _trust(counts, bins, levels)


def _one_level(counts, bins, start):
    """The median as the level of the phase that most voxels are near, NaN for the other."""
    above = bins.centres >= start.mean(axis=1, keepdims=True)
    is_ice = 2 * np.where(above, counts, 0).sum(axis=1) >= counts.sum(axis=1)
    middle = median_of(counts, bins)
    return np.where(np.stack([~is_ice, is_ice], axis=1), middle[:, np.newaxis], np.nan)


def _trust(counts, bins, levels):
    """Share of the expected variance of air's level that is not chance, from 0 to 1.

    Air and ice mostly drift by one factor, give or take `_INDEPENDENT` of the contrast.
    The level of few bubbles varies more, with how many of them are small and blurred.
    """
    gap = np.diff(levels, axis=1)[:, 0]
    air = np.where(bins.centres < levels.mean(axis=1, keepdims=True), counts, 0)
    apart = np.abs(bins.centres - levels[:, :1])
    spread = np.sqrt((air * apart**2).sum(axis=1) / np.maximum(air.sum(axis=1), 1))
    chance = spread / np.sqrt(np.maximum(air.sum(axis=1) / _VOXELS_ALIKE, 1))
    known = (_INDEPENDENT * gap) ** 2
    return np.nan_to_num(known / (known + chance**2))


def settle(counts, bins, levels):
    """Medians of the classes on either side of the middle of two levels, until they stay.

    Parameters
    ----------
    counts : array of shape (n_slices, n_bins)
    bins : Bins
    levels : array of shape (n_slices, 2)
        First guess.

    Returns
    -------
    array of shape (n_slices, 2)
        As `phase_levels`.
    """
    for _ in range(_N_ROUNDS):
        above = bins.centres >= levels.mean(axis=1, keepdims=True)
        classes = [np.where(above, 0, counts), np.where(above, counts, 0)]
        found = np.stack([median_of(part, bins) for part in classes], axis=1)
        found = np.where(np.isfinite(found), found, levels)
        if np.allclose(found, levels, rtol=0, atol=1e-3 * bins.width):
            break
        levels = found
    return np.where(_credible(classes, bins, found), found, np.nan)


def _credible(classes, bins, levels):
    """Whether each class holds more than what the other's noise scatters across: (n, 2)."""
    sizes = np.stack([part.sum(axis=1) for part in classes], axis=1)
    gap = np.diff(levels, axis=1)[:, 0] / 2
    stray = np.empty(levels.shape)
    for one, other in ((0, 1), (1, 0)):
        # Only the outer flank: the inner one holds voxels of both phases.
        outer = bins.centres < levels[:, :1] if one == 0 else bins.centres > levels[:, 1:]
        part = np.where(outer, classes[one], 0)
        spread = np.abs(median_of(part, bins) - levels[:, one]) / _NORMAL_MAD
        stray[:, other] = sizes[:, one] * ndtr(-gap / np.maximum(spread, 1e-6 * bins.width))
    return (sizes >= _LEAST_VOXELS) & (stray <= _MOST_STRAY * sizes)


def levels_alone(counts, bins):
    """Levels of air and ice in one slice, without a reference; air is NaN if there is one level.

    Two classes by Otsu's threshold, if they are apart. Else all is ice, but for what is
    darker by much more than its noise.

    Parameters
    ----------
    counts : array of shape (n_bins,)
    bins : Bins

    Returns
    -------
    array of shape (2,)
    """
    counts = counts[np.newaxis]
    middle = median_of(counts, bins)[0]
    if not np.isfinite(middle):
        return np.full(2, np.nan)
    guess = _otsu(counts[0], bins)
    if guess is None:
        lower = np.where(bins.centres < middle, counts, 0)
        upper = np.where(bins.centres > middle, counts, 0)
        spread = (median_of(upper, bins)[0] - middle) / _NORMAL_MAD
        far = np.where(bins.centres < middle - _FAR * np.nan_to_num(spread), lower, 0)
        if far.sum() < max(_FEWEST_FAR * counts.sum(), _LEAST_VOXELS):
            return np.array([np.nan, middle])
        guess = [median_of(far, bins)[0], middle]
    levels = settle(counts, bins, np.array([guess]))[0]
    return levels if np.isfinite(levels).all() else np.array([np.nan, middle])


def _otsu(counts, bins):
    """Means of two classes, or None if they are no further apart than halves of one peak."""
    if np.count_nonzero(counts) < 2:
        return None
    threshold = threshold_otsu(hist=(counts, bins.centres))
    means, variances, sizes = [], [], []
    for part in (bins.centres <= threshold, bins.centres > threshold):
        weights, centres = counts[part], bins.centres[part]
        sizes.append(weights.sum())
        means.append((weights * centres).sum() / sizes[-1])
        variances.append((weights * (centres - means[-1]) ** 2).sum())
    within = np.sqrt(sum(variances) / sum(sizes))
    return means if means[1] - means[0] >= _LEAST_SEPARATION * within else None
