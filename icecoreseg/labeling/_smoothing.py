"""Smoothing that knows where the specimen ends, and gives back the edges it blurs.

A Gaussian takes the noise away and with it the small grains; an *unsharp mask* - adding
the difference to a wider Gaussian - raises what both the smoothing and the scanner's own
point spread have damped. Together they are a band-limited deconvolution, made of
nothing but Gaussians.
"""

from typing import NamedTuple

import numpy as np

from icecoreseg._validation import inside_mask
from icecoreseg.labeling._cover import TILE, cover
from icecoreseg.labeling._separable import FIXED, FLOATING, LARGEST_FIXED_RADIUS, Filters

OUTSIDE_LEVEL = -(2**15)
"""Marks the outside in smoothed bytes, whose levels are int16."""


class Smoothed(NamedTuple):
    """A slice after smoothing.

    Parameters
    ----------
    shape : (int, int)
        Of the slice.
    parts : list of ((slice, slice), array)
        Where in the slice, and its levels there; beyond all parts is outside. float32, NaN
        outside. Bytes, unless they are smoothed very widely, become int16 in steps of `width`
        grey levels, `OUTSIDE_LEVEL` outside.
    width : float
        Grey levels per step; 1 for floats.
    void : numpy scalar
        The level outside.
    """

    shape: tuple
    parts: list
    width: float
    void: np.generic

    @property
    def levels(self):
        """The whole slice, of shape (n_rows, n_columns)."""
        plane = np.full(self.shape, self.void)
        for where, levels in self.parts:
            plane[where] = levels
        return plane


def smooth_inside(values, inside, sigma, *, sharpening=0.0, inner=None):
    """Normalised Gaussian smoothing: outside voxels have no weight.

    Smoothing an image whose outside was set to zero pulls the rim of the specimen
    towards black, a thin ring of false air. Here the smoothed values are divided by the
    smoothed mask, so that a constant specimen stays constant up to its rim.

    Parameters
    ----------
    values : array of shape (n_slices, n_rows, n_columns)
        Grey levels.
    inside : array of the same shape, bool
        True inside the specimen.
    sigma : (float, float, float)
        Standard deviations (z, y, x) in voxels; 0 leaves an axis alone.
    sharpening : float
        Weight a of the unsharp mask: ``(1 + a) G(sigma) - a G(2 sigma)``.
    inner : slice, optional
        The slices to smooth; the others are only their neighbours.

    Returns
    -------
    array of shape (number of inner slices, n_rows, n_columns), float32
        Smoothed inside; NaN outside.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.full((1, 5, 5), 7.0)
    >>> values[:, 3:] = np.nan
    >>> smooth_inside(values, ~np.isnan(values), (0, 1, 1))[0, :3, 0].round(5).tolist()
    [7.0, 7.0, 7.0]
    """
    marked = np.where(inside, values, np.float32(np.nan)).astype(np.float32, copy=False)
    numbers = range(*(inner or slice(None)).indices(len(values)))
    options = {"sharpening": sharpening, "outside": np.nan}
    return np.stack([smooth_slice(marked, number, sigma, **options).levels for number in numbers])


def smooth_slice(slab, number, sigma, *, sharpening=0.0, outside=np.nan):
    """Smooth one slice of a slab; the others are its neighbours.

    Parameters
    ----------
    slab : array of shape (n_slices, n_rows, n_columns)
        Grey levels.
    number : int
        The slice to smooth.
    sigma, sharpening
        See `smooth_inside`.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Returns
    -------
    Smoothed
    """
    kernels = [[gaussian_kernel(s) for s in sigma]]
    factors = [1.0]
    if sharpening:
        kernels.append([gaussian_kernel(2 * s) for s in sigma])
        factors = [1.0 + sharpening, -sharpening]
    radius = max(smoothing_reach(sigma, sharpening))
    fixed = slab.dtype == np.uint8 and radius <= LARGEST_FIXED_RADIUS
    width = level_width(sharpening) if fixed else 1.0
    void = np.int16(OUTSIDE_LEVEL) if fixed else np.float32(np.nan)
    largest, beside = map(min, TILE, slab.shape[1:]), (number, len(slab) - 1 - number)
    filters = Filters(kernels, FIXED if fixed else FLOATING, tuple(largest), beside)
    parts = []
    planes = [slab[number + step] for step in sorted(filters.steps, key=abs)]  # itself first
    for rows, runs in cover(planes, outside, filters.margin[1:]):
        first, last = runs[0][0].start, runs[-1][0].stop
        levels = np.empty((rows.stop - rows.start, last - first), dtype=void.dtype)
        for columns, whole in runs:
            window = _Window(slab, number, (rows, columns), outside, filters, whole)
            target = levels[:, columns.start - first : columns.stop - first]
            _smooth_window(window, filters, factors, width, target)
            if not whole:
                np.copyto(target, void, where=~inside_mask(slab[number][rows, columns], outside))
        parts.append(((rows, slice(first, last)), levels))
    return Smoothed(slab.shape[1:], parts, width, void)


