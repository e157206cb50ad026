"""Fragments in the gap: pieces apart from the body, which leave much empty between it and them.

Every piece is judged against the body, never against other pieces: two crumbs in the gap hold
each other up. The body is the ice that hangs together: solid ice through more than necks, snow
once its grains are grown over its pores. So grains are first shrunk, then grown step by step,
until nearly all ice well inside the hull hangs together. A piece apart belongs to the specimen if
the hull around body and piece has no more empty area than a few pores have, or is filled about as
the body's. So do grains at the rim, in a corner, and the shards of a core that cracked; a fragment
holds up a hull with next to no ice in it.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from icecoreseg.preprocessing._cut import mask_within
from icecoreseg.preprocessing._hull import hull_radii, row_ends

_STEPS = range(-1, 5)  # pixels by which grains are grown until they hang together
_PART = 0.05  # of the ice, and a piece is part of the body: half of a core that cracked
_INNER = 0.7  # of the hull's radii: fragments lie further out
_TOGETHER = 0.99  # of the ice in there
_NECK = 2  # pixels by which a shrunk body may grow back
_EMPTY = 16.0  # squares of a large pore's radius that a piece may leave empty,
_FULL = 0.5  # unless it fills so much of what it adds as the body fills of its own hull
_LARGE = 0.95  # of the pores' area is nearer to ice
_LEAST_PORE, _LARGEST_PORE = 2, 24  # pixels
_BLUR = 2  # pixels around a fragment
_SQUARE = np.ones((3, 3))
_CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])  # upper left, upper right, lower ones


def without_fragments(grains, *, solid=False):
    """Grains without loose fragments.

    Parameters
    ----------
    grains : bool array of shape (n_rows, n_columns)
    solid : bool
        Whether only what hangs together as it is counts as a body: in a lone slice of snow
        a grain at the rim looks like a fragment.

    Returns
    -------
    bool array of shape (n_rows, n_columns)

    Examples
    --------
    >>> disc = np.hypot(*np.mgrid[-30:31, -30:31]) < 18.5
    >>> scan = disc.copy()
    >>> scan[[30, 34], [55, 55]] = True
    >>> bool((without_fragments(scan) == disc).all())
    True
    """
    inner = _inner(grains)
    for step in _STEPS[:1] if solid else _STEPS:
        body = _body(grains, step)
        n_within = np.count_nonzero(body & inner)
        if n_within and n_within >= _TOGETHER * np.count_nonzero(grains & inner):
            pieces, n_pieces = ndimage.label(grains & ~body, _SQUARE)
            if n_pieces == 0:
                break
            return grains & ~_loose(body, pieces, _EMPTY * _pore(body, inner) ** 2)[pieces]
    return grains


def clear_fragments(ice, grains, *, solid=False):
    """Ice and grains without fragments, nor the blur of these."""
    whole = without_fragments(grains, solid=solid)
    fragments = grains & ~whole
    if fragments.any():
        ice = np.where(_grown(fragments, _BLUR), np.minimum(ice, 0), ice)
    return ice, whole


def _body(grains, step):
    """Ice that hangs together in large parts, if grains are grown by a step."""
    grown = _grown(grains, step)
    labels, _ = ndimage.label(grown)
    sizes = np.bincount(labels.ravel())
    large = sizes > _PART * sizes[1:].sum()
    large[0] = False
    return _grown_back(large[labels] & grains, grains, grown)


def _inner(grains):
    """Pixels well inside the hull of all grains."""
    weights = [grains.sum(axis=1), grains.sum(axis=0)]
    centre = [np.average(np.arange(part.size), weights=part) for part in weights]
    radii = _INNER * hull_radii(grains, centre)
    return mask_within(np.concatenate([centre, radii]), grains.shape)


def _grown(mask, steps):
    """A mask grown by steps of one pixel to all eight sides; shrunk if negative."""
    if steps < 0:
        return ~_grown(~mask, -steps)
    for _ in range(steps):
        rows = mask.copy()
        rows[1:] |= mask[:-1]
        rows[:-1] |= mask[1:]
        mask = rows.copy()
        mask[:, 1:] |= rows[:, :-1]
        mask[:, :-1] |= rows[:, 1:]
    return mask


def _grown_back(body, grains, grown):
    """A body with what it lost as grains were shrunk: its skin, and what is thin and touches it."""
    if not (grains & ~grown).any():
        return body
    for _ in range(_NECK):
        body = _grown(body, 1) & grains
    labels, n_pieces = ndimage.label(grains & ~body, _SQUARE)
    thin, near = np.ones((2, n_pieces + 1), dtype=bool)
    thin[labels[grown]] = False
    near[1:] = False
    near[labels[_grown(body, 1)]] = True
    return body | ((thin & near)[labels] & grains & ~body)


def _pore(body, inner):
    """Radius of large pores, in pixels: grown by so much, a body closes nearly all their area."""
    pores = inner & ~body
    left = (1 - _LARGE) * np.count_nonzero(pores)
    radius = 0
    while radius < _LARGEST_PORE and np.count_nonzero(pores) > left:
        body, radius = _grown(body, 1), radius + 1
        pores &= ~body
    return max(radius, _LEAST_PORE)


def _loose(body, pieces, limit):
    """Whether each piece would leave more area empty than the limit, as an array by its number.

    Pieces that belong are part of the body for the others.
    """
    sizes = np.bincount(pieces.ravel())
    loose = sizes > 0
    loose[0] = False
    boxes = enumerate(ndimage.find_objects(pieces), 1)
    corners = [_corners(pieces[box] == n, box) for n, box in boxes]
    hull = _corners(body, (slice(0, None),) * 2)
    full = _FULL * np.count_nonzero(body) / ConvexHull(hull).volume
    while True:
        hull = ConvexHull(hull)
        added = np.array([0] + [_added(hull, part) for part in corners])
        back = loose & ((added - sizes <= limit) | (sizes >= full * added))
        if not back.any():
            return loose
        loose &= ~back
        own = [corners[n - 1] for n in np.flatnonzero(back)]
        hull = np.concatenate([hull.points[hull.vertices], *own])


def _corners(mask, box):
    """Corners of the first and the last pixel in each row of a mask, which lies in a box."""
    rows, first, last = row_ends(mask)
    pixels = np.column_stack([np.tile(rows, 2), np.concatenate([first, last])])
    pixels += [box[0].start, box[1].start]
    return (pixels + _CORNERS[:, np.newaxis]).reshape(-1, 2)


def _added(hull, corners):
    """Area by which corners widen a hull."""
    if (corners @ hull.equations[:, :2].T + hull.equations[:, 2]).max() <= 0:
        return 0.0
    return ConvexHull(np.concatenate([hull.points[hull.vertices], corners])).volume - hull.volume
