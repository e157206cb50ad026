"""The outline of the specimen: the closed line that parts tissue from emptiness best.

Snow is mostly air, so no threshold shows its outline. A ball that is larger than the pores
is rolled around the ice: it tells breaks from pores. Where nothing is broken the line is
the convex hull of the ice without loose fragments, widened by what a hull of so many grains
lacks; else it follows the ball. From there it moves a little, to where it holds as much ice
and as little air as can be, which is the two-level model of Chan and Vese (2001, doi
10.1109/83.902291): inside the mean ice fraction is f, outside 0, so that a pixel with
ice fraction t speaks for the inside with ``t - f / 2``. It is found exactly, by dynamic
programming.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._ball import roll_ball
from icecoreseg.preprocessing._casing import find_casing
from icecoreseg.preprocessing._fan import ANGLES, N_ANGLES, Fan
from icecoreseg.preprocessing._fragments import clear_fragments
from icecoreseg.preprocessing._hull import (
    casing_shine,
    find_grains,
    hull_radii,
    noise_left,
    round_out,
)
from icecoreseg.preprocessing._view import pack

_COARSE_STEPS = 80
_BAND = 6.0
_FINE_STEPS = (0.2, 0.5)
_LEAST_TISSUE = 0.002
_DOUBT = 0.4  # of the ball's radius, if there were next to no ice
_VAGUE = 0.15, 0.25
"""Radius of the ball in that of the specimen from which on a line is vague, and wholly so.

In pictures of a hundred pixels, where the rim holds few grains, even one slice of firn or ice may
cut in by a tenth of the radius.
"""

_SHALLOW, _DEEP = 0.15, 0.9  # of the ball's radius
_PIXELS = 2.0  # and more, for the grid
_BEYOND = 2.0  # pixels that a line at the picture's edge goes on, lest chords cut the edge off


class Outline(NamedTuple):
    """Centre and radii in pixels of the reduced slice; all NaN where there is no ice."""

    row: float
    column: float
    radii: np.ndarray


NO_OUTLINE = Outline(np.nan, np.nan, np.full(N_ANGLES, np.nan))
NO_WALL = (0.0, 0.0, np.inf)


def look(image):
    """What one reduced slice shows of its specimen.

    Parameters
    ----------
    image : float32 array of shape (n_rows, n_columns)
        On the scale of air 0 and ice 1; casing may be brighter.

    Returns
    -------
    view : uint8 array of shape (n_rows, n_columns)
        See `pack`.
    wall : tuple (row, column, radius)
        Inner wall of the casing; an infinite radius without one.
    line : Outline
        A first one, by this slice alone.
    doubt : float
        Pixels by which it may be wrong on the whole, for want of grains at the rim: the wider
        pores are, and the less ice there is between them, or the fewer of them fit in.
    """
    smooth = ndimage.uniform_filter(image, 3)
    casing = find_casing(image, smooth)
    wall = NO_WALL if casing is None else (casing.row, casing.column, casing.inner)
    shine = casing_shine(image.shape, casing)
    grains = find_grains(smooth, shine, noise_left(image, smooth))
    ice = np.where(shine < np.inf, image - shine, 0)  # as sharp as it is: the rim is sought in it
    if _too_few(grains, casing):
        return pack(ice, grains & False), wall, NO_OUTLINE, 0.0
    ice, grains = clear_fragments(ice, grains, solid=True)
    line, _, ball = _unbroken_hull(grains)
    area = np.pi * (line.radii**2).mean()
    coarse = np.interp(ball / line.radii.mean(), _VAGUE, (0, 1))
    return pack(ice, grains), wall, line, _DOUBT * ball * max(1 - grains.sum() / area, coarse)


def find_outline(ice, grains, wall, *, weed=True):
    """The outline of the specimen in what one or more slices show.

    Parameters
    ----------
    ice : float32 array of shape (n_rows, n_columns)
        Ice fraction, without casing.
    grains : bool array of shape (n_rows, n_columns)
        Pixels that hold ice for sure.
    wall : tuple (row, column, radius)
        Inner wall of the casing.
    weed : bool
        Whether fragments are left out: where few slices show few grains, those at the rim
        look the same.

    Returns
    -------
    Outline
    """
    if not grains.any():
        return NO_OUTLINE
    if weed:
        ice, grains = clear_fragments(ice, grains)
    (row, column, radii), broken, _ = _unbroken_hull(grains)
    centre = row, column
    offsets = np.linspace(0, radii.max() + 3, _COARSE_STEPS)
    fan = Fan(ice, wall, centre, np.zeros(N_ANGLES), offsets, rays=2)
    fraction = fan.fraction_within(radii)
    pore = fan.pore_length(fraction, radii)
    whole = ~broken & _in_picture(grains.shape, centre, radii)
    base = _within(wall, centre, round_out(radii, whole, fraction, pore))
    step = float(np.clip(base.mean() / 400, *_FINE_STEPS))
    fan = Fan(ice, wall, centre, base, np.arange(-_BAND, _BAND, step))
    radii = fan.best_radii(fraction, pore)
    beyond = np.where(_in_picture(grains.shape, centre, radii), 0, _BEYOND)
    return Outline(*centre, (radii + beyond).astype(np.float32))


def _unbroken_hull(grains):
    """Hull of the grains where nothing is broken, else what a ball reached."""
    kept, centre, reached, ball = roll_ball(grains)
    hull = hull_radii(kept, centre)
    depth = hull - reached
    broken = runs_with(depth > _SHALLOW * ball + _PIXELS / 4, depth > _DEEP * ball + _PIXELS)
    return Outline(*centre, np.where(broken, reached, hull)), broken, ball


def runs_with(there, mark):
    """Those runs that hold a mark, in cyclic arrays of shape (n,).

    Examples
    --------
    >>> there, mark = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1]], dtype=bool)
    >>> runs_with(there, mark).astype(int)
    array([1, 0, 0, 0, 0, 1])
    """
    start = int(there.argmin())
    labels, n_runs = ndimage.label(np.roll(there, -start))
    marked = np.zeros(n_runs + 1, dtype=bool)
    marked[labels[np.roll(mark & there, -start)]] = True
    return np.roll(marked[labels], start)


def _too_few(grains, casing):
    """Whether there is next to no ice, away from the blur of the wall."""
    if casing is not None:
        grains = grains & (casing.squares(grains.shape) < casing.blur_radii[0] ** 2)
    return np.count_nonzero(grains) < max(4, _LEAST_TISSUE * grains.size)


def _in_picture(shape, centre, radii):
    """Where radii end within the picture, not at its edge."""
    places = np.stack([centre[0] + radii * np.sin(ANGLES), centre[1] + radii * np.cos(ANGLES)])
    return ((places > 1) & (places < np.array(shape)[:, np.newaxis] - 2)).all(axis=0)


def _within(wall, centre, radii):
    """Radii cut off at the inner wall of the casing."""
    rows, columns = centre[0] + radii * np.sin(ANGLES), centre[1] + radii * np.cos(ANGLES)
    return radii - np.maximum(np.hypot(rows - wall[0], columns - wall[1]) - wall[2], 0)
