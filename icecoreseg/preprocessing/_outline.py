"""The outline of the specimen: the closed path that parts tissue from emptiness best.

Snow is mostly air, so no threshold shows its outline. In polar coordinates the outline
is a radius per angle; the best one holds as much ice and as little air as can be, which
is the two-level model of Chan and Vese (2001, doi 10.1109/83.902291): inside the mean
ice fraction is f, outside 0, so that a pixel with ice fraction t speaks for the inside
with ``t - f / 2``. Bending costs so much that the path does not dip into single pores,
but follows a broken edge. The best path is found exactly, by dynamic programming.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._casing import find_casing, polar

N_ANGLES = 256
"""Radii of an outline, at evenly spaced angles from the column axis towards the rows."""

ANGLES = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES

_FINER = 4
_COARSE_STEPS = 120
_BAND = 5.0
_FINE_STEPS = (0.2, 0.5)
_PORES_OVAL = 4
_PORES_BRIDGED = 8
_LEAST_TISSUE = 0.002
_FORBIDDEN = -10.0


class Outline(NamedTuple):
    """Centre and radii in pixels of the reduced slice; all NaN where there is no ice."""

    row: float
    column: float
    radii: np.ndarray


NO_OUTLINE = Outline(np.nan, np.nan, np.full(N_ANGLES, np.nan))


def find_outline(image):
    """The outline of the specimen in one reduced slice.

    Parameters
    ----------
    image : float32 array of shape (n_rows, n_columns)
        On the scale of air 0 and ice 1; casing may be brighter.

    Returns
    -------
    Outline
    """
    casing = find_casing(image)
    smooth = ndimage.uniform_filter(image, 3)
    rows, columns = np.nonzero(_tissue(smooth, casing))
    if rows.size < max(4, _LEAST_TISSUE * image.size):
        return NO_OUTLINE
    centre = (rows.mean(), columns.mean()) if casing is None else (casing.row, casing.column)
    for _ in range(2):
        reach = np.hypot(rows - centre[0], columns - centre[1])
        offsets = np.linspace(0, reach.max() + 3, _COARSE_STEPS)
        coarse = Fan(smooth, casing, centre, np.zeros(N_ANGLES), offsets)
        radii = np.full(N_ANGLES, 0.9 * np.quantile(reach, 0.9))
        fraction = coarse.fraction_within(radii)
        pore = coarse.pore_length(fraction, radii)
        base = coarse.best_ellipse(fraction, pore, radii)
        radii = coarse.best_radii(fraction, pore, base)
        middle = _centroid(centre, radii)
        if not coarse.shows_all or np.hypot(*np.subtract(middle, centre)) < 1:
            break  # a cut-out of a core has its middle elsewhere
        centre = middle
    fraction, pore = coarse.fraction_within(base), coarse.pore_length(fraction, base)
    step = float(np.clip(radii.mean() / 400, *_FINE_STEPS))
    low, high = (radii - base).min() - _BAND, (radii - base).max() + _BAND
    fine = Fan(image, casing, centre, base, np.arange(low, high, step))
    base = fine.best_ellipse(fraction, pore, base)
    return Outline(*centre, fine.best_radii(fraction, pore, base).astype(np.float32))


def _tissue(smooth, casing):
    """Pixels that hold ice for sure, within the casing."""
    tissue = smooth > 0.5
    if casing is not None:
        rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
        tissue &= casing.distance(rows, columns) < casing.blur_radii[0]
    return tissue


def _centroid(centre, radii):
    """Of the area within radii about a centre."""
    area, arm = (radii**2).sum(), radii**3 * 2 / 3
    return (
        centre[0] + (arm * np.sin(ANGLES)).sum() / area,
        centre[1] + (arm * np.cos(ANGLES)).sum() / area,
    )


class Fan:
    """A slice in polar coordinates: samples at offsets from a base radius per angle.

    Attributes
    ----------
    radii : array of shape (N_ANGLES, n_offsets)
    values : float32 array of shape (N_ANGLES, n_offsets)
        Ice fraction, 0 beyond the picture.
    seen, hidden : bool arrays of shape (N_ANGLES, n_offsets)
        Within the picture; in the casing or beyond.
    """

    def __init__(self, image, casing, centre, base, offsets):
        self.base = base
        self.step = offsets[1] - offsets[0]
        self.start = offsets[0] + self.step / 2
        self.radii = np.maximum(base[:, np.newaxis] + offsets, 0)
        turn = 2 * np.pi / N_ANGLES
        fine = [ANGLES + turn * (n + 0.5) / _FINER - turn / 2 for n in range(_FINER)]
        values = np.stack([polar(image, *centre, self.radii, angles) for angles in fine])
        self.seen = np.isfinite(values).all(axis=0)
        self.values = np.where(self.seen, values.mean(axis=0), 0)
        self.hidden = np.zeros(self.seen.shape, dtype=bool)
        if casing is not None:
            rows = centre[0] + np.sin(ANGLES)[:, np.newaxis] * self.radii
            columns = centre[1] + np.cos(ANGLES)[:, np.newaxis] * self.radii
            distance = casing.distance(rows, columns)
            self.hidden = distance > casing.inner
            self.values -= np.interp(distance, casing.blur_radii, casing.blur)

    @property
    def shows_all(self):
        """Whether the picture holds (nearly) all of what the fan covers."""
        return self.seen[:, -1].mean() > 0.8

    def fraction_within(self, outline):
        """Mean ice fraction in the outer half of an outline."""
        share = self.radii / outline[:, np.newaxis]
        weight = self.radii * (self.seen & ~self.hidden & (share > 0.5) & (share < 1))
        return float((weight * self.values).sum() / max(weight.sum(), 1e-6))

    def pore_length(self, fraction, outline):
        """Typical width, along the angles, of the pores in the outer half of an outline."""
        share = self.radii / outline[:, np.newaxis]
        outer = self.seen & ~self.hidden & (share > 0.3) & (share < 0.8)
        ice = self.values > fraction / 2
        n_pores = np.count_nonzero(outer & ice & ~np.roll(ice, 1, axis=0))
        arc = 2 * np.pi * (self.radii * (outer & ~ice)).sum() / N_ANGLES
        return float(np.clip(arc / max(n_pores, 1), 1, 0.5 * outline.mean()))

    def _balance(self, fraction):
        """What an outline gains per angle if it runs at each of the samples' outer ends."""
        gain = np.where(self.seen, self.values - fraction / 2, 0)
        gain[self.hidden] = _FORBIDDEN
        return np.cumsum(gain, axis=1) * self.step

    def _read(self, balance, radii):
        """A balance at radii of shape (N_ANGLES, n), interpolated; emptiness lies beyond."""
        places = (radii - self.base[:, np.newaxis] - self.start) / self.step
        held = np.clip(places, 0, balance.shape[1] - 1)
        low = np.minimum(held.astype(np.intp), balance.shape[1] - 2)
        left = np.take_along_axis(balance, low, axis=1)
        right = np.take_along_axis(balance, low + 1, axis=1)
        return left + (held - low) * (right - left) - np.abs(places - held) * self.step

    def _stiffness(self, fraction, pore_length, n_pores):
        """Cost of a step along the radius that keeps an outline out of n pores in a row."""
        arc = 2 * np.pi * np.quantile(self.radii, 0.8) / N_ANGLES
        return fraction / 2 * n_pores * pore_length / arc / 2

    def best_ellipse(self, fraction, pore_length, radii):
        """Radii with two waves around that enclose most ice for least air: pattern search."""
        balance = self._balance(fraction)
        stiffness = self._stiffness(fraction, pore_length, _PORES_OVAL)

        def gain(waves):
            outline = waves @ _WAVES
            inside = self._read(balance, outline[:, np.newaxis]).sum()
            return inside - stiffness * np.abs(np.diff(outline)).sum()

        waves = np.linalg.lstsq(_WAVES.T, radii, rcond=None)[0]
        best, size = gain(waves), max(8 * self.step, 2.0)
        while size > self.step / 4:
            trials = [waves + size * move for move in _MOVES]
            gains = [gain(trial) for trial in trials]
            if max(gains) > best:
                best, waves = max(gains), trials[int(np.argmax(gains))]
            else:
                size /= 2
        return waves @ _WAVES

    def best_radii(self, fraction, pore_length, base):
        """Radii of the closed path that encloses most ice for least air.

        Leaving the base costs so much that pores are not entered. Where the picture ends
        the path follows the base.
        """
        low, high = self.radii[:, 0].min() - base.max(), self.radii[:, -1].max() - base.min()
        away = np.arange(low, high, self.step)
        total = self._read(self._balance(fraction), base[:, np.newaxis] + away)
        path = closed_path(
            total, self.step * self._stiffness(fraction, pore_length, _PORES_BRIDGED)
        )
        return np.maximum(base + ndimage.gaussian_filter1d(away[path], 2, mode="wrap"), 0)


