"""Snow and firn: ice where a Gaussian random field exceeds a level.

The level cut of a Gaussian field with a narrow band of wave lengths is the
bicontinuous medium used for snow since Ding et al. (2010), doi
10.1109/TGRS.2010.2043953; at high ice fractions it turns into winding pores.

Ice and air are told apart at eight points of every high-resolution voxel
(2 x 2 x 2, the fine grid), so that the ice fraction of a high-resolution voxel is
known in eighths and that of a low-resolution voxel in sixty-fourths. The fine grid
itself is never held in memory.
"""

from itertools import product

import numpy as np
from scipy import fft
from scipy.special import ndtri

POINTS = 8
"""Fine grid points per high-resolution voxel."""

_BAND_WIDTH = 0.35  # of the field's wave numbers, relative to their centre
_LARGEST_WAVE_NUMBER = 1.8  # radians per voxel: its band ends at the grid's limit, pi


def level_cut_ice(mask, ice_fraction, wave_number, random):
    """Bicontinuous ice of a given fraction and fineness.

    Parameters
    ----------
    mask : bool array of shape (n_slices, n_rows, n_columns)
        The specimen: the level is set so that it holds `ice_fraction` of ice. Ice is
        returned beyond it, too.
    ice_fraction : float
        Between 0 and 1.
    wave_number : float
        Root-mean-square wave number of the field, in radians per voxel; see
        `mean_wave_number`.
    random : numpy.random.Generator

    Returns
    -------
    uint8 array of the shape of mask
        Icy points per voxel, 0 to 8.

    Raises
    ------
    ValueError
        If the structure is finer than the grid can hold.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.ones((16, 64, 64), dtype=bool)
    >>> ice = level_cut_ice(mask, 0.37, 0.4, np.random.default_rng(0))
    >>> round(float(ice.mean() / 8), 2)
    0.37
    """
    if wave_number > _LARGEST_WAVE_NUMBER:
        raise ValueError(
            f"The grains are too fine for the voxels: {wave_number:.3g} radians per "
            f"high-resolution voxel, expected at most {_LARGEST_WAVE_NUMBER}. "
            "Use a smaller voxel_size_um."
        )
    field = _gaussian_field(mask.shape, wave_number, random)
    samples = [next(_points(field, z))[inside] for z, inside in enumerate(mask)]
    level = np.quantile(np.concatenate(samples), 1 - ice_fraction)
    count = np.zeros(mask.shape, dtype=np.uint8)
    for z, plane in enumerate(count):
        for points in _points(field, z):
            plane += points > level
    return count


def mean_wave_number(surface_density, ice_fraction):
    """Root-mean-square wave number of the field whose cut has a given surface.

    Rice's formula for a field of unit variance, in three dimensions:
    S_V = (2 / pi) sqrt(<k^2> / 3) exp(-level^2 / 2).

    Parameters
    ----------
    surface_density : float
        Ice-air area per volume, per voxel edge.
    ice_fraction : float

    Examples
    --------
    Half ice, and a Gaussian covariance of length 3 voxels, <k^2> = 3 / 3^2:

    >>> round(mean_wave_number(2 / np.pi / 3, 0.5) ** 2, 4)
    0.3333
    """
    level = float(ndtri(ice_fraction))
    return float(np.sqrt(3) * np.pi / 2 * surface_density * np.exp(level**2 / 2))


def _gaussian_field(shape, wave_number, random):
    """Random field of root-mean-square wave number `wave_number`, one voxel wider each side."""
    wide = [n + 2 for n in shape]
    # The field is periodic: one wave length more keeps opposite faces apart.
    margin = int(np.ceil(2 * np.pi / wave_number))
    full = [fft.next_fast_len(n + margin, real=True) for n in wide]
    spectrum = fft.rfftn(random.standard_normal(full, dtype=np.float32), overwrite_x=True)
    steps = np.ix_(fft.fftfreq(full[0]), fft.fftfreq(full[1]), fft.rfftfreq(full[2]))
    k = 2 * np.pi * np.sqrt(sum(step.astype(np.float32) ** 2 for step in steps))
    spectrum *= np.sqrt(_band(k / _band_centre(wave_number)))
    field = fft.irfftn(spectrum, s=full, overwrite_x=True)
    return field[tuple(slice(n) for n in wide)]


def _band(relative_wave_number):
    """Power per volume of wave-number space."""
    return np.exp(-(((relative_wave_number - 1) / _BAND_WIDTH) ** 2) / 2)


def _band_centre(wave_number):
    """Centre of the band whose root-mean-square wave number is `wave_number`."""
    k = np.linspace(0, 4, 1001)
    return wave_number / np.sqrt(np.sum(k**4 * _band(k)) / np.sum(k**2 * _band(k)))


def _points(field, z):
    """Yield the field at each of the eight points of slice z, a quarter voxel off its centre."""
    for z_side, y_side in product((0, 2), repeat=2):
        plane = 0.75 * field[z + 1] + 0.25 * field[z + z_side]
        rows = 0.75 * plane[1:-1] + 0.25 * plane[y_side : len(plane) - 2 + y_side]
        centre = 0.75 * rows[:, 1:-1]
        yield centre + 0.25 * rows[:, :-2]
        yield centre + 0.25 * rows[:, 2:]
