"""Parallel-beam projection and filtered back-projection by gridding.

The Fourier slice theorem says that the 1-D spectrum of a projection is the 2-D
spectrum of the image along one line through the origin. Both directions of
tomography are then one interpolation between a square grid of frequencies and a
star of such lines. That interpolation (a Kaiser-Bessel kernel on a twofold
oversampled grid) is a single sparse matrix, applied to many slices at once;
projecting uses the matrix, reconstructing its transpose. Nothing is rotated.

Lengths are in pixels of the images; the axis of rotation is the image centre,
``(n_columns - 1) / 2``, so that images whose pixels differ by a factor of two share
one axis and lie exactly on each other.
"""

import numpy as np
from scipy import fft, sparse

_KERNEL_WIDTH = 5
# Beatty et al. (2005), doi 10.1109/TMI.2005.848376, eq. 5 for twofold oversampling.
_KERNEL_SHAPE = np.pi * np.sqrt((_KERNEL_WIDTH / 2 * 1.5) ** 2 - 0.8)


class ParallelBeam:
    """A parallel-beam scanner for square images of one size.

    Parameters
    ----------
    n_columns : int
        Columns (and rows) of the images, and pixels of the detector.
    n_projections : int
        View angles, evenly spaced over half a turn; angle 0 sums the rows.

    Notes
    -----
    The matrix takes about ``100 * n_projections * n_columns`` bytes twice over
    (weights and indices): 30 MB for 384 columns, 0.5 GB for 1536.

    Examples
    --------
    Where nothing is noisy, the reconstruction returns the grey values:

    >>> import numpy as np
    >>> disc = np.hypot(*np.mgrid[-31.5:32, -31.5:32])[np.newaxis] < 20
    >>> beam = ParallelBeam(64, n_projections=100)
    >>> image = beam.reconstruct(beam.project(disc))[0]
    >>> bool(abs(image[24:40, 24:40] - 1).max() < 0.02)
    True
    """

    def __init__(self, n_columns, n_projections):
        self.n_columns, self.n_projections = n_columns, n_projections
        self._n_grid = fft.next_fast_len(2 * n_columns + n_columns % 2, real=True)
        self._n_grid += self._n_grid % 2
        angles = np.arange(n_projections) * np.pi / n_projections
        radii = np.arange(self._n_grid // 2 + 1)
        kx, ky = np.outer(np.cos(angles), radii), np.outer(np.sin(angles), radii)
        self._matrix = _gridding_matrix(ky.ravel(), kx.ravel(), self._n_grid)
        # Pixel centres lie half a pixel beside the origin of the grid when n_columns is even.
        self._offset = n_columns // 2 - (n_columns - 1) / 2
        self._phase = np.exp(-2j * np.pi * self._offset * (kx + ky) / self._n_grid)
        self._phase = self._phase.astype(np.complex64)[..., np.newaxis]
        self._frequencies = radii / self._n_grid
        self._taper = _kernel_transform(self._positions() / self._n_grid)
        self._filter = _hann_ramp(self._n_grid)

    def project(self, images, blur=0.0):
        """Line integrals through images.

        Parameters
        ----------
        images : array of shape (n_slices, n_columns, n_columns)
            Attenuation per pixel length; only what lies inside the inscribed circle is
            seen from every angle.
        blur : float
            Standard deviation of the Gaussian point spread on the detector, in pixels.

        Returns
        -------
        array of shape (n_slices, n_projections, n_columns), float32
        """
        n, m = self.n_columns, self._n_grid
        grid = np.zeros((m, m, len(images)), dtype=np.complex64)
        tapered = np.moveaxis(images, 0, -1) / np.outer(self._taper, self._taper)[..., np.newaxis]
        grid[np.ix_(self._wrapped(), self._wrapped())] = tapered
        spectrum = fft.fft2(grid, axes=(0, 1), overwrite_x=True).reshape(m * m, -1)
        lines = _times(self._matrix, spectrum).reshape(*self._phase.shape[:2], -1)
        lines *= self._phase
        lines *= self._detector_response(blur)
        profiles = fft.irfft(lines, n=m, axis=1)[:, self._wrapped()]
        return np.ascontiguousarray(np.moveaxis(profiles, -1, 0)).reshape(-1, len(self._phase), n)

    def reconstruct(self, profiles):
        """Filtered back-projection with a Hann-windowed ramp.

        Parameters
        ----------
        profiles : array of shape (n_slices, n_projections, n_columns)
            Line integrals, in pixel lengths.

        Returns
        -------
        array of shape (n_slices, n_columns, n_columns), float32
        """
        m = self._n_grid
        padded = np.zeros((self.n_projections, m, len(profiles)), dtype=np.float32)
        padded[:, self._wrapped()] = np.moveaxis(profiles, 0, -1)
        lines = fft.rfft(padded, axis=1)
        lines *= self._detector_response(0.0).conj() * self._filter[:, np.newaxis]
        lines *= self._phase.conj()
        grid = _times(self._matrix.T, lines.reshape(self._matrix.shape[0], -1))
        images = fft.ifft2(grid.reshape(m, m, -1), axes=(0, 1), overwrite_x=True).real
        images = images[np.ix_(self._wrapped(), self._wrapped())]
        images *= np.pi * m / self.n_projections
        images /= np.outer(self._taper, self._taper)[..., np.newaxis]
        return np.ascontiguousarray(np.moveaxis(images, -1, 0), dtype=np.float32)

    def noise_gain(self):
        """Variance of a reconstructed pixel, per variance of independent detector noise."""
        power = 2 * np.sum(self._filter**2) / self._n_grid / 4
        return np.pi**2 / self.n_projections * power

    def _positions(self):
        """Grid positions of the pixels: integers around zero."""
        return np.arange(self.n_columns) - self.n_columns // 2

    def _wrapped(self):
        """The same, as indices of a periodic array."""
        return self._positions() % self._n_grid

    def _detector_response(self, blur):
        """Shift by the detector's offset, and the transfer function of its point spread."""
        f = self._frequencies
        response = np.exp(2j * np.pi * f * self._offset - 2 * (np.pi * blur * f) ** 2)
        return response.astype(np.complex64)[:, np.newaxis]


def _times(matrix, columns):
    """Real sparse matrix times complex columns, without making the matrix complex."""
    columns = np.ascontiguousarray(columns)
    return (matrix @ columns.view(np.float32)).view(np.complex64)


def _gridding_matrix(ky, kx, n_grid):
    """Interpolation from a periodic grid of frequencies to the points (ky, kx)."""
    steps = np.arange(_KERNEL_WIDTH) - (_KERNEL_WIDTH - 1) // 2
    neighbours, weights = [], []
    for k in (ky, kx):
        nearest = np.round(k)[:, np.newaxis] + steps
        neighbours.append((nearest % n_grid).astype(np.int32))
        weights.append(_kernel(nearest - k[:, np.newaxis]))
    columns = neighbours[0][:, :, np.newaxis] * n_grid + neighbours[1][:, np.newaxis, :]
    values = weights[0][:, :, np.newaxis] * weights[1][:, np.newaxis, :]
    rows = np.arange(ky.size + 1, dtype=np.int32) * _KERNEL_WIDTH**2
    shape = (ky.size, n_grid**2)
    return sparse.csr_matrix((values.ravel(), columns.ravel(), rows), shape=shape)


def _kernel(distance):
    """Kaiser-Bessel kernel, distance in grid steps."""
    inside = np.clip(1 - (2 * distance / _KERNEL_WIDTH) ** 2, 0, None)
    return np.i0(_KERNEL_SHAPE * np.sqrt(inside)).astype(np.float32)


def _kernel_transform(x):
    """Fourier transform of the kernel, x in grid lengths."""
    root = np.sqrt(_KERNEL_SHAPE**2 - (np.pi * _KERNEL_WIDTH * x) ** 2)
    return (_KERNEL_WIDTH * np.sinh(root) / root).astype(np.float32)


def _hann_ramp(n_grid):
    """One-sided reconstruction filter: the ramp under a Hann window, counted twice.

    The ramp is the transform of its sampled, band-limited kernel (Kak & Slaney 1988,
    eq. 3.29), not |f| itself, which would lose the mean of the image. Frequencies
    stand for their negative twins too, hence the factor of two off the ends.
    """
    n = np.fft.fftfreq(n_grid, 1 / n_grid)
    odd = n % 2 == 1
    kernel = np.zeros(n_grid)
    kernel[odd] = -1 / (np.pi * n[odd]) ** 2
    kernel[0] = 0.25
    frequencies = np.arange(n_grid // 2 + 1) / n_grid
    ramp = fft.rfft(kernel).real * np.cos(np.pi * frequencies) ** 2
    ramp[1:-1] *= 2
    return ramp.astype(np.float32)
