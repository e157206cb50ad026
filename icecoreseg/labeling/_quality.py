"""What a fit of mixtures says of itself: which slices not to trust."""

import warnings

import numpy as np

from icecoreseg._validation import inside_mask
from icecoreseg.labeling._rings import GREATEST_RINGS
from icecoreseg.labeling.histogram import slice_histogram

LEAST_SEPARATION = 2.0
"""Distance of the phases in standard deviations below which labels are not to be trusted.

On simulated scans, smoothed as by default, slices with two phases have 2.4 and more (3.2 and more
at 96 columns); mixtures that split one phase in the middle of its noise have 0.3 to 1.7.
"""


def noise_share(histogram, mixture):
    """Part of the mixture's variance that is noise, 0 to 1; the rest is partly filled voxels.

    Partly filled voxels lie between the two levels. What lies beyond the higher peak, away
    from the other phase, is noise alone.

    Parameters
    ----------
    histogram : Histogram
        Grey levels of a slice, not empty.
    mixture : Mixture
        Fitted to it.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg.labeling.histogram import grey_histogram
    >>> from icecoreseg.labeling.mixture import fit_mixture
    >>> rng = np.random.default_rng(0)
    >>> pure = rng.normal([[30], [110]], 4, (2, 100_000)).ravel()
    >>> partly = np.r_[pure, rng.uniform(30, 110, 50_000)]
    >>> for grey in pure, partly:
    ...     histogram = grey_histogram(grey)
    ...     print(round(noise_share(histogram, fit_mixture(histogram)), 1))
    1.0
    0.2
    """
    counts, levels = histogram.counts.astype(float), histogram.levels
    variance = mixture.weights @ mixture.variances
    peak = smooth_peak(histogram, variance**0.5)
    is_ice = 2 * peak > mixture.means[0] + mixture.means[-1]
    if clipped_ends(counts)[int(is_ice)]:  # that flank is cut off: the other phase's must do
        is_ice = not is_ice
        peak = mixture.means[-1 if is_ice else 0]
    beyond = levels >= peak if is_ice else levels <= peak
    noise = counts[beyond] @ (levels[beyond] - peak) ** 2 / max(counts[beyond].sum(), 1)
    return float(np.clip(noise / variance, 0, 1))


def smooth_peak(histogram, sd):
    """Grey level of the highest peak, told in blocks of a quarter of a standard deviation."""
    counts = histogram.counts.copy()
    counts[[0, -1]] *= ~clipped_ends(counts)  # black and white are not grey levels of a phase
    step = max(1, int(sd / 4 / histogram.width))
    blocks = np.add.reduceat(counts, np.arange(0, len(counts), step))
    top = np.argmax(np.convolve(blocks, [1, 2, 1])[1:-1])
    near = slice(max(0, top - 1) * step, (top + 2) * step)
    return np.average(histogram.levels[near], weights=counts[near])


def clipped_ends(counts):
    """Whether the (lowest, highest) grey level holds what lies beyond it too: a spike.

    If most voxels are there, these are the levels of the phases, and the scan has no noise.
    """
    if len(counts) < 12 or 2 * (counts[0] + counts[-1]) > counts.sum():
        return np.zeros(2, dtype=bool)
    ends = np.array([counts[:5], counts[:-6:-1]])
    return ends[:, 0] > 3 * ends[:, 1:].mean(axis=1) + 10


