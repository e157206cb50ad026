"""How an outline changes steadily from slice to slice, as where a core tapers or broke aslant.

The radius of such a core grows or shrinks evenly along z, on all sides or on one. That is seen
at each angle, far sharper than one line is known: a dozen slices of snow show a change of a
twentieth of a pixel per slice. Once it is known, neighbours are stretched to what they would be
at the slice's own place, and show its rim together as those of an upright core do.
"""

from functools import lru_cache

import numpy as np
from scipy import ndimage

_SMOOTH = 2.5  # angles
_N_ROUNDS = 5
_NORMAL_MAD = 1.48
_LEAST_SCATTER = 0.15  # pixels, of lines of solid ice
_CLEAR = 4.0  # standard errors; errors of neighbours are alike, which doubles them
_FEWEST = 5  # slices
_BETTER = 0.7  # of what slices differ without the change is left by it, or there is none
_CAP = 3.0  # times what alike slices may differ: unlike ones all weigh the same
_STRETCH = 0.5  # pixels: less is not worth it


def radii_about(lines, centre):
    """Radii of lines about another centre, smoothed a little.

    Parameters
    ----------
    lines : array of shape (n_lines, 2 + n_angles)
        Row, column and radii.
    centre : array (row, column)

    Returns
    -------
    array of shape (n_lines, n_angles)

    Examples
    --------
    >>> angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    >>> circle = np.append([50.0, 56.0], np.full(256, 30.0))
    >>> radii_about(circle[np.newaxis], np.array([50.0, 50.0]))[0, [0, 64, 128]].round(1)
    array([36. , 29.4, 24. ])
    """
    angles = np.linspace(0, 2 * np.pi, lines.shape[1] - 2, endpoint=False)
    down = lines[:, :1] - centre[0] + lines[:, 2:] * np.sin(angles)
    right = lines[:, 1:2] - centre[1] + lines[:, 2:] * np.cos(angles)
    polar = zip(np.arctan2(down, right), np.hypot(down, right), strict=True)
    turned = [np.interp(angles, angle, radius, period=2 * np.pi) for angle, radius in polar]
    return ndimage.gaussian_filter1d(np.stack(turned), _SMOOTH, axis=1, mode="wrap")


def steady_change(radii, places, limit):
    """By how much the radii change per slice.

    Parameters
    ----------
    radii : array of shape (n_slices, n_angles)
        From `radii_about`.
    places : int array of shape (n_slices,)
        Along z.
    limit : float
        Pixels by which slices may differ on average, to be alike.

    Returns
    -------
    array of shape (n_angles,)
        All 0 where slices do not get much more alike by it.

    Examples
    --------
    >>> places, waves = np.arange(-3, 4), np.cos(np.linspace(0, 7, 256))
    >>> tapered = 40 - 0.5 * places[:, np.newaxis] + 0.1 * np.outer(places % 2, waves)
    >>> steady_change(tapered, places, 1.0)[[0, 128]].round(1)
    array([-0.5, -0.5])
    """
    nothing = np.zeros(radii.shape[1])
    if places.size < _FEWEST:
        return nothing
    slope = ndimage.gaussian_filter1d(_slopes(radii, places), _SMOOTH, mode="wrap")
    upright = radii - np.outer(places, slope)
    return slope if _unlike(upright, limit) < _BETTER * _unlike(radii, limit) else nothing


def _unlike(level, limit):
    """What slices differ from that which is most like the others."""
    apart = np.abs(level[:, np.newaxis] - level).mean(axis=2)
    return np.minimum(apart, _CAP * limit).sum(axis=1).min()


def scatter(radii):
    """Pixels by which lines of neighbours differ by chance, whatever their steps and slopes.

    Parameters
    ----------
    radii : array of shape (n_slices, n_angles)

    Returns
    -------
    float
        A standard deviation, by what the radii bend along z at most angles of most slices; 0
        for less than three slices.
    """
    if len(radii) < 3:
        return 0.0
    return _NORMAL_MAD / 6**0.5 * float(np.median(np.abs(np.diff(radii, 2, axis=0))))


def differences(radii, places, own, change=0.0):
    """Mean over the angles of what radii differ from a slice's own, but for a steady change."""
    return np.abs(radii - places[:, np.newaxis] * change - radii[own]).mean(axis=1)


def _slopes(radii, places):
    """Slope of a straight line through the radii at each angle, as far as it is clear.

    Least squares, in which what is far from the line counts less and less.
    """
    weights = np.ones_like(radii)
    for _ in range(_N_ROUNDS):
        total = weights.sum(axis=0)
        along = places[:, np.newaxis] - (places @ weights) / total
        apart = radii - (weights * radii).sum(axis=0) / total
        slope = (weights * along * apart).sum(axis=0) / (weights * along**2).sum(axis=0)
        left = apart - slope * along
        usual = np.maximum(_NORMAL_MAD * np.median(np.abs(left), axis=0), _LEAST_SCATTER)
        weights = 1 / (1 + (left / (2 * usual)) ** 2)
    free = np.maximum(total - 2, 1)  # two are spent on each line
    error = np.sqrt((weights * left**2).sum(axis=0) / free / (along**2).sum(axis=0))
    return slope * np.maximum(0, 1 - (_CLEAR * error / np.maximum(np.abs(slope), 1e-9)) ** 2)


def stretched(view, centre, radii, there):
    """A picture stretched along the radii so that a line in it comes to lie at another.

    Parameters
    ----------
    view : array of shape (n_rows, n_columns)
    centre : tuple (row, column) of int
        Within the picture.
    radii, there : arrays of shape (n_angles,)
        Radii of the line about the centre, as wanted and as in the picture.

    Returns
    -------
    array of shape (n_rows, n_columns)
        With pixels of the picture; its edges go on.

    Examples
    --------
    >>> disc = np.hypot(*np.mgrid[-20:21, -20:21]) < 10
    >>> wide = stretched(disc, (20, 20), np.full(256, 15.0), np.full(256, 10.0))
    >>> [int(np.sqrt(picture.sum() / np.pi).round()) for picture in (disc, wide)]
    [10, 15]
    """
    if np.abs(radii - there).max() < _STRETCH:
        return view
    (n_rows, n_columns), (row, column) = view.shape, centre
    angle = _angles(view.shape, radii.size)
    angle = angle[n_rows - row : 2 * n_rows - row, n_columns - column : 2 * n_columns - column]
    factor = (np.maximum(there, 0) / np.maximum(radii, 1)).astype(np.float32).take(angle)
    rows = np.arange(-row, n_rows - row, dtype=np.float32)[:, np.newaxis] * factor
    factor *= np.arange(-column, n_columns - column, dtype=np.float32)
    rows = np.clip(np.rint(rows).astype(np.int32) + row, 0, n_rows - 1)
    columns = np.clip(np.rint(factor).astype(np.int32) + column, 0, n_columns - 1)
    return view.ravel().take(rows * n_columns + columns)


@lru_cache(maxsize=2)
def _angles(shape, n_angles):
    """The angle, as its number, of each pixel around that in the middle, at [n_rows, n_columns]."""
    rows, columns = (np.arange(-edge, edge, dtype=np.float32) for edge in shape)
    turn = np.arctan2(rows[:, np.newaxis], columns) * np.float32(n_angles / (2 * np.pi))
    return (np.rint(turn).astype(np.int16) % n_angles).astype(np.uint16)
