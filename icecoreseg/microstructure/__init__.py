"""Microstructure of snow, firn and bubbly ice, from labels.

Every function takes a label stack (or ice fractions, where the definition allows) of
shape (n_slices, n_rows, n_columns) and, where a length is involved, ``voxel_size_um``.
Units stand in the names of columns and keys. OUTSIDE takes no part anywhere; the
specimen's outline and the image frame are never ice surface.
"""

from icecoreseg.microstructure._estimator import MicrostructureMetrics
from icecoreseg.microstructure.boundary import boundary_length, perimeter_density, ssa_2d
from icecoreseg.microstructure.density import (
    density,
    ice_density,
    ice_fraction,
    ice_mass,
    porosity,
)
from icecoreseg.microstructure.intercepts import mean_intercept_length

__all__ = [
    "MicrostructureMetrics",
    "boundary_length",
    "density",
    "ice_density",
    "ice_fraction",
    "ice_mass",
    "mean_intercept_length",
    "perimeter_density",
    "porosity",
    "ssa_2d",
]
