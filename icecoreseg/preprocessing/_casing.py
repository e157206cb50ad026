"""Find the casing: a thin bright circle around everything, of even brightness.

A casing differs from the rim of a specimen in being alike all round: go along a circle
within its wall, and even the darkest tenth of the pixels is bright, as far below the
median as noise puts the brightest tenth above it (pores in a rim only darken); a little
further in, in the gap, much is dark, or at least as dark as ice.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._polar import bilinear_matrix, places, polar

N_RAYS = 360
_ANGLES = np.linspace(0, 2 * np.pi, N_RAYS, endpoint=False)
_STEP = 0.5
_DARKEST = 0.1
_DARK = 0.3
_BRIGHTEST = 0.9
_UNEVEN = 0.2
_SKEW = 2.0
_THICKEST = 0.2
_LEAST_VIEW = 0.05
_FLAT = 0.02


class Casing(NamedTuple):
    """A circle in pixel coordinates, and what its wall adds to the pixels inside by blur.

    Attributes
    ----------
    row, column : float
        The centre.
    inner : float
        Radius of the inner wall, at half of its height.
    blur_radii, blur : arrays of shape (n,)
        Increasing radii up to the wall, and what its blur adds there.
    """

    row: float
    column: float
    inner: float
    blur_radii: np.ndarray
    blur: np.ndarray

    def distance(self, rows, columns):
        """From the centre."""
        return np.hypot(rows - self.row, columns - self.column)

    def squares(self, shape):
        """Squared distances of all pixels of a picture from the centre, as float32."""
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        return np.float32(rows - self.row) ** 2 + np.float32(columns - self.column) ** 2


def find_casing(image, smooth=None):
    """The casing in a reduced slice, or None.

    Parameters
    ----------
    image : float32 array of shape (n_rows, n_columns)
        On the scale of air 0 and ice 1.
    smooth : float32 array of shape (n_rows, n_columns), optional
        The same without much noise, if it is known already.
    """
    if smooth is None:
        smooth = ndimage.uniform_filter(image, 3)
    rays = _rays_from_the_middle(smooth)
    for level in (1.4, 0.5, 0.3):  # a wall brighter than ice; whatever is outermost; a dark wall
        circle = _outermost_circle(rays, level, image.shape)
        if circle is not None:
            casing = _wall(image, *circle, 0.8 * level)
            if casing is not None:
                return casing
    return None


def _rays_from_the_middle(image):
    """(values, radii): what lies along rays from the middle of a picture, -1 beyond it."""
    radii, there, sampling = _sampling(image.shape)
    values = np.full(there.shape, -1, dtype=np.float32)
    values[there] = sampling @ image.ravel()
    return values, radii


@lru_cache(maxsize=2)
def _sampling(shape):
    """Radii of those rays, where they are in the picture, and its values there: a matrix."""
    centre = (np.array(shape) - 1) / 2
    reach = np.hypot(*centre)
    radii = np.arange(0, reach + _STEP, max(_STEP, reach / 300))
    return radii, *bilinear_matrix(shape, *places(*centre, radii, _ANGLES))


def _outermost_circle(rays, level, shape):
    """Circle through the outermost pixels above a level, robustly; None where they show none."""
    values, radii = rays
    above = values > level
    last = above.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    found = above.any(axis=1)
    outward = radii[last, None] * np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], axis=1)
    points = (np.array(shape) - 1) / 2 + outward
    in_view = ((points > 1.5) & (points < np.array(shape) - 2.5)).all(axis=1)
    points = points[found & in_view]
    for _ in range(8):
        if len(points) < _LEAST_VIEW * N_RAYS:
            return None
        row, column, radius = _fit_circle(points)
        misfit = np.abs(np.hypot(points[:, 0] - row, points[:, 1] - column) - radius)
        near = misfit <= max(1.0, 2.5 * np.median(misfit))
        if near.all():
            break
        points = points[near]
    return (row, column, radius) if radius < 20 * max(shape) else None


def _fit_circle(points):
    """Least-squares circle (Kasa): its equation is linear in centre and offset."""
    middle = points.mean(axis=0)
    local = points - middle
    system = np.column_stack([2 * local, np.ones(len(local))])
    (row, column, offset), *_ = np.linalg.lstsq(system, (local**2).sum(axis=1), rcond=None)
    return row + middle[0], column + middle[1], float(np.sqrt(offset + row**2 + column**2))


def _wall(image, row, column, radius, least):
    """The casing whose outer wall is near a circle, or None if there is no wall there."""
    inward = np.arange(min(radius * 1.05, radius + 10), (1 - 2 * _THICKEST) * radius, -_STEP)
    values = polar(image, row, column, inward, _ANGLES)
    profiles, n_seen = _quantiles(values, (_DARKEST, _DARK, 0.5, _BRIGHTEST))
    seen = n_seen >= _LEAST_VIEW * N_RAYS
    if seen.sum() < 8:
        return None
    inward, (darkest, dark, middle, brightest) = inward[seen], profiles[:, seen]
    highest = np.maximum.accumulate(dark)
    fallen = (dark < 0.6 * highest) & (highest >= 0.5 * least)
    half = int(fallen.argmax())
    if half == 0:
        return None  # bright all the way in: the specimen itself
    outer = int(np.argmax(darkest[:half] >= 0.5 * darkest[:half].max()))
    crest = outer + int(darkest[outer:half].argmax())
    darker, brighter = middle[crest] - darkest[crest], brightest[crest] - middle[crest]
    even = darker <= max(_UNEVEN * middle[crest], _SKEW * brighter)
    if not even or darkest[crest] < least or inward[outer] - inward[half] > _THICKEST * radius:
        return None
    foot = _foot(darkest, half)
    blur = darkest[crest : foot + 1] - darkest[foot]
    wall = crest + int((blur < 0.5 * blur[0]).argmax())
    radii = inward[crest : foot + 1]
    return Casing(row, column, float(inward[wall] + _STEP / 2), radii[::-1], blur[::-1])


def _quantiles(values, shares):
    """Quantiles along the rays of what is in the picture, and how many rays are."""
    ranked = np.sort(values, axis=0)  # NaN comes last
    n_seen = np.isfinite(values).sum(axis=0)
    places = [(share * np.maximum(n_seen - 1, 0)).astype(np.intp) for share in shares]
    return np.stack([np.take_along_axis(ranked, p[np.newaxis], axis=0)[0] for p in places]), n_seen


def _foot(profile, start):
    """Where a falling profile levels out: the end of the wall's blur."""
    steps = np.diff(profile[start:])
    flat = steps > -_FLAT * profile[:start].max()
    return start + (int(flat.argmax()) if flat.any() else steps.size)