_WAVES = np.stack(
    [np.ones(N_ANGLES)] + [wave(n * ANGLES) for n in (1, 2) for wave in (np.cos, np.sin)]
)
_MOVES = np.vstack([np.eye(5), -np.eye(5)])


def closed_path(gain, stiffness):
    """Column per row, with the largest sum of gains less the cost of steps; rows are cyclic.

    The cost of a step is proportional to its length. So a path that leaves its line and
    comes back pays for the depth of its detour, and gains by the area: it ignores what
    is narrow, and follows what is wide in full.

    Parameters
    ----------
    gain : array of shape (n_rows, n_columns)
    stiffness : float
        Cost of a step between neighbouring rows, per column.

    Examples
    --------
    >>> gain = np.array([[0, 9, 0], [0, 9, 0], [0, 0, 10]])
    >>> closed_path(gain, 2).tolist(), closed_path(gain, 9).tolist()
    ([1, 1, 2], [1, 1, 1])
    """
    n_rows, n_columns = gain.shape
    columns = np.arange(n_columns)
    slope = stiffness * columns
    reached = np.empty((2 * n_rows, n_columns))  # best sum of a path that ends there
    best = np.zeros(n_columns)
    for turn in range(2 * n_rows):  # twice around: the second half has forgotten its start
        from_left = np.maximum.accumulate(best + slope) - slope
        from_right = np.maximum.accumulate((best - slope)[::-1])[::-1] + slope
        reached[turn] = best = np.maximum(from_left, from_right) + gain[turn % n_rows]
    path = np.empty(2 * n_rows, dtype=np.intp)
    path[-1] = best.argmax()
    for turn in range(2 * n_rows - 2, -1, -1):
        path[turn] = (reached[turn] - np.abs(slope - slope[path[turn + 1]])).argmax()
    half = n_rows // 2
    return np.roll(path[half : half + n_rows], half)
