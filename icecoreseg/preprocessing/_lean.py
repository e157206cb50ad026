"""How far a specimen moves from slice to slice, as it does where it leans.

Slices of an upright specimen fill one hull together. Where it leans, their hulls lie side by
side, and the hull around all is wider than it is once they are moved over each other. So the
slope is sought for which the hull around all is narrowest on average (its mean width, which
is convex in the slope). All sides of the rim show it at once, far sharper than centres do.
"""

import numpy as np

_FIRST, _LAST = 2.0, 0.2  # steps of the search: pixels from the first to the last slice
_CLEAR = 0.4  # of what a slope widens the hull, if slices were alike
_COMPASS = np.array([(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)])


def supports(outlines):
    """How far the hull of each outline reaches, per angle, from the corner of the picture.

    Parameters
    ----------
    outlines : array of shape (n_slices, 2 + n_angles)
        Row, column and radii.

    Returns
    -------
    array of shape (n_slices, n_angles)
    """
    outward = _outward(outlines.shape[1] - 2)
    turned = outward.T @ outward
    reach = np.stack([(turned * radii).max(axis=1) for radii in outlines[:, 2:]])
    return reach + outlines[:, :2] @ outward


def moves(reach, places, alike=slice(None)):
    """Rows and columns by which slices are moved over the one at place 0.

    Parameters
    ----------
    reach : array of shape (n_slices, n_angles)
        From `supports`.
    places : int array of shape (n_slices,)
        Along z, counted from the slice to which the others are moved.
    alike : bool array of shape (n_slices,), optional
        Which of them show how they lean; by default all.

    Returns
    -------
    int array of shape (n_slices, 2)
        All 0 where no slope makes the hull around all much narrower.

    Examples
    --------
    >>> places = np.arange(-3, 4)
    >>> upright = np.full((7, 256), 40.0)
    >>> angles = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    >>> leaning = upright + 0.5 * places[:, np.newaxis] * np.cos(angles)
    >>> bool(moves(upright, places).any()), moves(leaning, places)[:, 1].tolist()
    (False, [2, 1, 0, 0, 0, -1, -2])
    """
    every, reach, places = places, reach[alike], places[alike]
    nothing = np.zeros((every.size, 2), dtype=np.intp)
    span = np.ptp(places)
    if span == 0:
        return nothing
    slope, step = np.zeros(2), _FIRST / span
    while step >= _LAST / span:
        around = slope + step * _COMPASS
        widths = _width(reach, places, around)
        best = widths.argmin()
        slope, step = around[best], step if best else step / 2
    gain = _width(reach, places, np.zeros((1, 2)))[0] - widths[best]
    if gain <= _CLEAR * np.hypot(*slope) * span / np.pi:
        return nothing
    return np.rint(-every[:, np.newaxis] * slope).astype(np.intp)


def _width(reach, places, slopes):
    """Mean reach of the hull around all slices, for each slope."""
    along = slopes @ _outward(reach.shape[1])
    return (reach - places[:, np.newaxis] * along[:, np.newaxis]).max(axis=1).mean(axis=1)


def _outward(n_angles):
    """Unit vectors (row, column), one a column."""
    angles = np.linspace(0, 2 * np.pi, n_angles, endpoint=False)
    return np.stack([np.sin(angles), np.cos(angles)])


def moved(view, rows, columns):
    """A picture moved by whole pixels; its edges go on."""
    if rows == 0 and columns == 0:
        return view
    rows = np.clip(np.arange(view.shape[0]) - rows, 0, view.shape[0] - 1)
    columns = np.clip(np.arange(view.shape[1]) - columns, 0, view.shape[1] - 1)
    return view[rows][:, columns]