def _smooth_window(window, filters, factors, width, target):
    """Weighted sum of the filters of one window, each divided by its filtered mask."""
    sums = [part.astype(np.float32) for part in filters.apply(window.load_grey, target.shape)]
    norms = filters.full
    if not window.whole:
        masks = filters.apply(window.load_mask, target.shape)
        norms = [np.maximum(part.astype(np.float32), _TINY) for part in masks]
    for part, factor, norm in zip(sums, factors, norms, strict=True):
        part *= np.float32(factor * filters.arithmetic.inside / width) / np.float32(norm)
    total, *others = sums
    for part in others:
        total += part
    if target.dtype == np.int16:
        np.rint(total, out=total)
        if not window.whole:
            np.clip(total, 1 - 2**15, 2**15 - 1, out=total)
    np.copyto(target, total, casting="unsafe")


_TINY = np.float32(1e-30)


def smoothing_reach(sigma, sharpening):
    """How many voxels the smoothing looks beyond a voxel, along (z, y, x)."""
    return tuple(len(gaussian_kernel((2 if sharpening else 1) * s)) // 2 for s in sigma)


def gaussian_kernel(sigma):
    """Weights of a Gaussian cut off at two standard deviations, float32, sum one."""
    radius = max(1, round(2 * sigma)) if sigma > 0 else 0
    if radius == 0:
        return np.ones(1, dtype=np.float32)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def level_width(sharpening):
    """Grey levels per step of smoothed bytes: the finest power of two that fits int16."""
    return float(2.0 ** np.ceil(np.log2(255 * (1 + sharpening) / (2**15 - 1))))


class _Window:
    """A tile of one slice with its margins: what the filters read of a slab.

    It is whole if nothing in it is outside, or beyond the picture.
    """

    def __init__(self, slab, number, tile, outside, filters, whole):
        self.slab, self.number, self.outside, self.whole = slab, number, outside, whole
        self.masks = {}
        self.weight = filters.arithmetic.inside
        self.source, self.place = (), ()
        for part, m, edge in zip(tile, filters.margin[1:], slab.shape[1:], strict=True):
            low, high = max(0, part.start - m), min(edge, part.stop + m)
            self.source += (slice(low, high),)
            self.place += (slice(low - part.start + m, high - part.start + m),)
        self.shape = filters.with_margins([part.stop - part.start for part in tile])

    def _inside(self, step):
        """Mask of a neighbouring slice's share of the window."""
        if step not in self.masks:
            self.masks[step] = inside_mask(self._part(step), self.outside)
        return self.masks[step]

    def _part(self, step):
        """A neighbouring slice's share of the window."""
        return self.slab[(self.number + step, *self.source)]

    def load_grey(self, step, out):
        """Grey levels of a neighbouring slice; zero outside."""
        part = self._part(step)
        self._load(part, out)
        if self.whole or (self.outside == 0 and part.dtype.kind == "u"):
            return
        bits = out[self.place].view(f"i{out.itemsize}")  # NaN times zero would be NaN
        bits &= -self._inside(step).astype(bits.dtype)

    def load_mask(self, step, out):
        """What the filters count for inside, or zero."""
        self._load(self._inside(step), out)
        out *= out.dtype.type(self.weight)

    def _load(self, part, out):
        """A neighbouring slice's share of the window, zero beyond the picture."""
        if part.shape != self.shape:
            out[:] = 0
        out[self.place] = part
