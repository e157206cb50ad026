"""Grey levels of pure air and pure ice, where blur leaves hardly a voxel pure.

A scan is its phases, blurred, with noise. Labels of a part of it, blurred alike, say how pure
every voxel is: the purest ones show the levels, once the little that is missing is taken into
account. How wide the blur is, the edges tell. Labels of a blurred scan lose thin structures, so
that it is made as sharp as its noise allows before the labels are made anew.
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, laplace
from scipy.special import ndtr

FIRST_BLUR, LEAST_BLUR, MOST_BLUR = 0.8, 0.3, 2.0
"""Standard deviation of the point spread, in voxels: where the search begins, and its range."""

SLOWEST, FASTEST = 0.7, 1.6
"""How much the square of it may change in a step."""

N_FIRST, N_SHARP = 2, 3
"""Steps with the smoothed scan, and with the sharpened one."""

PENALTIES = 0.5 ** np.arange(9)
"""What noise costs the sharpening: from hardly sharp to nearly all of the blur undone."""

CLEAR = 3.0
"""Standard deviations of noise that pure voxels are to be away from the other label.

Sharper scans show thinner structures, until noise is labelled too."""

N_BINS, LEAST = 1000, 10
"""Classes of purity; fewest voxels whose mean is a level."""

PURITY_ERROR = 0.3
"""Doubt about what is missing to purity."""

SHAPE_ERRORS = 2.0, 0.3
"""Doubts about the ice in which labels and grey levels differ: if too noisy to sharpen, if not."""

DOUBTFUL_GAP, GREATEST_GAP, GREATEST_CONTRAST = 0.025, 0.03, 2.4
"""Difference between the ice of labels and of grey levels that is doubtful, or too much, and the
contrast, in those of the mixture, that is doubtful. Scans with a d' of 4 have 0.024 and 2.3."""

LEAST_SHARE = 0.05
"""Of less of a phase an uncertain level does no harm."""


class View(NamedTuple):
    """A window of a scan.

    Parameters
    ----------
    grey : array of shape (n_slices, n_rows, n_columns), float32
        As scanned; the mixture's air is 0 and its ice 1.
    smooth : array of the same shape, float32
        As smoothed for the mixture: the first labels are those above one half.
    known : array of the same shape, bool
        Voxels that count; the others are neighbours.
    """

    grey: np.ndarray
    smooth: np.ndarray
    known: np.ndarray


class Look(NamedTuple):
    """What is known of the windows of a scan.

    Parameters
    ----------
    air, contrast : float
        Level of pure air, and how much brighter pure ice is.
    blur : float
        Standard deviation of the point spread in voxels.
    limits : (float, float)
        Up to how much of the other phase in it a voxel of air, or of ice, is among the purest.
    ice, error : float
        Ice fraction by the mean grey level, and its error.
    labelled : float
        Ice fraction of the labels.
    """

    air: float = 0.0
    contrast: float = 1.0
    blur: float = FIRST_BLUR
    limits: tuple = (0.0, 0.0)
    ice: float = 0.5
    error: float = 1.0
    labelled: float = 0.5

    @property
    def disagree(self):
        """Whether labels and grey levels tell such different amounts of ice that none is right."""
        return self._gap > GREATEST_GAP

    @property
    def doubtful(self):
        """Whether structures are so thin that hardly a voxel comes near the pure levels."""
        strange = self.contrast > GREATEST_CONTRAST and LEAST_SHARE < self.ice < 1 - LEAST_SHARE
        return self._gap > DOUBTFUL_GAP or strange

    @property
    def _gap(self):
        return abs(self.ice - self.labelled)


def look_for_levels(views):
    """Levels of the pure phases, and the ice fraction that follows from them.

    Parameters
    ----------
    views : list of View
        Windows of one scan.

    Returns
    -------
    Look or None
        None if one of the phases is nowhere nearly pure.

    Examples
    --------
    Sheets of ice, 3 voxels thick and blurred by 1.1; a mixture would see levels of 10 and 70:

    >>> sheets = np.zeros((24, 24, 24), dtype=np.float32)
    >>> sheets[:, :, 4:7] = sheets[:, :, 12:15] = 1
    >>> grey = gaussian_filter(10 + 80 * sheets, 1.1)
    >>> bright = (grey - 10) / 60
    >>> look = look_for_levels([View(bright, bright, np.ones(grey.shape, dtype=bool))])
    >>> round(60 * look.contrast), round(look.blur, 1), round(float(look.ice), 2)
    (79, 1.1, 0.25)
    """
    look, scans = Look(), [view.smooth for view in views]
    for _ in range(N_FIRST):
        look = _step(views, scans, look)
        if look is None:
            return None
    scans, trust = _sharpen(views, scans, look)
    for _ in range(N_SHARP):
        look = _step(views, scans, look, trust) or look
    return look


