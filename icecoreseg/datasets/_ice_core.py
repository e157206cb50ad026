"""The phantom: an ice core of known microstructure, scanned at two resolutions."""

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from icecoreseg._ice import ice_density
from icecoreseg._validation import check_choice, check_positive_int
from icecoreseg.datasets._microstructure import POINTS
from icecoreseg.datasets._scanner import Scanner
from icecoreseg.datasets._show import IceCore
from icecoreseg.datasets._specimen import KINDS, Cylinder
from icecoreseg.labels import AIR, ICE, OUTSIDE

_FEWEST_COLUMNS = 32  # of a low-resolution slice: casing and gap keep their thickness
_LARGEST = {"noise": 2.0, "blur": 20.0, "beam_hardening": 0.4, "ring_artefacts": 0.5}


def make_ice_core(
    kind: str = "snow",
    *,
    n_slices: int = 32,
    n_columns: int = 192,
    voxel_size_um: float = 58.24,
    ice_fraction: float | None = None,
    noise: float | None = None,
    n_projections: int | None = None,
    blur: float | None = None,
    beam_hardening: float = 0.0,
    ring_artefacts: float = 0.0,
    casing: bool = True,
    temperature_c: float = -15.0,
    random_state=None,
):
    """Simulate the scans of an ice core whose ice is known exactly.

    A cylindrical specimen with a microstructure of its kind stands in a casing. One set
    of parallel-beam projections is taken of it, with counting noise; the high-resolution
    scan is reconstructed from them, the low-resolution scan from the same projections
    averaged over 2 x 2 detector pixels, as in the paper. So the two scans overlay, two
    high-resolution slices to one low-resolution slice.

    Parameters
    ----------
    kind : {"snow", "firn", "ice"}
        Sintered snow, firn, or ice with sheared bubbles, as in the paper's Table I.
    n_slices, n_columns : int
        Slices, and rows and columns, of the low-resolution scan (at least 32 columns). The
        high-resolution scan has twice as many.
    voxel_size_um : float
        Edge of a low-resolution voxel, in micrometres. Grains and bubbles have their size
        in micrometres, so that a larger voxel resolves them less.
    ice_fraction : float, optional
        Volume of ice per volume of specimen; default 0.37, 0.79 or 0.96 by kind.
    noise : float, optional
        Standard deviation of the low-resolution scan's noise at the centre of solid ice,
        relative to the contrast of ice and air. It fixes the number of photons (the
        frames of one view are taken as summed); 0 for none. In very small phantoms with
        much noise few photons remain, and their logarithm is noisier still. Default by kind.
    n_projections : int, optional
        View angles over half a turn; default ``2 * n_columns``, the ratio of the paper.
    blur : float, optional
        Standard deviation of the point spread (focal spot and detector), in
        high-resolution detector pixels. Default by kind.
    beam_hardening : float
        Part of the attenuation lost behind a diameter of solid ice, up to 0.4: the
        middle of the specimen gets darker than its rim.
    ring_artefacts : float
        Standard deviation of the relative gain error of a detector pixel, the same in
        all views; 0.005 is plainly visible.
    casing : bool
        Whether the carbon-fibre tube is in the picture.
    temperature_c : float
        Temperature of the ice in degrees Celsius; sets its density and so the mass.
    random_state : int, RandomState instance or None
        The same integer gives the same phantom.

    Returns
    -------
    sklearn.utils.Bunch
        low, high : uint8 arrays, shape (n_slices, n_columns, n_columns), and twice that
            The scans.
        fraction_low, fraction_high : float32 arrays
            Exact ice fraction per voxel, NaN outside the specimen. Each low-resolution
            value is the mean of its 2 x 2 x 2 high-resolution ones.
        labels_low, labels_high : uint8 arrays
            ICE where the ice fraction is at least one half, AIR below, OUTSIDE.
        mask_low, mask_high : bool arrays
            The specimen.
        voxel_size_um, voxel_size_high_um : float
            Voxel edges of the two scans.
        kind : str
            As given.
        ice_fraction : float
            The exact one, close to what was asked for.
        density_kg_m3, mass_g : float
            Of the whole specimen, exact.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the grains are finer than the voxels.

    Notes
    -----
    The specimen consists of whole low-resolution voxels, so that no voxel is partly
    outside: mass and fractions agree to the last bit of rounding. The scan is the paper's
    (Bagherzadeh et al. 2023, doi 10.1109/TGRS.2023.3334867, Sect. II) except that rays
    are parallel and monochromatic, and that scatter enters as the grey value of air only.

    Examples
    --------
    >>> core = make_ice_core("firn", n_slices=4, n_columns=48, random_state=0)
    >>> core.low.shape, core.high.shape
    ((4, 48, 48), (8, 96, 96))

    The exact mass is that of the exact fractions:

    >>> import numpy as np
    >>> volume_cm3 = (core.voxel_size_um * 1e-4) ** 3
    >>> bool(np.isclose(np.nansum(core.fraction_low) * volume_cm3 * 0.91887, core.mass_g))
    True
    """
    defaults = KINDS[check_choice(kind, KINDS, name="kind")]
    check_positive_int(n_slices, name="n_slices")
    check_positive_int(n_columns, name="n_columns", minimum=_FEWEST_COLUMNS)
    _check_range(voxel_size_um, 1e-3, 1e3, name="voxel_size_um")
    rho_ice = ice_density(temperature_c)
    if ice_fraction is None:
        ice_fraction = defaults.ice_fraction
    _check_range(ice_fraction, 0.01, 0.999, name="ice_fraction")
    scanner = Scanner(
        n_projections=2 * n_columns if n_projections is None else n_projections,
        noise=defaults.noise if noise is None else noise,
        blur=defaults.blur if blur is None else blur,
        beam_hardening=beam_hardening,
        ring_artefacts=ring_artefacts,
        grey_air=defaults.grey_air,
        grey_ice=defaults.grey_ice,
    )
    _check_scanner(scanner)
    random = np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))
    cylinder = Cylinder(n_columns)
    mask_low = np.repeat(cylinder.specimen()[np.newaxis], n_slices, axis=0)
    mask_high = _magnify(mask_low)
    ice = defaults.grow(mask_high, ice_fraction, voxel_size_um / 2, random) / np.float32(POINTS)
    ice[~mask_high] = 0
    truth = _truth(ice, mask_low, mask_high)
    if casing:
        ice += cylinder.casing()
    high, low = scanner.scan(ice, 2 * cylinder.diameter, random)
    scan = IceCore(kind=kind, low=low, high=high, **truth)
    scan.update(_amounts(truth, float(voxel_size_um), rho_ice))
    return scan


