"""Bubbly ice: a Boolean model of sheared ellipsoids.

Bubbles of log-normal size are strewn at random; where they meet, they merge. Each is
drawn out along a horizontal direction that all share more or less, and flattened,
as in ice under shear; many therefore lie flat in the image plane and are cut
tangentially, the hard case of the paper's third specimen.

Every voxel is one byte, a bit for each of its eight points of the fine grid: a bubble
sets bits, so that overlaps need no care.
"""

import numpy as np

from icecoreseg.datasets._microstructure import POINTS

_AIRY_POINTS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)
_SIZE_SPREAD = 0.45  # standard deviation of ln(diameter)
_DIAMETER_RANGE = (0.45, 2.5)  # relative to the median
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
        Median diameter of a bubble of equal volume, in voxels.
    random : numpy.random.Generator

    Returns
    -------
    uint8 array of the shape of mask
        Icy points per voxel, 0 to 8.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.ones((16, 64, 64), dtype=bool)
    >>> ice = bubbly_ice(mask, 0.96, 8, np.random.default_rng(0))
    >>> round(float(ice.mean() / 8), 2)
    0.96
    """
    bits = np.zeros(mask.shape, dtype=np.uint8)
    wanted = (1 - ice_fraction) * mask.sum() * POINTS
    azimuth = random.uniform(0, np.pi)
    margin = diameter * _DIAMETER_RANGE[1] * _LARGEST_STRETCH / 2
    airy = 0
    while airy < wanted:
        centre = random.uniform(-margin, np.array(mask.shape) + margin)
        box, bubble = _rasterise(centre, _random_shape(diameter, azimuth, random), mask.shape)
        if bubble.size == 0:
            continue
        added = bubble & ~bits[box]
        gain = int(_AIRY_POINTS[added][mask[box]].sum())
        if airy + gain / 2 > wanted:
            break
        bits[box] |= bubble
        airy += gain
    return POINTS - _AIRY_POINTS[bits]


def _random_shape(diameter, azimuth, random):
    """Matrix of an ellipsoid: points p (z, y, x) with ``|p @ shape| < 1`` are inside."""
    low, high = _DIAMETER_RANGE
    size = np.clip(random.lognormal(0, _SIZE_SPREAD), low, high) * diameter / 2
    stretch, flatness = random.uniform(1, _LARGEST_STRETCH), random.uniform(0.6, 1)
    semi_axes = size * np.array([stretch, 1 / np.sqrt(stretch * flatness), 0])
    semi_axes[2] = size**3 / semi_axes[0] / semi_axes[1]
    long_axis = _direction(azimuth + random.normal(0, 0.3), random.normal(0, 0.2))
    side, _ = np.linalg.qr(np.column_stack([long_axis, _direction(azimuth + np.pi / 2, 0)]))
    frame = np.column_stack([side, np.cross(side[:, 0], side[:, 1])])
    return frame / semi_axes


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
