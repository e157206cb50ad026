"""A slice in polar coordinates, and the closed lines in it that hold most ice for least air."""

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._polar import polar

N_ANGLES = 256
"""Radii of an outline, at evenly spaced angles from the column axis towards the rows."""

ANGLES = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES

_FORBIDDEN = -10.0
_PARTS = 16  # of a closed path, sought side by side

WAVES = np.stack(
    [np.ones(N_ANGLES)] + [wave(n * ANGLES) for n in (1, 2) for wave in (np.cos, np.sin)]
)


class Fan:
    """A slice in polar coordinates: samples at offsets from a base radius per angle.

    Each sample is the mean over some rays within its angle.

    Attributes
    ----------
    radii : array of shape (N_ANGLES, n_offsets)
    values : float32 array of shape (N_ANGLES, n_offsets)
        Ice fraction, 0 beyond the picture.
    seen, hidden : bool arrays of shape (N_ANGLES, n_offsets)
        Within the picture; in the casing or beyond.
    """

    def __init__(self, image, wall, centre, base, offsets, rays=4):
        self.base = base
        self.step = offsets[1] - offsets[0]
        self.start = offsets[0] + self.step / 2
        self.radii = np.maximum(base[:, np.newaxis] + offsets, 0)
        turn = 2 * np.pi / N_ANGLES
        fine = [ANGLES + turn * (n + 0.5) / rays - turn / 2 for n in range(rays)]
        values = np.stack([polar(image, *centre, self.radii, angles) for angles in fine])
        self.seen = np.isfinite(values).all(axis=0)
        self.values = np.where(self.seen, values.mean(axis=0), 0)
        self.hidden = np.zeros(self.seen.shape, dtype=bool)
        if np.isfinite(wall[2]):
            rows = centre[0] - wall[0] + np.sin(ANGLES)[:, np.newaxis] * self.radii
            columns = centre[1] - wall[1] + np.cos(ANGLES)[:, np.newaxis] * self.radii
            self.hidden = rows**2 + columns**2 > wall[2] ** 2

    def fraction_within(self, outline):
        """Mean ice fraction in the outer half of an outline."""
        share = self.radii / outline[:, np.newaxis]
        weight = self.radii * (self.seen & ~self.hidden & (share > 0.5) & (share < 1))
        return float((weight * self.values).sum() / max(weight.sum(), 1e-6))

    def pore_length(self, fraction, outline):
        """Typical width, along the angles, of the pores in the outer half of an outline.

        The mean of all chords, or what their median says of it if that is less: where pores are
        few, a wide break weighs too much in the mean.
        """
        share = self.radii / outline[:, np.newaxis]
        outer = self.seen & ~self.hidden & (share > 0.3) & (share < 0.8)
        air = outer & (self.values <= fraction / 2)
        chords = run_sums(air.T, 2 * np.pi / N_ANGLES * self.radii.T)
        if chords.size == 0:
            return 1.0
        of_median = np.median(chords) / np.log(2)  # the mean, if chords are exponential
        return float(np.clip(min(chords.mean(), of_median), 1, 0.5 * outline.mean()))

    def _balance(self, fraction):
        """What an outline gains per angle if it runs at each of the samples' outer ends."""
        gain = np.where(self.seen, self.values - fraction / 2, 0)
        gain[self.hidden] = _FORBIDDEN
        return np.cumsum(gain, axis=1) * self.step

    def best_radii(self, fraction, pore_length):
        """Radii of the closed path that encloses most ice for least air.

        Leaving the base costs so much that pores are not entered. Where the base is beyond
        the picture the path follows it.
        """
        total = self._balance(fraction)
        away = self.start + self.step * np.arange(total.shape[1])
        nearest = np.abs(away).argmin()
        total[~self.seen[:, nearest]] = -fraction * np.abs(away)
        stiffness = _stiffness(fraction, pore_length, self.base)
        path = closed_path(total, stiffness * self.step)
        moved = ndimage.gaussian_filter1d(away[path], 2, mode="wrap")
        return np.maximum(self.base + moved, 0)


def _stiffness(fraction, pore_length, outline):
    """Cost of a step along the radius at which an outline just spans so many pores in a row.

    The fewer grains there are, and the fewer pores fit around, the longer are the gaps
    that come about by chance: two pores in dense ice, five in snow, more in small
    pictures.
    """
    radius = outline.mean()
    n_pores = (2 + 5 * (1 - min(fraction, 1))) * (1 + 3 * pore_length / radius)
    arc = 2 * np.pi * radius / N_ANGLES
    return fraction / 2 * n_pores * pore_length / arc / 2


def run_sums(there, values):
    """Sum of the values of every run along the rows, which are cyclic.

    Parameters
    ----------
    there : bool array of shape (n_rows, n_columns)
        True in runs.
    values : array of the same shape

    Returns
    -------
    array of shape (n_runs,)
        A row without a gap is no run.

    Examples
    --------
    >>> run_sums(np.array([[True, False, True, False, True]]), np.array([[1, 2, 3, 4, 5]]))
    array([3., 6.])
    """
    starts = there & ~np.roll(there, 1, axis=1)
    there = there & starts.any(axis=1, keepdims=True)
    run = np.cumsum(starts, axis=1)
    run = np.where(run == 0, run[:, -1:], run)  # it began at the end of the row
    run += np.cumsum(run.max(axis=1, initial=0))[:, np.newaxis] - run.max(axis=1, keepdims=True)
    return np.bincount(run[there], weights=values[there])[1:]


def closed_path(gain, stiffness):
    """Column per row, with the largest sum of gains less the cost of steps; rows are cyclic.

    The cost of a step is proportional to its length. So a path that leaves its line and
    comes back pays for the depth of its detour, and gains by the area: it ignores what
    is narrow, and follows what is wide in full.

    Parts of the path are found for all columns in which they may begin and end, all parts
    at a time, and then joined.

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
    n_parts = np.gcd(n_rows, _PARTS)
    gain = gain.reshape(n_parts, -1, 1, n_columns)
    slope = stiffness * np.arange(n_columns)
    step = np.abs(slope[:, np.newaxis] - slope)
    reached = np.empty((n_rows // n_parts, n_parts, n_columns, n_columns))
    reached[0] = gain[:, 0] - step  # best sums, by the column in the row before the part
    for row in range(1, len(reached)):
        best = reached[row - 1]
        from_left = np.maximum.accumulate(best + slope, axis=2) - slope
        from_right = np.maximum.accumulate((best - slope)[..., ::-1], axis=2)[..., ::-1] + slope
        np.add(np.maximum(from_left, from_right), gain[:, row], out=reached[row])
    path = np.empty((n_rows // n_parts, n_parts), dtype=np.intp)
    path[-1] = _closed_chain(reached[-1])
    before, every = np.roll(path[-1], 1), np.arange(n_parts)
    for row in range(len(reached) - 2, -1, -1):
        path[row] = (reached[row, every, before] - step[path[row + 1]]).argmax(axis=1)
    return path.T.ravel()


def _closed_chain(links):
    """Where the links of a closed chain end, for the largest sum.

    Parameters
    ----------
    links : array of shape (n_links, n, n)
        What each is worth by where it begins and ends.

    Returns
    -------
    int array of shape (n_links,)
    """
    sums = [links[0]]
    for link in links[1:]:
        sums.append((sums[-1][:, :, np.newaxis] + link).max(axis=1))
    ends = np.full(len(links), np.diagonal(sums[-1]).argmax())
    for number in range(len(links) - 1, 0, -1):
        ends[number - 1] = (sums[number - 1][ends[-1]] + links[number][:, ends[number]]).argmax()
    return ends
