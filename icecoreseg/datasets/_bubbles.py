"""Bubbly ice: a Boolean model of sheared ellipsoids.

Bubbles are strewn at random; where they meet, they merge. Each is drawn out along a
horizontal direction that all share more or less, and flattened, as in ice under shear;
many therefore lie flat in the image plane and are cut tangentially, the hard case of
the paper's third specimen.

As in polar ice (Bendel et al. 2013, J. Glaciol. 59, 972-980) there are two populations:
normal bubbles, and many more microbubbles a third as wide. Here these hold a third
of the air and are two low-resolution voxels wide: they are what is easily missed.

Every voxel is one byte, a bit for each of its eight points of the fine grid: a bubble
sets bits, so that overlaps need no care.
"""

import numpy as np

from icecoreseg.datasets._microstructure import POINTS

_AIRY_POINTS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)
# Normal bubbles and microbubbles: relative diameter, and part of the air.
_DIAMETERS = np.array([1.0, 0.35])
_SHARES = np.array([0.65, 0.35])
_SIZE_SPREAD = 0.25  # standard deviation of ln(diameter), of either population
_WIDEST = 2.0  # relative to the median
_LARGEST_STRETCH = 2.2  # long axis over diameter


def bubbly_ice(mask, ice_fraction, diameter, random):
    """Ice with bubbles.

    Parameters
    ----------
    mask : bool array of shape (n_slices, n_rows, n_columns)
        The specimen: bubbles are added until it holds as little ice as asked for.
    ice_fraction : float
        Between 0 and 1; met to within half a bubble.
    diameter : float
        Median diameter (of the sphere of equal volume) of normal bubbles, in voxels.
    random : numpy.random.Generator

    Returns
    -------
    uint8 array of the shape of mask
        Icy points per voxel, 0 to 8.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.ones((32, 64, 64), dtype=bool)
    >>> ice = bubbly_ice(mask, 0.96, 9, np.random.default_rng(0))
    >>> round(float(ice.mean() / 8), 2)
    0.96
    """
    bits = np.zeros(mask.shape, dtype=np.uint8)
    wanted = (1 - ice_fraction) * mask.sum() * POINTS
    azimuth = random.uniform(0, np.pi)
    margin = diameter * _WIDEST * _LARGEST_STRETCH / 2
    airy = np.zeros(len(_SHARES))
    while airy.sum() < wanted:
        # Whoever lags behind its share comes next: shares do not depend on luck.
        population = np.argmin(airy / _SHARES)
        shape = _random_shape(_DIAMETERS[population] * diameter, azimuth, random)
        centre = random.uniform(-margin, np.array(mask.shape) + margin)
        box, bubble = _rasterise(centre, shape, mask.shape)
        added = bubble & ~bits[box]
        gain = _AIRY_POINTS[added][mask[box]].sum(dtype=int)
        if airy.sum() + gain / 2 > wanted:
            break
        bits[box] |= bubble
        airy[population] += gain
    return POINTS - _AIRY_POINTS[bits]


def _random_shape(diameter, azimuth, random):
    """Matrix of an ellipsoid: points p (z, y, x) with ``|p @ shape| < 1`` are inside."""
    size = min(random.lognormal(0, _SIZE_SPREAD), _WIDEST) * diameter / 2
    stretch, flatness = random.uniform(1, _LARGEST_STRETCH), random.uniform(0.6, 1)
    length, height = size * stretch, size * np.sqrt(flatness / stretch)
    semi_axes = length, size**3 / length / height, height
    heading, tilt = azimuth + random.normal(0, 0.3), random.normal(0, 0.2)
    along, across = _direction(heading, tilt), _direction(heading + np.pi / 2, 0)
    return np.column_stack([along, across, np.cross(along, across)]) / semi_axes


def _direction(azimuth, tilt):
    """Unit vector (z, y, x) at `tilt` above the horizontal plane."""
    return np.array([np.sin(tilt), np.cos(tilt) * np.sin(azimuth), np.cos(tilt) * np.cos(azimuth)])


def _rasterise(centre, shape, extent):
    """The voxels that an ellipsoid may touch, and their airy points as bits."""
    reach = np.sqrt(np.sum(np.linalg.inv(shape) ** 2, axis=0)) + 1
    first = np.clip(np.floor(centre - reach), 0, extent).astype(int)
    last = np.clip(np.ceil(centre + reach) + 1, 0, extent).astype(int)
    corners = zip(first, last, centre, strict=True)
    axes = [np.arange(a, b)[:, np.newaxis] + (-0.25, 0.25) - c for a, b, c in corners]
    z, y, x = (axis[..., np.newaxis] * row for axis, row in zip(axes, shape, strict=True))
    offset = (
        z[:, None, None, :, None, None]
        + y[None, :, None, None, :, None]
        + x[None, None, :, None, None, :]
    )
    inside = np.sum(offset**2, axis=-1) < 1
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return box, np.packbits(inside.reshape(*inside.shape[:3], POINTS), axis=-1)[..., 0]
