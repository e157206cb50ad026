"""A first outline: the convex hull of the ice, rounded where it is nearly an ellipse.

A specimen was cut from a larger piece, so that its ice reaches its surface wherever
there is ice. The hull of the ice touches the true outline there and runs a little inside
of it between: the fewer grains there are, the more. In sparse snow the hull is widened,
to an ellipse where that fits, else by what is expected of so many grains.
"""

import numpy as np
from scipy import ndimage
from scipy.special import ndtri

from icecoreseg.preprocessing._fan import ANGLES, WAVES

_FINER = 2  # rays per angle
_ICE = 0.5
_WALL = 0.4  # of the casing's blur, on the scale of ice; nearer to it all is casing
_BY_CHANCE = 0.1
"""Pixels of a picture of air that noise may make as bright as the brightest of a grain."""

_MOST_SURE = 1.0
"""The brightest that a grain must be for that: many are not much brighter than ice is."""

_SPECK = 4
_LACKING = 0.15  # of what as many points would lack: grains are larger
_ROUND = 12.0  # times what a hull lacks may an ellipse lie outside of it,
_ROUND_ON_THE_WHOLE = 2.5  # and on average so many times: more is no lack of grains
_NO_ELLIPSE = 4.0  # times what it lacks a hull is widened elsewhere
_LEAST_ROUND = 0.6  # of all around, or it is no ellipse
_N_ROUNDS = 30
_FLANK = 0.05, 0.25
"""Quantiles that tell noise: partly filled pixels hardly move those on the outer side."""

_SOME = 4  # every so many pixels of it are enough

_N_RAYS = _FINER * ANGLES.size
_SIDE = int(np.arccos(0.15) / (2 * np.pi) * _N_RAYS)  # rays on either side of a straight line
_LINE = -np.log(np.cos(2 * np.pi / _N_RAYS * np.arange(-_SIDE, _SIDE + 1)))  # log of its radii


def find_grains(smooth, shine, noise):
    """Pixels that hold ice for sure, but for specks, within the casing.

    Parameters
    ----------
    smooth : float32 array of shape (n_rows, n_columns)
        On the scale of air 0 and ice 1, without much noise.
    shine : float32 array of shape (n_rows, n_columns)
        From `casing_shine`; where it is strong, what is left says nothing.
    noise : float
        Standard deviation of what noise is left.

    Returns
    -------
    bool array of shape (n_rows, n_columns)
    """
    bright = smooth - shine
    labels, n_pieces = ndimage.label((bright > _ICE) & (shine <= _WALL), np.ones((3, 3)))
    least = np.clip(-ndtri(_BY_CHANCE / smooth.size) * noise, _ICE, _MOST_SURE)
    sure = np.zeros(n_pieces + 1, dtype=bool)
    sure[labels[bright > least]] = True
    sure[0] = False
    return (sure & (np.bincount(labels.ravel()) > _SPECK)).take(labels)


def noise_left(image, smooth):
    """Standard deviation of the noise that is left in a slice, told by what is darkest of air.

    Or by what is brightest of ice, if that is less: air may be nothing but partly filled pixels.

    Parameters
    ----------
    image, smooth : float32 arrays of shape (n_rows, n_columns)
        A slice on the scale of air 0 and ice 1, and the same without much noise. What is as dark
        as a corner does not count: it may lie beyond the field of view.

    Returns
    -------
    float
        0 where only one of the two is there.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.2, (200, 200)).astype(np.float32)
    >>> noise[:100] += 1
    >>> round(noise_left(noise, noise), 1)
    0.2
    """
    counts = np.ones(smooth.shape, dtype=bool)
    for corner in image[[0, 0, -1, -1], [0, -1, 0, -1]]:
        counts &= image != corner
    bright = smooth >= _ICE
    return min(_flank(smooth[counts & ~bright]), _flank(-smooth[counts & bright]))


def _flank(values):
    """Standard deviation of values, told by the lower ones."""
    if not values.size:
        return 0.0
    return float(np.diff(np.quantile(values[::_SOME], _FLANK))[0] / np.diff(ndtri(_FLANK))[0])


def casing_shine(shape, casing):
    """What the casing adds to each pixel by its blur; infinite from its inner wall outwards.

    Parameters
    ----------
    shape : tuple (n_rows, n_columns)
    casing : Casing or None

    Returns
    -------
    float32 array of shape (n_rows, n_columns)
    """
    shine = np.zeros(shape, dtype=np.float32)
    if casing is None:
        return shine
    squares = casing.squares(shape)
    shine[squares > casing.inner**2] = np.inf
    blurred = np.flatnonzero((squares > casing.blur_radii[0] ** 2) & (shine == 0))
    distance = np.sqrt(squares.ravel()[blurred])
    shine.ravel()[blurred] = np.interp(distance, casing.blur_radii, casing.blur)
    return shine