def _step(views, scans, look, trust=(1.0, 0.0)):
    """The next look, by the labels that the last one makes of the scans."""
    pairs = zip(views, scans, strict=True)
    grey, purity, edges, labels = np.concatenate([_see(*pair, look) for pair in pairs], axis=1)
    classes = _classes(grey, purity)
    noise = _scatter(classes)
    air, ice = _purest(classes, noise), _purest(_seen_from_ice(classes), noise)
    if air is None or ice is None:
        return None
    contrast = (ice.grey - air.grey) / (1 - ice.missing - air.missing)
    if contrast <= 0:
        return None
    level = air.grey - contrast * air.missing
    share = (grey.mean() - level) / contrast + labels.mean() - purity.mean()
    gap = share - labels.mean()
    lost, mistaken = trust
    levels = (1 - share) * air.error, share * ice.error, noise / grey.size**0.5
    error = np.linalg.norm([*levels, lost * gap, mistaken])
    blur = _blur(look.blur, grey - level - contrast * purity, contrast * edges)
    limits = air.limit, ice.limit
    return Look(level, contrast, blur, limits, share, error, labels.mean())


def _see(view, scan, look):
    """Grey, purity, what a wider blur would add to it, and label of all voxels that count."""
    labels, purity = _purity(scan, look)
    known = view.known
    return np.stack([a[known] for a in (view.grey, purity, laplace(purity) / 2, labels)])


def _purity(scan, look):
    """(labels, the same blurred: how much ice is in a voxel)."""
    labels = (scan > look.air + look.contrast / 2).astype(np.float32)
    return labels, gaussian_filter(labels, look.blur, mode="nearest")


def _blur(blur, rest, edges):
    """Blur by which edges agree with what is left of the grey levels."""
    edges = edges - edges.mean()
    more = (edges @ rest) / (edges @ edges + 1e-9)
    square = blur**2 * np.clip(1 + more / blur**2, SLOWEST, FASTEST)
    return float(np.clip(square**0.5, LEAST_BLUR, MOST_BLUR))


def _classes(grey, purity):
    """(voxels, their ice, grey levels and squares) by purity, air first."""
    index = (purity * N_BINS).astype(np.intp).clip(0, N_BINS - 1)
    weights = None, purity, grey, grey * grey
    return np.array([np.bincount(index, values, N_BINS) for values in weights])


def _seen_from_ice(classes):
    n, ice, grey, squares = classes[:, ::-1]
    return np.array([n, n - ice, grey, squares])


def _scatter(classes):
    """Standard deviation of voxels that are alike in purity: noise."""
    n, _, grey, squares = classes
    within = squares.sum() - (grey**2 / np.maximum(n, 1)).sum()
    return max(within, 0.0) ** 0.5 / n.sum() ** 0.5


class _Side(NamedTuple):
    """The purest voxels of a phase: mean grey level, what is missing, error and limit of that."""

    grey: float
    missing: float
    error: float
    limit: float


def _purest(classes, noise):
    """As many of the purest voxels as are best for the level, or None if there are none."""
    n, missing, grey, _ = np.cumsum(classes[:, : N_BINS // 2], axis=1)
    enough = np.flatnonzero(n >= LEAST)
    if enough.size == 0:
        return None
    n, missing, grey = n[enough], missing[enough], grey[enough]
    errors = np.hypot(PURITY_ERROR * missing / n, noise / n**0.5)
    best = np.argmin(errors)
    limit = (enough[best] + 1) / N_BINS
    return _Side(grey[best] / n[best], missing[best] / n[best], errors[best], limit)


def _sharpen(views, scans, look):
    """(scans without blur, as far as pure voxels stay clear of the other label; doubts).

    Doubts are in how much of the gap between labels and grey levels, and in how many voxels that
    noise gives the wrong label.
    """
    purities = [_purity(scan, look)[1] for scan in scans]
    pure = [
        (view.known & (purity < look.limits[0]), view.known & (purity > 1 - look.limits[1]))
        for view, purity in zip(views, purities, strict=True)
    ]
    spectra = [dctn(view.grey) for view in views]
    noise = _noise(scans, pure)
    lost = SHAPE_ERRORS[0]
    for penalty in PENALTIES:
        sharp = [idctn(part * _inverse(part.shape, look.blur, penalty)) for part in spectra]
        sharper = _noise(sharp, pure)
        if sharper > max(noise, look.contrast / 2 / CLEAR):
            break
        scans, noise, lost = sharp, sharper, SHAPE_ERRORS[1]
    return scans, (lost, ndtr(-look.contrast / 2 / noise))


def _noise(scans, pure):
    """Standard deviation of pure voxels."""
    squares = count = 1e-12
    for phase in zip(*pure, strict=True):
        values = np.concatenate([scan[mask] for scan, mask in zip(scans, phase, strict=True)])
        if values.size:
            squares, count = squares + values.size * values.var(dtype=float), count + values.size
    return (squares / count) ** 0.5


def _inverse(shape, blur, penalty):
    """What undoes a Gaussian in the spectrum of cosines, but for waves that are mostly noise."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    square = sum((np.pi * axis / n) ** 2 for axis, n in zip(axes, shape, strict=True))
    passed = np.exp(-0.5 * blur**2 * square).astype(np.float32)
    return passed * (1 + penalty) / (passed**2 + penalty)
