"""The specimen: its kinds, its outline, and the casing around it."""

from dataclasses import dataclass

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, ice_density
from icecoreseg.datasets._bubbles import bubbly_ice
from icecoreseg.datasets._microstructure import level_cut_ice, mean_wave_number

CASING_ATTENUATION = 1.8
"""Carbon fibre relative to ice: grey value 190 where ice has 115 and air 21."""


@dataclass(frozen=True)
class Kind:
    """What sets snow, firn and ice apart.

    Attributes
    ----------
    ice_fraction : float
        From the paper's Table I.
    noise, blur : float
        See `make_ice_core`.
    grey_air, grey_ice : float
        Grey values; scatter makes air 15 % brighter in bubbly ice (Sect. II).
    ssa_m2_kg : float
        Specific surface area of snow and firn (ice-air area per mass of ice).
    bubble_diameter_um : float
        Median diameter of the normal bubbles of ice.
    """

    ice_fraction: float
    noise: float
    blur: float
    grey_air: float
    grey_ice: float
    ssa_m2_kg: float = 0.0
    bubble_diameter_um: float = 0.0

    def grow(self, mask, ice_fraction, voxel_size_um, random):
        """Icy points (0 to 8) per voxel; `ice_fraction` of ice within the mask.

        Another ice fraction than the kind's own leaves the size of grains as it is.
        """
        if self.bubble_diameter_um:
            return bubbly_ice(mask, ice_fraction, self.bubble_diameter_um / voxel_size_um, random)
        ice_kg_m3 = self.ice_fraction * ice_density(DEFAULT_TEMPERATURE_C)
        surface_density = self.ssa_m2_kg * ice_kg_m3 * voxel_size_um * 1e-6
        wave_number = mean_wave_number(surface_density, self.ice_fraction)
        return level_cut_ice(mask, ice_fraction, wave_number, random)


# Feature sizes, noise and blur are set so that the paper's labels, and Otsu's threshold on
# the low-resolution scan, are as wrong on the phantoms as on scans simulated elsewhere;
# tests/test_datasets.py keeps them there.
KINDS = {
    "snow": Kind(0.37, noise=0.06, blur=1.4, grey_air=21, grey_ice=114, ssa_m2_kg=13),
    "firn": Kind(0.79, noise=0.09, blur=1.2, grey_air=22, grey_ice=116, ssa_m2_kg=2.3),
    "ice": Kind(0.96, noise=0.08, blur=1.8, grey_air=25, grey_ice=116, bubble_diameter_um=360),
}


class Cylinder:
    """Cross section of a specimen in its casing, centred on the axis of rotation.

    Proportions are those of the 10 cm cores in the archive's 2048-pixel slices; gap and
    wall never get thinner than three low-resolution pixels.

    Parameters
    ----------
    n_columns : int
        Of the low-resolution slice.
    """

    def __init__(self, n_columns):
        self.n_columns = n_columns
        self._outer = 0.93 * n_columns / 2
        self._inner = self._outer - max(0.025 * n_columns, 3)
        self._radius = self._inner - max(0.02 * n_columns, 3)

    @property
    def diameter(self):
        """Of the specimen, in low-resolution columns."""
        return 2 * self._radius

    def specimen(self):
        """Bool array (n_columns, n_columns): the low-resolution voxels of the specimen."""
        return _radii(self.n_columns, 1.0) < self._radius

    def casing(self):
        """Attenuation of the wall at high resolution, (2 n_columns, 2 n_columns) float32."""
        radii = _radii(2 * self.n_columns, 0.5)
        depth = np.minimum(radii - self._inner, self._outer - radii)
        # Edge voxels hold the part of the wall that lies in them.
        return CASING_ATTENUATION * np.clip(2 * depth + 0.5, 0, 1).astype(np.float32)


def _radii(n_columns, pixel):
    """Distance of pixel centres from the axis of rotation."""
    offset = (np.arange(n_columns) - (n_columns - 1) / 2) * pixel
    return np.hypot(offset[:, np.newaxis], offset)
