"""Which slices show the same outline, and where it changes along the core.

A first outline is found slice by slice. Slices whose outlines are alike, but for a steady
change along z, are then searched together: as alike as lines are known by one slice, which is
sharp in firn and ice and vague in snow. A slice between neighbours that agree with each other,
but not with it, is searched with them, or takes their outline if it departs far.
"""

import warnings
from typing import NamedTuple

import numpy as np

from icecoreseg.preprocessing._fan import N_ANGLES
from icecoreseg.preprocessing._lean import moved, moves, supports
from icecoreseg.preprocessing._outline import find_outline
from icecoreseg.preprocessing._reduce import reduction_factor
from icecoreseg.preprocessing._trend import (
    differences,
    radii_about,
    scatter,
    steady_change,
    stretched,
)
from icecoreseg.preprocessing._view import pool

NEAREST = 2
"""Neighbours on either side that can outvote a slice."""

_LEAST_DOUBT = 0.3  # pixels by which outlines of one specimen differ on average,
_BY_CHANCE = 1.5  # or so many times what they scatter by noise
_DEPARTS = 1.5  # times what a line is in doubt is no chance any more,
_TOLERANCE = 0.04  # nor is this part of the radius
_LEAST_TOLERANCE = 3.0  # pixels


class Company(NamedTuple):
    """How many slices are searched together.

    Parameters
    ----------
    halo : int
        Neighbours on either side with which a slice is combined.
    enough : int
        Slices that tell fragments from grains together.
    """

    halo: int
    enough: int


MANY, FEW = Company(6, 6), Company(NEAREST, 3)

LARGE = 2**23
"""Pixels of a slice from which on few are searched together: it shows many grains along its rim,
and takes much memory while it waits for its neighbours."""


def company(shape):
    """How many slices of a shape are searched together.

    Examples
    --------
    >>> company((512, 512)).halo, company((4096, 4096)).halo
    (6, 2)
    """
    return MANY if shape[0] * shape[1] < LARGE else FEW


class Vicinity(NamedTuple):
    """What a slice and its neighbours have in common.

    Parameters
    ----------
    places : int array of shape (n_there,)
        Of all slices with ice, itself and neighbours, counted from it along z.
    moves : int array of shape (n_there, 2)
        Rows and columns by which they are moved over it.
    centre : int array (row, column)
        About which radii are meant.
    radii : array of shape (n_there, n_angles)
        Of their lines, once they are moved.
    change : array of shape (n_angles,)
        By how much radii change steadily from slice to slice.
    together : bool array of shape (n_there,)
        Which of them are searched together.
    outvoted : bool
        Whether its neighbours agree that it looks otherwise; they are searched with it then,
    borrowed : bool
        or, if it departs far from them, in place of it.
    stepped : bool
        Whether the outline differs abruptly from that of the slice above.
    """

    places: np.ndarray
    moves: np.ndarray
    centre: np.ndarray
    radii: np.ndarray
    change: np.ndarray
    together: np.ndarray
    outvoted: bool
    borrowed: bool
    stepped: bool


def alike_slices(outlines, doubt=0.0, halo=MANY.halo):
    """With which of its neighbours each slice is searched.

    Parameters
    ----------
    outlines : array of shape (n_slices, 2 + n_angles)
        Row, column and radii in reduced pixels; NaN where a slice holds no ice.
    doubt : float or array of shape (n_slices,)
        Pixels by which the outline of an unchanged specimen may differ between slices.
    halo : int
        Neighbours on either side to choose from, at least `NEAREST`.

    Returns
    -------
    chosen : bool array of shape (n_slices, 2 halo + 1)
        Itself (in the middle) and its neighbours; none where the slice holds no ice.
    borrowed : bool array of shape (n_slices,)
        Whether a slice was outvoted: its outline is that of its neighbours.
    changed : bool array of shape (n_slices,)
        Whether the outline differs abruptly from that of the slice above, and stays so.

    Examples
    --------
    >>> outlines = np.full((6, 5), 40.0)
    >>> outlines[3] = 50
    >>> chosen, borrowed, changed = alike_slices(outlines)
    >>> borrowed.nonzero()[0].tolist(), changed.any().tolist()
    ([3], False)
    >>> (chosen[2].nonzero()[0] - 6 + 2).tolist(), (chosen[3].nonzero()[0] - 6 + 3).tolist()
    ([0, 1, 2, 4, 5], [1, 2, 4, 5])
    """
    found = _vicinities(outlines, np.broadcast_to(doubt, len(outlines)), halo, slice(None))
    chosen = np.zeros((len(outlines), 2 * halo + 1), dtype=bool)
    for row, vicinity in zip(chosen, found, strict=True):
        if vicinity is not None:
            row[vicinity.places[vicinity.together] + halo] = True
    return chosen, *_notable(found)


def _vicinities(outlines, doubt, halo, inner):
    """What each of the inner slices has in common with its neighbours; None without ice."""
    there = np.isfinite(outlines[:, 0])
    reach = supports(outlines)
    found = []
    for number in range(len(outlines))[inner]:
        first = max(0, number - halo)
        near = first + np.flatnonzero(there[first : number + halo + 1])
        seen = outlines[near], reach[near], near - number, doubt[number]
        found.append(_vicinity(*seen) if there[number] else None)
    return found


