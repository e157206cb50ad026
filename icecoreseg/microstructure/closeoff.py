"""Pore close-off: parameterisations to compare measured pores with."""

import numpy as np

from icecoreseg._ice import as_labels, check_measured, ice_density
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.microstructure.thickness import check_cubic


def close_off_density(temperature_c, *, ice_density_kg_m3=917.0):
    """Mean density at which pores close, from the temperature of the site.

    rho_co = 1 / (1 / rho_i + 6.95e-7 T - 4.3e-5) in SI units, from the air content of ice.

    Parameters
    ----------
    temperature_c : float or array
        Mean annual temperature, degrees Celsius.
    ice_density_kg_m3 : float
        917 as in firn models; None: that of `ice_density` at the temperature.

    Returns
    -------
    float or array
        Density in kg m-3.

    References
    ----------
    Martinerie, P. et al. (1992), Earth Planet. Sci. Lett. 112, 1-13,
    doi:10.1016/0012-821X(92)90002-D; Martinerie et al. (1994), doi:10.1029/93JD03283.

    Examples
    --------
    >>> round(close_off_density(-54.5)), round(close_off_density(-31.15))
    (834, 823)
    """
    kelvin = np.asarray(temperature_c, dtype=float) + 273.15
    density = ice_density(temperature_c) if ice_density_kg_m3 is None else ice_density_kg_m3
    close_off = 1 / (1 / density + 6.95e-7 * kelvin - 4.3e-5)
    return float(close_off) if close_off.ndim == 0 else close_off


def goujon_closed_porosity(porosity, close_off_porosity):
    """Closed porosity of firn from its porosity: 0.37 phi (phi / phi_co)^-7.6, at most phi.

    Parameters
    ----------
    porosity : float or array
        Total porosity phi.
    close_off_porosity : float
        phi_co = 1 - rho_co / rho_i at close-off, about 0.1; see `close_off_density`.

    Returns
    -------
    float or array

    References
    ----------
    Goujon, C., Barnola, J.-M. and Ritz, C. (2003), doi:10.1029/2002JD003319.

    Examples
    --------
    At close-off 37 % of the pores are closed; deeper down all of them:

    >>> round(goujon_closed_porosity(0.1, 0.1), 3), goujon_closed_porosity(0.05, 0.1)
    (0.037, 0.05)
    """
    total = np.asarray(porosity, dtype=float)
    with np.errstate(divide="ignore"):
        closed = np.minimum(0.37 * total * (total / close_off_porosity) ** -7.6, total)
    return float(closed) if closed.ndim == 0 else closed


def effective_diffusivity(y, voxel_size_um, *, phase=AIR, axis=0, max_iterations=10_000):
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
    check_choice(axis, (0, 1, 2), name="axis")
    check_cubic(voxel_size_um)
    labels = as_labels(np.asarray(check_measured(y)))
    if (labels == OUTSIDE).any():
        raise ValueError("effective_diffusivity needs a box inside the specimen; crop y first.")
    try:
        import taufactor
    except ImportError as error:
        raise ImportError(
            "effective_diffusivity is solved by taufactor; install it with pip install taufactor."
        ) from error
    conducting = np.moveaxis(labels == phase, axis, 0).astype(np.uint8)
    solver = taufactor.Solver(conducting, device="cpu")
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
