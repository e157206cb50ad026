"""Pore close-off: parameterisations to compare measured pores with."""

from typing import Any

import numpy as np

from icecoreseg._ice import ice_density


def close_off_density(temperature_c: float, *, ice_density_kg_m3: float | None = 917.0):
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


def goujon_closed_porosity(porosity: Any, close_off_porosity):
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
