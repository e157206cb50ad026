"""Microstructure of snow, firn and bubbly ice, from labels.

Every function takes a label stack (or ice fractions, where the definition allows) of
shape (n_slices, n_rows, n_columns) and, where a length is involved, ``voxel_size_um``.
Units stand in the names of columns and keys. OUTSIDE takes no part anywhere; the
specimen's outline and the image frame are never ice surface.
"""

from icecoreseg.metrics import mass_error
from icecoreseg.microstructure._estimator import MicrostructureMetrics
from icecoreseg.microstructure.anisotropy import intercept_tensor
from icecoreseg.microstructure.boundary import boundary_length, perimeter_density, ssa_2d
from icecoreseg.microstructure.bubbles import (
    bubble_number_density,
    bubble_size_distribution,
    bubble_table,
    detection_limit_mm,
)
from icecoreseg.microstructure.chords import chord_length_distribution
from icecoreseg.microstructure.closeoff import close_off_density, goujon_closed_porosity
from icecoreseg.microstructure.correlation import correlation_length, two_point_correlation
from icecoreseg.microstructure.density import (
    density,
    ice_density,
    ice_fraction,
    ice_mass,
    porosity,
)
from icecoreseg.microstructure.intercepts import mean_intercept_length
from icecoreseg.microstructure.mass import mass_budget
from icecoreseg.microstructure.matching import BubbleMatch, match_bubbles, match_summary
from icecoreseg.microstructure.pores import (
    closed_porosity,
    connectivity_index,
    open_porosity,
    percolates,
    pore_closure,
)
from icecoreseg.microstructure.profiles import depth_profile
from icecoreseg.microstructure.surface import (
    optical_diameter,
    specific_surface_area,
    surface_density,
)
from icecoreseg.microstructure.thickness import local_thickness, structure_thickness
from icecoreseg.microstructure.topology import (
    connectivity_density,
    euler_characteristic,
    euler_density,
)
from icecoreseg.microstructure.transport import effective_diffusivity, permeability
from icecoreseg.microstructure.uncertainty import block_bootstrap, representative_volume
from icecoreseg.microstructure.volume import volume_metrics

__all__ = [
    "BubbleMatch",
    "MicrostructureMetrics",
    "block_bootstrap",
    "boundary_length",
    "bubble_number_density",
    "bubble_size_distribution",
    "bubble_table",
    "chord_length_distribution",
    "close_off_density",
    "closed_porosity",
    "connectivity_density",
    "connectivity_index",
    "correlation_length",
    "density",
    "depth_profile",
    "detection_limit_mm",
    "effective_diffusivity",
    "euler_characteristic",
    "euler_density",
    "goujon_closed_porosity",
    "ice_density",
    "ice_fraction",
    "ice_mass",
    "intercept_tensor",
    "local_thickness",
    "mass_budget",
    "mass_error",
    "match_bubbles",
    "match_summary",
    "mean_intercept_length",
    "open_porosity",
    "optical_diameter",
    "percolates",
    "perimeter_density",
    "permeability",
    "pore_closure",
    "porosity",
    "representative_volume",
    "specific_surface_area",
    "ssa_2d",
    "structure_thickness",
    "surface_density",
    "two_point_correlation",
    "volume_metrics",
]