def _vicinity(lines, reach, places, doubt):
    """What the slice at place 0 has in common with others."""
    own = int(np.flatnonzero(places == 0)[0])
    centre, mean = np.rint(lines[own, :2]).astype(np.intp), lines[own, 2:].mean()
    far = max(_TOLERANCE * mean, _LEAST_TOLERANCE, _DEPARTS * doubt)
    raw = differences(radii_about(lines, centre), places, own)
    steps = moves(reach, places, raw <= far)
    radii = radii_about(lines + np.pad(steps, ((0, 0), (0, lines.shape[1] - 2))), centre)
    near = max(_LEAST_DOUBT, doubt, _BY_CHANCE * scatter(radii))
    change = steady_change(radii, places, near)
    level = radii - np.outer(places, change)
    apart = differences(radii, places, own, change)
    others = [_majority(level, places, apart > limit, limit) for limit in (far, near)]
    outvoted, borrowed = bool(np.any(others)), bool(others[0].any())
    together = others[0] if borrowed else (apart <= near) | others[1]
    above = np.flatnonzero(places == -1)
    stepped = bool((np.minimum(apart, raw)[above] > far).any())
    return Vicinity(places, steps, centre, radii, change, together, outvoted, borrowed, stepped)


def _majority(level, places, against, limit):
    """Those of the nearest slices that outvote the one at place 0; none of them if they do not.

    They must lie on either side and agree with each other: where a specimen ends or is broken
    aslant, a slice may differ from all of its neighbours and be right.
    """
    nearest = (np.abs(places) <= NEAREST) & (places != 0)
    against = against & nearest
    sides = [level[against & side] for side in (places < 0, places > 0)]
    if against.sum() <= (nearest & ~against).sum() or not all(map(len, sides)):
        return against & False
    above, below = (side.mean(axis=0) for side in sides)
    return against & (np.abs(above - below).mean() <= limit)


def _notable(found):
    """Which slices are borrowed, and at which the outline changes for long."""
    outvoted, borrowed, stepped = (
        np.array(
            [vicinity is not None and getattr(vicinity, name) for vicinity in found], dtype=bool
        )
        for name in ("outvoted", "borrowed", "stepped")
    )
    return borrowed, stepped & ~outvoted & ~np.roll(outvoted, 1)


def record_type(shape):
    """Data type of what is kept of a slice of a shape: little, so that all slices can be kept.

    A ``view`` (see `pack`), the inner ``wall`` of the casing, the first ``line`` by this slice
    alone, and its ``doubt``, all in reduced pixels.
    """
    reduced = tuple(edge // reduction_factor(shape) for edge in shape)
    line = (np.float32, 2 + N_ANGLES)
    view, wall = (np.uint8, reduced), (np.float32, 3)
    return np.dtype([("view", *view), ("wall", *wall), ("line", *line), ("doubt", np.float32)])


def outline_slab(seen, numbers, inner, *, shape, known, quiet):
    """Outlines of the inner slices of a slab, with warnings that name slices.

    Parameters
    ----------
    seen : array of shape (n_slices, 1, 1)
        Of `record_type`.
    numbers : int array of shape (n_slices, 1, 1)
    inner : slice
    shape : (int, int)
        Of the slices, in pixels.
    known : bool
        Whether the levels of air and ice are; else the first lines are taken as they are.
    quiet : bool
        Without warnings.

    Returns
    -------
    float32 array of shape (n_inner, 1, 3 + N_ANGLES)
        Row and column of the centre, radii, and whether the outline is borrowed.
    """
    seen, numbers = seen[:, 0, 0], numbers[inner, 0, 0]
    factor, (halo, enough) = reduction_factor(shape), company(shape)
    places = np.arange(len(seen))[inner]
    before = min(1, places[0])  # a change after a slice that borrows does not last
    found = _vicinities(
        seen["line"], seen["doubt"], halo, slice(places[0] - before, places[-1] + 1)
    )
    borrowed, changed = (part[before:] for part in _notable(found))
    lines = seen["line"][inner]
    if known:
        groups = zip(places, found[before:], strict=True)
        lines = np.stack([_pooled(seen, place, vicinity, enough) for place, vicinity in groups])
    if not quiet:
        _warn_of_changes(numbers[borrowed], numbers[changed])
    centres = (lines[:, :2] + 0.5) * factor - 0.5
    found = np.concatenate([centres, lines[:, 2:] * factor, borrowed[:, np.newaxis]], axis=1)
    return found[:, np.newaxis].astype(np.float32)


def _pooled(seen, number, vicinity, enough):
    """Outline of what a slice and those like it show."""
    if vicinity is None:
        return np.full(2 + N_ANGLES, np.nan)
    group = np.flatnonzero(vicinity.together)
    together = seen[number + vicinity.places[group]]
    views = [_brought(view, vicinity, n) for view, n in zip(together["view"], group, strict=True)]
    wall = np.median(together["wall"], axis=0)
    outline = find_outline(*pool(views), wall, weed=len(views) >= enough)
    return np.concatenate([outline[:2], outline.radii])


def _brought(view, vicinity, n):
    """What one of the slices around would show at the place of the one in the middle."""
    radii = vicinity.radii[vicinity.places == 0][0]
    there = radii + vicinity.places[n] * vicinity.change
    return stretched(moved(view, *vicinity.moves[n]), vicinity.centre, radii, there)


def _warn_of_changes(borrowed, changed):
    if borrowed.size:
        warnings.warn(
            f"The outline of slices {borrowed.tolist()} departs from its neighbours'; "
            "theirs is taken.",
            UserWarning,
            stacklevel=2,
        )
    if changed.size:
        warnings.warn(
            f"The outline changes abruptly at slices {changed.tolist()}.",
            UserWarning,
            stacklevel=2,
        )
