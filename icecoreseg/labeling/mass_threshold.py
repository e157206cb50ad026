"""`MassThresholdLabeler`: the grey threshold that gives the weighed mass."""

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, check_mass, ice_voxels
from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import check_grey_values, inside_mask
from icecoreseg.labeling._labeler import Labeler
from icecoreseg.labeling.histogram import pool_histograms, slice_histogram
from icecoreseg.labels import AIR, ICE, OUTSIDE


class MassThresholdLabeler(Labeler):
    """Label ice and air by the one threshold whose computed mass is the weighed mass.

    The paper's weight-based threshold [1]_: a piece of core is weighed, and the grey
    threshold of all its slices is set so that the voxels above it weigh as much. The
    amount of ice is then right by construction; where it is, is not.

    Parameters
    ----------
    weighed_mass_g : float
        Mass of the piece that ``fit`` is given, in gram.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c : float
        Temperature of the ice in degrees Celsius; gives its density (IAPWS-06).
    ice_density_kg_m3 : float, optional
        Density of ice, instead of that at `temperature_c`.
    outside : float or int
        Value of the voxels outside the specimen; NaN always counts as outside.

    Attributes
    ----------
    threshold_ : float
        Grey level above which a voxel is ICE, halfway between two bins of the histogram
        (of whole numbers: between two grey levels).
    mass_error_ : float
        What is left of (computed - weighed) / weighed, in percent: the voxels of one grey
        level cannot be divided.

    Raises
    ------
    ValueError
        If the mass is not positive, or more than the specimen would weigh if it were all ice.

    References
    ----------
    .. [1] Bagherzadeh et al. (2023), section III-B, doi:10.1109/TGRS.2023.3334867

    Examples
    --------
    A cube of 1 cm, half of it ice on the balance, and a ramp of 1000 grey levels:

    >>> import numpy as np
    >>> X = np.arange(1000, dtype=np.uint16).reshape(10, 10, 10)
    >>> labeler = MassThresholdLabeler(0.5 * 0.917, voxel_size_um=1000, ice_density_kg_m3=917)
    >>> labeler.fit(X).threshold_, int(labeler.predict(X).sum())
    (499.5, 500)
    """

    def __init__(
        self,
        weighed_mass_g,
        *,
        voxel_size_um,
        temperature_c=DEFAULT_TEMPERATURE_C,
        ice_density_kg_m3=None,
        outside=np.nan,
    ):
        self.weighed_mass_g = weighed_mass_g
        self.voxel_size_um = voxel_size_um
        self.temperature_c = temperature_c
        self.ice_density_kg_m3 = ice_density_kg_m3
        self.outside = outside

    def fit(self, X, y=None):
        """Find the threshold of one piece of core.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack of all that was weighed, numpy or dask (read slab by slab).
        y : None
            Ignored.

        Returns
        -------
        MassThresholdLabeler
            The estimator itself.
        """
        X = self._check(X)
        histogram = self._histogram(X)
        n_ice = ice_voxels(
            self.weighed_mass_g,
            self.voxel_size_um,
            n_voxels=histogram.n_voxels,
            temperature_c=self.temperature_c,
            ice_density_kg_m3=self.ice_density_kg_m3,
        )
        n_above = np.append(np.cumsum(histogram.counts[::-1])[::-1], 0)
        bin_ = int(np.argmin(np.abs(n_above - n_ice)))
        self.threshold_ = float((histogram.first + bin_ - 0.5) * histogram.width)
        self.mass_error_ = float(100 * (n_above[bin_] / n_ice - 1))
        return self

    def _label(self, slab):
        check_grey_values(slab, self.outside)
        labels = np.where(slab > self.threshold_, np.uint8(ICE), np.uint8(AIR))
        labels[~inside_mask(slab, self.outside)] = OUTSIDE
        return labels

    def _check_parameters(self):
        check_mass(self.weighed_mass_g)

    def _histogram(self, X):
        """Pooled histogram of the specimen, read slab by slab."""
        histograms = []
        for _, slab in iterate_slabs(X):
            check_grey_values(slab, self.outside)
            for plane in slab:
                values = plane[inside_mask(plane, self.outside)]
                if values.size:
                    histograms.append(slice_histogram(values))
        if not histograms:
            raise ValueError("X has no voxel inside the specimen: every value is outside.")
        return pool_histograms(histograms)
