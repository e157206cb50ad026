"""From ice to grey values: the scan of a specimen at two resolutions.

As in the paper's acquisition, there is one set of projections. The high-resolution
slices are reconstructed from it; for the low-resolution ones the projections are
first averaged over two columns and two rows of the detector. All noise is made on the
detector, so both scans show the same specimen with the noise of one measurement,
and none is added to the images.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from icecoreseg.datasets._tomography import ParallelBeam

OPACITY = 1.6
"""Natural logarithm of the attenuation by a diameter of solid ice: 10 cm of it at 140 kV."""

_SLAB_PIXELS = 2**22  # projected and reconstructed together, at most 8 slices


@dataclass(frozen=True)
class Scanner:
    """The settings of a scan, all in the parameters of `make_ice_core`.

    Attributes
    ----------
    n_projections : int
        View angles over half a turn.
    noise : float
        Of solid ice at the centre of the low-resolution scan, relative to the contrast.
    blur : float
        Standard deviation of the point spread, in high-resolution detector pixels.
    beam_hardening : float
        Part of the attenuation lost behind a diameter of solid ice.
    ring_artefacts : float
        Standard deviation of the relative gain error of a detector pixel.
    grey_air, grey_ice : float
        Grey values of pure air and pure ice.
    """

    n_projections: int
    noise: float
    blur: float
    beam_hardening: float
    ring_artefacts: float
    grey_air: float
    grey_ice: float

    def scan(self, attenuation, diameter, random):
        """Scan a specimen.

        Parameters
        ----------
        attenuation : float32 array of shape (2 n_slices, 2 n_columns, 2 n_columns)
            Relative to solid ice.
        diameter : float
            Of the specimen, in columns of `attenuation`.
        random : numpy.random.Generator

        Returns
        -------
        high : uint8 array of the shape of attenuation
        low : uint8 array of shape (n_slices, n_columns, n_columns)
        """
        n_slices, n_columns = attenuation.shape[0], attenuation.shape[2]
        fine = ParallelBeam(n_columns, self.n_projections)
        coarse = ParallelBeam(n_columns // 2, self.n_projections)
        opacity = OPACITY / diameter
        photons = self._photons(coarse.noise_gain(), diameter)
        if self.blur:
            attenuation = gaussian_filter1d(attenuation, self.blur, axis=0, mode="nearest")
        high = np.empty(attenuation.shape, dtype=np.uint8)
        low = np.empty((n_slices // 2, n_columns // 2, n_columns // 2), dtype=np.uint8)
        step = 2 * min(4, max(1, _SLAB_PIXELS // (2 * n_columns**2)))
        for start in range(0, n_slices, step):
            stop = min(start + step, n_slices)
            profiles = fine.project(attenuation[start:stop], self.blur) * opacity
            measured = self._measure(profiles, photons, random) / opacity
            high[start:stop] = self._grey(fine.reconstruct(measured))
            binned = _bin_detector(measured)
            low[start // 2 : stop // 2] = self._grey(coarse.reconstruct(binned))
        return high, low

    def _photons(self, noise_gain, diameter):
        """Photons per high-resolution detector pixel (all frames), from the noise they leave.

        A low-resolution ray sums four pixels, behind solid ice; its relative error is
        that of its line integral, which reconstruction passes on with `noise_gain`.
        """
        if self.noise == 0:
            return np.inf
        line_error = self.noise / np.sqrt(noise_gain) * OPACITY / (diameter / 2)
        return np.exp(OPACITY) / (4 * line_error**2)

    def _measure(self, profiles, photons, random):
        """What the detector makes of the true line integrals (natural logarithms)."""
        # The soft rays go first: attenuation grows less than in proportion to the path.
        profiles = profiles * (1 - self.beam_hardening * profiles / OPACITY)
        if self.ring_artefacts:
            rows, _, columns = profiles.shape
            profiles += random.normal(0, self.ring_artefacts, (rows, 1, columns))
        if np.isfinite(photons):
            # Frames of one view add up to one Poisson count. A ray that no photon passed
            # counts half of one, or its logarithm would be infinite.
            counts = random.poisson(photons * np.exp(-profiles))
            profiles = np.log(photons / np.maximum(counts, 0.5))
        return profiles.astype(np.float32)

    def _grey(self, attenuation):
        grey = self.grey_air + (self.grey_ice - self.grey_air) * attenuation
        return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _bin_detector(profiles):
    """Average line integrals over 2 rows (slices) and 2 columns, in low-resolution pixels."""
    rows = profiles[::2] + profiles[1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 8
