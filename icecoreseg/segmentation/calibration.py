"""`MassCalibratedSegmenter`: let the balance choose the decision threshold."""

import numpy as np
import torch
from sklearn.base import MetaEstimatorMixin
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackClassifier
from icecoreseg._ice import DEFAULT_TEMPERATURE_C, check_mass, ice_voxels
from icecoreseg._slabs import iterate_slabs, map_slabs
from icecoreseg._validation import check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.segmentation._delegation import predict_fraction
from icecoreseg.segmentation._predict import threshold_fraction

_SHIFT = 10
"""Low bits of a float32 fraction that the histogram drops: bins of 1/8192 of the value."""

_N_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class MassCalibratedSegmenter(MetaEstimatorMixin, StackClassifier):
    """Choose the threshold of a fitted segmenter so that its mass is the weighed mass.

    A core can be weighed to 0.1 g. Between hard labels and the balance there is one free
    number, the ice fraction from which on a voxel counts as ice; this estimator sets it
    per core, as the paper's weight-based threshold does for grey values.

    Parameters
    ----------
    segmenter : estimator
        A *fitted* segmenter that gives ice fractions: `UNetSegmenter`,
        `WeaklySupervisedSegmenter`, or a pipeline that ends with one. It is not trained
        again. (``clone`` would forget its fit; wrap it in
        ``sklearn.frozen.FrozenEstimator`` where that matters.)
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c : float
        Temperature of the ice in degrees Celsius; gives its density (IAPWS-06).
    ice_density_kg_m3 : float, optional
        Density of ice, instead of that at `temperature_c`.

    Attributes
    ----------
    threshold_ : float
        Ice fraction from which on a voxel is ICE.
    mass_error_ : float
        What is left of (computed - weighed) / weighed, in percent: the voxels that share
        the threshold's fraction cannot be divided.
    soft_mass_error_ : float
        The same for the sum of the fractions, which no threshold changes: how well the
        segmenter knew the mass before it was told.
    classes_ : array
        AIR and ICE.

    Examples
    --------
    Half of the cube is ice on the balance; the segmenter sees a ramp of fractions.

    >>> import numpy as np
    >>> from icecoreseg import UNetSegmenter
    >>> class Ramp(UNetSegmenter):
    ...     def predict_fraction(self, X):
    ...         return X
    >>> X = np.linspace(0, 0.8, 1000, dtype=np.float32).reshape(10, 10, 10)
    >>> model = MassCalibratedSegmenter(Ramp(), voxel_size_um=1000, ice_density_kg_m3=917)
    >>> round(model.fit(X, 0.5 * 0.917).threshold_, 2)
    0.4
    """

    def __init__(
        self,
        segmenter,
        *,
        voxel_size_um,
        temperature_c=DEFAULT_TEMPERATURE_C,
        ice_density_kg_m3=None,
    ):
        self.segmenter = segmenter
        self.voxel_size_um = voxel_size_um
        self.temperature_c = temperature_c
        self.ice_density_kg_m3 = ice_density_kg_m3

    def fit(self, X, weighed_mass_g):
        """Find the threshold for one core.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack of the whole piece that was weighed; predicted once, slab by slab.
        weighed_mass_g : float
            Its mass in gram.

        Returns
        -------
        MassCalibratedSegmenter
            The fitted segmenter itself.

        Raises
        ------
        ValueError
            If the mass is not positive, or more than the specimen's volume can hold.
        """
        check_mass(weighed_mass_g)
        check_voxel_size(self.voxel_size_um)  # before the long prediction
        counts, soft = _fraction_histogram(predict_fraction(self.segmenter, X))
        n_ice = ice_voxels(
            weighed_mass_g,
            self.voxel_size_um,
            n_voxels=int(counts.sum()),
            temperature_c=self.temperature_c,
            ice_density_kg_m3=self.ice_density_kg_m3,
        )
        bin_, n_found = _nearest_threshold(counts, n_ice)
        self.threshold_ = float((np.uint32(bin_) << np.uint32(_SHIFT)).view(np.float32))
        self.mass_error_ = 100 * (n_found / n_ice - 1)
        self.soft_mass_error_ = 100 * (soft / n_ice - 1)
        self.classes_ = np.array([AIR, ICE])
        return self

    def predict(self, X):
        """Labels at the calibrated threshold: uint8, OUTSIDE where X is outside."""
        check_is_fitted(self, "threshold_")
        fraction = predict_fraction(self.segmenter, X)

        def label(slab):
            return threshold_fraction(torch.from_numpy(slab), self.threshold_).numpy()

        return map_slabs(label, fraction, dtype=np.uint8)

    def predict_fraction(self, X):
        """Ice fractions of the segmenter; the threshold does not change them."""
        return predict_fraction(self.segmenter, X)


def _fraction_histogram(fraction):
    """Voxels per bin of the fraction (its leading bits), and the sum of all fractions."""
    counts, total = np.zeros(_N_BINS, dtype=np.int64), 0.0
    for _, slab in iterate_slabs(fraction):
        inside = slab[~np.isnan(slab)].astype(np.float32)
        total += inside.sum(dtype=np.float64)
        counts += np.bincount(inside.view(np.uint32) >> np.uint32(_SHIFT), minlength=_N_BINS)
    return counts, total


def _nearest_threshold(counts, n_ice):
    """Bin whose lower edge, as threshold, gives the number of voxels nearest to `n_ice`."""
    n_above = np.cumsum(counts[::-1])[::-1]
    bin_ = int(np.argmin(np.abs(n_above - n_ice)))
    return bin_, int(n_above[bin_])