def hull_radii(grains, centre):
    """Convex hull of all grains, as a radius per angle about a centre within it.

    In the logarithm of radii a straight line keeps its form as it moves, so that the hull
    is the closing of the outermost pixels by that form.

    Parameters
    ----------
    grains : bool array of shape (n_rows, n_columns)
    centre : tuple (row, column)

    Returns
    -------
    array of shape (n_angles,)

    Examples
    --------
    >>> corners = np.zeros((41, 41), dtype=bool)
    >>> corners[[10, 10, 30, 30], [10, 30, 10, 30]] = True
    >>> hull_radii(corners, (20, 20))[[0, 32, 64]].round(1)  # a square's side, corner, side
    array([10.4, 14.6, 10.4])
    """
    rows, columns = _extremes(grains)
    down, right = rows - centre[0], columns - centre[1]
    ray = np.rint(np.arctan2(down, right) * (_N_RAYS / (2 * np.pi))).astype(np.intp)
    outermost = np.full(_N_RAYS, 0.5)
    np.maximum.at(outermost, ray % _N_RAYS, np.hypot(down, right) + 0.5)
    tangents = (_beside(np.log(outermost)) - _LINE).max(axis=1)
    return np.exp((_beside(tangents)[::_FINER] + _LINE).min(axis=1))


def _beside(values):
    """Those of each ray and its neighbours, as far as a straight line is seen from a centre."""
    around = np.pad(values, _SIDE, mode="wrap")
    return np.lib.stride_tricks.sliding_window_view(around, _LINE.size)


def _extremes(grains):
    """Row and column of the first and last grain in each row and in each column."""
    rows, first, last = row_ends(grains)
    columns, top, bottom = row_ends(grains.T)
    places = (rows, rows, top, bottom), (first, last, columns, columns)
    return tuple(np.concatenate(part) for part in places)


def row_ends(grains):
    """Rows that hold grains, and the columns of the first and the last of these."""
    rows = np.flatnonzero(grains.any(axis=1))
    first = grains[rows].argmax(axis=1)
    return rows, first, grains.shape[1] - 1 - grains[rows, ::-1].argmax(axis=1)


def round_out(hull, whole, fraction, pore_length):
    """Widen a hull by what it is expected to lack.

    The hull of n points drawn at random from a disc of radius r lacks, at its rim,
    ``0.69 (area / n)^(2/3) r^(-1/3)`` (Renyi and Sulanke 1963, doi 10.1007/BF00535300);
    grains count as points, and the denser they are, the less is lacking. They are no points,
    though: a seventh of that is what hulls of drawn snow lack. An ellipse is believed if it
    lies no further outside of the hull than that explains; a hexagon's does.

    Parameters
    ----------
    hull : array of shape (n_angles,)
    whole : bool array of shape (n_angles,)
        Where it may be part of an ellipse: neither broken nor beyond the picture.
    fraction : float
        Of ice within it.
    pore_length : float
        Typical width of pores, in pixels.

    Returns
    -------
    array of shape (n_angles,)
    """
    per_grain = pore_length**2 * float(np.clip(1 - fraction, 0.02, 1))
    lack = _LACKING * 0.69 * per_grain ** (2 / 3) * hull.mean() ** (-1 / 3)
    widened = hull + _NO_ELLIPSE * lack
    if whole.mean() < _LEAST_ROUND:
        return widened
    ellipse = _enclosing_ellipse(hull, whole, 0.3 + 2 * lack**0.5)
    short = np.maximum(ellipse - hull, 0)
    is_round = (short < _ROUND * lack + 0.5) & whole
    if is_round.mean() < _LEAST_ROUND:
        return widened
    if short[is_round].mean() > _ROUND_ON_THE_WHOLE * lack + 0.3:
        return widened
    return np.where(is_round, np.maximum(ellipse, hull), widened)


def _enclosing_ellipse(hull, whole, tolerance):
    """Radii with two waves around, along the outermost parts of a hull where it is whole.

    Least squares, in which what lies further inside than the tolerance counts less and less.
    """
    weights = whole.astype(np.float64)
    for turn in range(_N_ROUNDS):
        weighted = WAVES * weights
        radii = np.linalg.solve(weighted @ WAVES.T, weighted @ hull) @ WAVES
        inside = radii - hull
        scale = max(tolerance, np.abs(inside[whole]).mean() if turn < 8 else 0)
        weights = whole * np.where(inside < 0, 1, 1 / (1 + (inside / scale) ** 2) ** 2)
    return radii