def _sample(values):
    """Some of the voxels of a slice, evenly spread: about 100 rows and columns."""
    return values[tuple(slice(None, None, max(1, edge // 96)) for edge in values.shape)]


def clipped_slice_share(values, outside=np.nan):
    """`clipped_share` of what is inside of a slice; a sample of it is looked at."""
    grey = _sample(values)
    return clipped_share(grey[inside_mask(grey, outside)])


def clipped_share(grey):
    """Part of some voxels that has the lowest, or highest, grey level instead of its own.

    Examples
    --------
    >>> grey = np.random.default_rng(0).normal(230, 25, 100_000).clip(0, 255).round()
    >>> round(float(clipped_share(grey)), 2), float((grey == 255).mean().round(2))
    (0.16, 0.16)
    """
    counts = slice_histogram(grey).counts
    return counts[[0, -1]] @ clipped_ends(counts) / counts.sum() if grey.size else 0.0


GREATEST_CLIPPED = 0.15
"""Part of a slice at the ends of the grey levels from which on porosity may be off by 0.5 points.

Measured on level-cut fields of 20 to 60 % air: 12 to 15 % of white voxels, 0.1 to 1.0 points too
little air; 24 % of black ones, 0.9 too much.
"""


GREATEST_JUMP = 0.2
"""Change of a slice's mean by smoothing along z, in the distance of the phases, that is a fault.

In simulated cores it is 0.02 at most; a blank slice among others changes by 0.3 and more.
"""


def jumps(changes, mixture):
    """Whether the brightness of slices jumps: blank ones among others, and what is beside them."""
    return np.abs(changes) > GREATEST_JUMP * np.ptp(mixture.means)


TREND_SEPARATION = 3.5
"""Distance of the phases in standard deviations (d') that a trend across a slice can feign.

Brightness spread evenly over a range, split in its middle, has means half the range apart and
standard deviations of half the range by the root of 12: a d' of 3.46.
"""

GREATEST_TREND = 0.5
"""Part of a slice's variance in a trend from which on the two phases may be bright and dark sides.

In simulated slices of two phases it is 0.25 at most.
"""

LEAST_ICE = 0.04
"""Ice fraction below which the bright phase is hardly ice: half that of the lightest snow."""


def trend_share(values, outside=np.nan):
    """Part of the variance of a slice that a parabola in its rows and columns explains.

    Cupping and uneven light split a slice of one phase into its bright and its dark side.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Grey levels; a sample of them is looked at.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Returns
    -------
    float
        0 to 1; 0 where hardly anything is inside.

    Examples
    --------
    >>> rows, columns = np.mgrid[-1:1:50j, -1:1:50j]
    >>> noise = np.random.default_rng(0).normal(size=rows.shape)
    >>> noise[rows**2 + columns**2 > 1] = np.nan
    >>> [round(trend_share(a * rows**2 + noise), 1) for a in (0, 10)]
    [0.0, 0.9]
    """
    grey = _sample(values)
    inside = inside_mask(grey, outside)
    rows, columns = (np.linspace(-1, 1, edge) for edge in grey.shape)
    rows, columns = (axis[inside] for axis in np.meshgrid(rows, columns, indexing="ij"))
    grey = grey[inside].astype(float)
    if grey.size < 64 or np.ptp(grey) == 0:
        return 0.0
    trend = np.stack(
        [rows**a * columns**b for a, b in ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))]
    )
    rest = grey - np.linalg.lstsq(trend.T, grey, rcond=None)[0] @ trend
    return float(1 - rest.var() / grey.var())


def warn_of_doubts(labeler, changes, trends, rings, clipped, thin=None):
    """Warn of the slices of a fitted GMMLabeler that somebody should look at.

    Parameters
    ----------
    labeler : GMMLabeler
        With the fitted attributes of every slice.
    changes : array of shape (n_slices,)
        How much smoothing has changed the mean grey level of a slice.
    trends : array of shape (n_slices,)
        See `trend_share`.
    rings : array of shape (n_slices,)
        See `ring_share`.
    clipped : array of shape (n_slices,)
        See `clipped_share`.
    thin : Look or None
        What the balance has seen, if it is doubtful.
    """
    looks = _doubts_of_looks(labeler, changes, trends, rings, clipped)
    for doubtful, message in (*_doubts_of_fits(labeler), *looks):
        _warn(doubtful, message)
    if thin is not None and np.nanmedian(labeler.separation_) >= LEAST_SEPARATION:
        warnings.warn(
            "Structures are so thin that hardly a voxel holds one phase only: the porosity may be "
            f"off by several percentage points. Labels of the sharpened scan say "
            f"{100 - 100 * thin.labelled:.1f} %, its mean grey level {100 - 100 * thin.ice:.1f} %.",
            stacklevel=3,
        )


def _doubts_of_fits(labeler):
    """(bool array of the slices, message) of all that mixtures say of themselves."""
    overlap = labeler.separation_ < LEAST_SEPARATION
    return [
        (
            ~labeler.converged_ & (labeler.n_iter_ >= labeler.max_iter) & (labeler.max_iter > 1),
            f"The mixture did not converge within {labeler.max_iter} steps in the slices {{}}; "
            "raise max_iter or tol.",
        ),
        (
            labeler.fell_back_ & ~overlap,
            "The slices {} do not show two phases like those of the stack; they borrow the grey "
            "levels of both (fell_back_). Look at them: they may be blank, hold one phase only, "
            "or have an artefact.",
        ),
        (
            ~labeler.fell_back_ & (labeler.weights_[:, 1:].sum(axis=1) < LEAST_ICE),
            f"Less than {LEAST_ICE:.0%} of the slices {{}} would be ice: the bright phase may be "
            "an artefact, or casing, and the dark one ice.",
        ),
        (
            overlap,
            f"The two phases are less than {LEAST_SEPARATION:g} standard deviations apart in the "
            "slices {} (separation_): their labels may be noise. Is there only one phase, or too "
            "little smoothing?",
        ),
    ]


def _doubts_of_looks(labeler, changes, trends, rings, clipped):
    """The same, of all that the slices look like."""
    apart = labeler.separation_ >= LEAST_SEPARATION
    trend = (labeler.separation_ < TREND_SEPARATION) & (trends > GREATEST_TREND)
    return [
        (
            jumps(changes, labeler.mixture_),
            "The mean grey level jumps at the slices {}: smoothing along the core mixes them with "
            "their neighbours. Mark blank slices as outside, level the brightness, or smooth in "
            "the plane only: smoothing=(0, 1.15, 1.15).",
        ),
        (
            apart & trend,
            "Brightness changes across the slices {} more than between two phases: their labels "
            "may part a bright side from a dark one. Is there cupping, and only one phase?",
        ),
        (
            apart & ~trend & ~labeler.fell_back_ & (rings > GREATEST_RINGS),
            "Rings about the middle of the slices {} differ more than two phases: their labels may "
            "part bright rings from dark ones. Is there only one phase, or is the scan raw, with "
            "casing and air around the specimen (CoreMasker)?",
        ),
        (
            clipped > GREATEST_CLIPPED,
            f"More than {GREATEST_CLIPPED:.0%} of the voxels of the slices {{}} have the lowest or "
            "the highest grey level: the scan is saturated, and porosity may be off by a "
            "percentage point or two. Export it again with a wider range of grey levels.",
        ),
    ]


def _warn(doubtful, message):
    """Warn with the numbers of the doubtful slices in the message, if there are any."""
    slices = np.flatnonzero(doubtful)
    if slices.size:
        warnings.warn(message.format(name_slices(slices)), stacklevel=4)


def name_slices(slices):
    """Numbers of slices as text; of more than ten their ranges, of which ten at most.

    Examples
    --------
    >>> name_slices(np.array([3, 4, 9])), name_slices(np.r_[:2600, 2700])
    ('[3, 4, 9]', '[0-2599, 2700]')
    """
    if slices.size <= 10:
        return str(slices.tolist())
    runs = np.split(slices, np.flatnonzero(np.diff(slices) > 1) + 1)
    names = [f"{run[0]}-{run[-1]}" if run.size > 1 else str(run[0]) for run in runs]
    return f"[{', '.join(names[:10])}]{' ...' if len(names) > 10 else ''}"