def _check_range(value, low, high, *, name):
    """Raise ValueError unless `value` is a number with low <= value <= high."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}.")


def _check_scanner(scanner):
    """Raise ValueError where a scan could not be simulated."""
    check_positive_int(scanner.n_projections, name="n_projections")
    for name, largest in _LARGEST.items():
        _check_range(getattr(scanner, name), 0, largest, name=name)


def _magnify(mask):
    """Every voxel as 2 x 2 x 2 voxels."""
    return mask.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)


def _truth(ice, mask_low, mask_high):
    """Exact fractions, labels and masks at both resolutions."""
    n_slices, n_columns = mask_low.shape[:2]
    blocks = ice.reshape(n_slices, 2, n_columns, 2, n_columns, 2)
    truth = {"mask_low": mask_low, "mask_high": mask_high}
    for name, fraction in (("low", blocks.mean(axis=(1, 3, 5))), ("high", ice)):
        inside = truth[f"mask_{name}"]
        labels = np.where(fraction >= 0.5, np.uint8(ICE), np.uint8(AIR))
        truth[f"fraction_{name}"] = np.where(inside, fraction, np.float32(np.nan))
        truth[f"labels_{name}"] = np.where(inside, labels, np.uint8(OUTSIDE))
    return truth


def _amounts(truth, voxel_size_um, rho_ice):
    """Voxel sizes, and the exact ice fraction, density and mass of the specimen."""
    inside = truth["fraction_low"][truth["mask_low"]]
    ice_fraction = float(inside.mean(dtype=float))
    density = ice_fraction * rho_ice
    volume_m3 = inside.size * (voxel_size_um * 1e-6) ** 3
    return {
        "voxel_size_um": voxel_size_um,
        "voxel_size_high_um": voxel_size_um / 2,
        "ice_fraction": ice_fraction,
        "density_kg_m3": density,
        "mass_g": density * volume_m3 * 1e3,
    }
