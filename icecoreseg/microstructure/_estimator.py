"""`MicrostructureMetrics`: label stack in, one row of numbers per slice out."""

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackEstimator
from icecoreseg._ice import DEFAULT_TEMPERATURE_C, check_measured, choose_ice_density, slice_amounts
from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure.boundary import (
    perimeter_density_of,
    slice_transitions,
    ssa_2d_of,
)
from icecoreseg.microstructure.density import fraction_of
from icecoreseg.microstructure.intercepts import intercepts_of
from icecoreseg.microstructure.plausibility import warn_implausible_slices

QUANTITIES = (
    "specimen_area_mm2",
    "ice_fraction",
    "porosity",
    "density_kg_m3",
    "ice_mass_g",
    "perimeter_density_mm1",
    "ssa_2d_mm1",
    "ssa_2d_m2_kg",
    "intercept_length_mm",
    "intercept_length_y_mm",
    "intercept_length_x_mm",
    "air_intercept_length_mm",
    "air_intercept_length_y_mm",
    "air_intercept_length_x_mm",
)


class MicrostructureMetrics(TransformerMixin, StackEstimator):
    """Microstructure of every slice: a transformer from label stacks to a table.

    The last step of a pipeline whose steps before it end in labels, or a call of its
    own on predicted labels. Nothing is learned from the data.

    Parameters
    ----------
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c : float
        Temperature of the ice, degrees Celsius; gives its density (IAPWS-06).
    ice_density_kg_m3 : float, optional
        Density of ice, instead of that at `temperature_c`.
    quantities : sequence of str, optional
        Columns to compute, in this order; default: all of them.

    Attributes
    ----------
    ice_density_kg_m3_ : float
        Density of ice that is used.
    voxel_size_um_ : tuple of float
        Voxel edges (z, y, x).
    feature_names_out_ : tuple of str
        Names of the columns; each ends in its unit.

    Notes
    -----
    ==========================  =======  ==============================================
    column                      unit     definition (functions of the same name)
    ==========================  =======  ==============================================
    specimen_area_mm2           mm2      area inside
    ice_fraction                1        phi_i, ice over specimen
    porosity                    1        1 - phi_i
    density_kg_m3               kg m-3   phi_i times density of ice
    ice_mass_g                  g        ice volume of the slice times density of ice
    perimeter_density_mm1       mm-1     L_A, boundary length over specimen area
    ssa_2d_mm1                  mm-1     L_A / phi_i
    ssa_2d_m2_kg                m2 kg-1  (4 / pi) L_A / (phi_i rho_i), if isotropic the SSA
    intercept_length_mm         mm       2 phi_i / P_L, mean over in-plane directions
    intercept_length_y_mm       mm       the same along rows axis y, or x
    air_intercept_length_mm     mm       2 (1 - phi_i) / P_L, and along y, x
    ==========================  =======  ==============================================

    Slices without specimen give NaN; so do ratios without a denominator.

    Ice fractions (soft labels) are taken too: amounts use the fractions, boundaries lie
    where they are one half. Values outside physical limits warn with their slices.

    Examples
    --------
    >>> import numpy as np
    >>> z, y, x = np.mgrid[:2, -60:61, -60:61]
    >>> labels = (y**2 + x**2 < 50**2).astype(np.uint8)  # a cylinder of radius 5 mm
    >>> metrics = MicrostructureMetrics(100, quantities=["ice_mass_g", "ssa_2d_mm1"])
    >>> metrics.fit_transform(labels).round(2)
    array([[0.01, 0.4 ],
           [0.01, 0.4 ]])
    >>> metrics.get_feature_names_out().tolist()
    ['ice_mass_g', 'ssa_2d_mm1']
    """

    def __init__(
        self,
        voxel_size_um,
        *,
        temperature_c=DEFAULT_TEMPERATURE_C,
        ice_density_kg_m3=None,
        quantities=None,
    ):
        self.voxel_size_um = voxel_size_um
        self.temperature_c = temperature_c
        self.ice_density_kg_m3 = ice_density_kg_m3
        self.quantities = quantities

    def fit(self, X=None, y=None):
        """Check the parameters; the data are not looked at.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self
        """
        self.voxel_size_um_ = check_voxel_size(self.voxel_size_um)
        self.ice_density_kg_m3_ = choose_ice_density(self.temperature_c, self.ice_density_kg_m3)
        names = QUANTITIES if self.quantities is None else tuple(self.quantities)
        unknown = [name for name in names if name not in QUANTITIES]
        if unknown or not names:
            raise ValueError(f"quantities={unknown} are not known; choose from {QUANTITIES}.")
        self.feature_names_out_ = names
        return self

    def transform(self, X):
        """Measure every slice.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Labels, or ice fractions (NaN outside); numpy, or dask (read slab by slab).

        Returns
        -------
        array of shape (n_slices, n_quantities), float64
            Or a data frame, after ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        X = check_measured(X, name="X")
        slabs = [self._measure(slab) for _, slab in iterate_slabs(X)]
        table = {name: np.concatenate([slab[name] for slab in slabs]) for name in QUANTITIES}
        warn_implausible_slices(table)
        return np.column_stack([table[name] for name in self.feature_names_out_])

    def get_feature_names_out(self, input_features=None):
        """Names of the columns, with units.

        Returns
        -------
        array of str
        """
        check_is_fitted(self)
        return np.asarray(self.feature_names_out_, dtype=object)

    def _measure(self, slab):
        """All columns of a slab in memory, from one count of voxels and one of transitions."""
        amounts, transitions = slice_amounts(slab), slice_transitions(slab)
        edges_um, density = self.voxel_size_um_, self.ice_density_kg_m3_
        ice = fraction_of(amounts)
        length_density = perimeter_density_of(transitions, edges_um)
        columns = {
            "specimen_area_mm2": amounts[:, 1] * np.prod(edges_um[1:]) * 1e-6,
            "ice_fraction": ice,
            "porosity": 1 - ice,
            "density_kg_m3": ice * density,
            "ice_mass_g": amounts[:, 0] * np.prod(edges_um) * 1e-15 * density,
            "perimeter_density_mm1": length_density,
            "ssa_2d_mm1": ssa_2d_of(length_density, ice),
            "ssa_2d_m2_kg": ssa_2d_of(length_density, ice, density),
        }
        for phase, prefix in ((ICE, ""), (AIR, "air_")):
            for axis, suffix in ((None, ""), (1, "_y"), (2, "_x")):
                name = f"{prefix}intercept_length{suffix}_mm"
                columns[name] = intercepts_of(ice, transitions, edges_um, phase=phase, axis=axis)
        return columns
