"""Transport through the pores, solved by other libraries that users install themselves."""

from typing import Any

import numpy as np

from icecoreseg._ice import as_labels, check_measured
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.microstructure.pores import percolates
from icecoreseg.microstructure.thickness import check_cubic

N_PADDED = 3
"""Voxels that PoreSpy adds at the inlet and the outlet, for the pores that hold the pressure."""


def effective_diffusivity(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = AIR, axis=0, max_iterations: int = 10_000
) -> dict[str, Any]:
    """Diffusivity through one phase over that of the free gas, by the library taufactor.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels of a box of the core: OUTSIDE is refused.
    voxel_size_um : float
        Edge of the cubic voxels in micrometres; the result does not depend on it.
    phase : {AIR, ICE}
    axis : {0, 1, 2}
        Direction of the flux.
    max_iterations : int
        Of the solver.

    Returns
    -------
    dict
        ``effective_diffusivity`` (relative), ``tortuosity`` = phase fraction over it.

    Raises
    ------
    ImportError
        If taufactor is not installed (``pip install taufactor``); nothing else needs it.
    ValueError
        If voxels outside the specimen are in the box, or the voxels are not cubic.
    RuntimeError
        If the solver does not converge, for instance because the phase does not percolate.

    References
    ----------
    Kench, S., Squires, I. and Cooper, S. (2023), doi:10.21105/joss.05358.
    """
    check_choice(phase, (AIR, ICE), name="phase")
    conducting, _ = _conducting_box(y, voxel_size_um, phase, axis)
    try:
        import taufactor
    except ImportError as error:
        raise ImportError(
            "effective_diffusivity is solved by taufactor; install it with pip install taufactor."
        ) from error
    solver = taufactor.Solver(conducting.astype(np.uint8), device="cpu")
    solver.solve(iter_limit=max_iterations, verbose=False)
    if not solver.converged:
        raise RuntimeError(
            f"No convergence in {max_iterations} iterations: does the phase percolate along axis "
            f"{axis}?"
        )
    return {
        "effective_diffusivity": float(np.ravel(solver.D_eff)[0]),
        "tortuosity": float(np.ravel(solver.tau)[0]),
    }


def permeability(y: Stack, voxel_size_um: VoxelSize, *, axis=0) -> float:
    """Intrinsic permeability of the air in m2, of a pore network, by PoreSpy and OpenPNM.

    The pores are cut at their throats, each throat resists as a tube of its inscribed
    diameter D between the centres of its pores (Hagen-Poiseuille, g = pi D^4 / (128 mu L)),
    and Darcy's law gives K = Q mu L / (A dp). An estimate: a straight tube comes out between
    -7 and +18 % (12 voxels wide) or -5 and +6 % (32 voxels), depending on its place on the
    grid; in snow the network itself is the larger error, which this cannot state.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels of a box of the core: OUTSIDE is refused.
    voxel_size_um : float
        Edge of the cubic voxels in micrometres.
    axis : {0, 1, 2}
        Direction of the flow.

    Returns
    -------
    float
        0 where the air does not reach from end to end.

    Raises
    ------
    ImportError
        If PoreSpy or OpenPNM is not installed (``pip install porespy openpnm``).
    ValueError
        If voxels outside the specimen are in the box, or the voxels are not cubic.

    References
    ----------
    Gostick, J. (2017), Phys. Rev. E 96, 023307, doi:10.1103/PhysRevE.96.023307 (network);
    Gostick, J. et al. (2016), doi:10.1109/MCSE.2016.49 (OpenPNM).

    Examples
    --------
    >>> import numpy as np
    >>> permeability(np.ones((8, 8, 8), np.uint8), voxel_size_um=60)
    0.0
    """
    pores, edge_um = _conducting_box(y, voxel_size_um, AIR, axis)
    if not percolates(np.where(pores, np.uint8(AIR), np.uint8(ICE))):
        return 0.0
    try:
        import openpnm
        import porespy
    except ImportError as error:
        raise ImportError(
            "permeability is solved by PoreSpy and OpenPNM; install them with "
            "pip install porespy openpnm."
        ) from error
    found = porespy.networks.snow2(pores, voxel_size=1, boundary_width=[N_PADDED, 0, 0])
    network = openpnm.io.network_from_porespy(found.network)
    flow, length = _flow_through(network, openpnm)
    return float(flow * length / (pores.shape[1] * pores.shape[2]) * (edge_um * 1e-6) ** 2)


def _conducting_box(y, voxel_size_um, phase, axis):
    """The phase with the flux along the first axis, and the edge of its voxels."""
    check_choice(axis, (0, 1, 2), name="axis")
    edge_um = check_cubic(voxel_size_um)
    labels = as_labels(np.asarray(check_measured(y)))
    if (labels == OUTSIDE).any():
        raise ValueError("Transport needs a box inside the specimen, got OUTSIDE; crop y first.")
    return np.moveaxis(labels == phase, axis, 0), edge_um


def _flow_through(network, openpnm):
    """Flow per unit of pressure and of fluidity from end to end, and the distance of the ends."""
    # Distances run between voxel centres, and the middle of a tube is rarely one: on average
    # over the places on the grid its diameter comes out half a voxel too small.
    diameter = network["throat.inscribed_diameter"] + 0.5
    conductance = np.pi * diameter**4 / (128 * network["throat.total_length"])
    network["throat.hydraulic_conductance"] = conductance
    health = openpnm.utils.check_network_health(network)
    openpnm.topotools.trim(network, pores=health["disconnected_pores"])
    fluid = openpnm.phase.Phase(network=network)
    fluid["throat.hydraulic_conductance"] = network["throat.hydraulic_conductance"]
    solver = openpnm.algorithms.StokesFlow(network=network, phase=fluid)
    solver.set_value_BC(pores=network.pores("xmin"), values=1.0)
    solver.set_value_BC(pores=network.pores("xmax"), values=0.0)
    solver.run()
    ends = network["pore.coords"][:, 0]
    return solver.rate(pores=network.pores("xmin"))[0], np.ptp(ends)
