"""Which slices show the same outline, and where it changes along the core.

A first outline is found slice by slice. Slices whose outlines are alike are then searched
together. A slice that stands alone among its nearest neighbours takes their outline.
"""

import warnings
from typing import NamedTuple

import numpy as np

from icecoreseg.preprocessing._fan import N_ANGLES
from icecoreseg.preprocessing._lean import moved, moves, supports
from icecoreseg.preprocessing._outline import find_outline
from icecoreseg.preprocessing._reduce import reduction_factor
from icecoreseg.preprocessing._view import pool

NEAREST = 2
"""Neighbours on either side that can outvote a slice."""

_TOLERANCE = 0.04  # of the radius, by which outlines of one specimen differ on average
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
    windows = _windows(outlines, halo)
    nearest = np.abs(np.arange(-halo, halo + 1)) <= NEAREST
    there = np.isfinite(windows[:, :, 0])
    apart = np.abs(_about(windows, outlines[:, np.newaxis, :2]) - outlines[:, np.newaxis, 2:])
    limit = np.maximum(
        _TOLERANCE * outlines[:, 2:].mean(axis=1), np.maximum(_LEAST_TOLERANCE, doubt)
    )
    alike = there & (apart.mean(axis=2) <= limit[:, np.newaxis])  # False against NaN
    found = there[:, halo]
    against = (there & ~alike)[:, nearest].sum(axis=1)
    borrowed = found & (against > alike[:, nearest].sum(axis=1))
    chosen = np.where(borrowed[:, np.newaxis], there & ~alike & nearest, alike)
    steps = found & there[:, halo - 1] & ~alike[:, halo - 1]
    changed = steps & ~borrowed & ~np.roll(borrowed, 1)
    return chosen, borrowed, changed


def _about(outlines, centres):
    """Radii of outlines about other centres, to first order in the centres' shifts."""
    angles = np.linspace(0, 2 * np.pi, outlines.shape[-1] - 2, endpoint=False)
    shift = outlines[..., :2] - centres
    return outlines[..., 2:] + shift[..., :1] * np.sin(angles) + shift[..., 1:] * np.cos(angles)


def _windows(outlines, halo):
    """Each slice with its neighbours: (n_slices, 2 halo + 1, ...), NaN beyond the stack."""
    padded = np.pad(outlines, ((halo, halo), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * halo + 1, axis=0)
    return np.moveaxis(windows, 2, 1)


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
    alike = alike_slices(seen["line"], seen["doubt"], halo)
    chosen, borrowed, changed = (part[inner] for part in alike)
    places = np.arange(len(seen))[inner]
    lines = seen["line"][inner]
    if known:
        reach = supports(seen["line"])
        groups = (
            (place, place - halo + np.flatnonzero(row))
            for row, place in zip(chosen, places, strict=True)
        )
        lines = np.stack([_pooled(seen, reach, *group, enough) for group in groups])
    if not quiet:
        _warn_of_changes(numbers[borrowed], numbers[changed])
    centres = (lines[:, :2] + 0.5) * factor - 0.5
    found = np.concatenate([centres, lines[:, 2:] * factor, borrowed[:, np.newaxis]], axis=1)
    return found[:, np.newaxis].astype(np.float32)


def _pooled(seen, reach, place, group, enough):
    """Outline of what a slice and its chosen neighbours show, moved over it where they lean."""
    if group.size == 0:
        return np.full(2 + N_ANGLES, np.nan)
    together = seen[group]
    steps = moves(reach[group], group - place)
    views = [moved(view, *step) for view, step in zip(together["view"], steps, strict=True)]
    wall = np.median(together["wall"], axis=0)
    outline = find_outline(*pool(views), wall, weed=len(views) >= enough)
    return np.concatenate([outline[:2], outline.radii])


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
