"""Warnings where a number cannot be true of ice.

The numbers are given all the same: the warning names the slices, so that somebody looks.
"""

import warnings

import numpy as np

DENSITY_LIMIT_KG_M3 = 925.0
"""Ice at -60 degrees Celsius has 924.7 kg m-3; none on Earth's ice sheets is denser."""

SSA_LIMIT_M2_KG = 100.0
"""Fresh dendritic snow reaches about 90 m2 kg-1 (Domine et al. 2007)."""

BUBBLES_LIMIT_CM3 = 3000.0
"""Typical are 100 to 1000 bubbles per cubic centimetre of ice."""

AREA_LOSS_LIMIT = 0.2
"""Share of its area that the specimen may lose or gain from one slice to the next."""


def warn_implausible_slices(table):
    """Warn of slices whose values lie outside physical limits.

    Parameters
    ----------
    table : mapping of str to array of shape (n_slices,)
        With ``specimen_area_mm2``, ``density_kg_m3``, ``ssa_2d_m2_kg``; those that are
        missing are not checked.

    Warns
    -----
    UserWarning
        Once per kind, naming the first slices.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_implausible_slices({"ssa_2d_m2_kg": np.array([20, 130.0])})
    >>> str(caught[0].message)
    'Slice 1: 2-D SSA above 100 m2 kg-1; under-resolved structure, noise taken for ice...size?'
    """
    nothing = np.zeros(0)
    with np.errstate(invalid="ignore"):
        _warn_slices(
            np.asarray(table.get("density_kg_m3", nothing)) > DENSITY_LIMIT_KG_M3,
            f"density above that of ice ({DENSITY_LIMIT_KG_M3:g} kg m-3); check the density of "
            "ice that was given",
        )
        _warn_slices(
            np.asarray(table.get("ssa_2d_m2_kg", nothing)) > SSA_LIMIT_M2_KG,
            f"2-D SSA above {SSA_LIMIT_M2_KG:g} m2 kg-1; under-resolved structure, noise taken "
            "for ice, or a wrong voxel size?",
        )
        _warn_slices(
            _area_jumps(np.asarray(table.get("specimen_area_mm2", nothing))),
            f"the specimen's area changes by more than {AREA_LOSS_LIMIT:.0%} from the slice "
            "before; lost outline, or broken ice?",
        )


def warn_implausible_ssa(ssa_m2_kg, *, where="the stack"):
    """Warn if a specific surface area is above what the freshest snow has.

    Warns
    -----
    UserWarning
        Naming `where`, the stack or the slices of a slab.
    """
    if ssa_m2_kg > SSA_LIMIT_M2_KG:
        warnings.warn(
            f"The SSA of {where} is {ssa_m2_kg:.3g} m2 kg-1, above {SSA_LIMIT_M2_KG:g}; "
            "under-resolved structure, noise taken for ice, or a wrong voxel size?",
            stacklevel=3,
        )


def _area_jumps(area):
    """Slices that differ too much from the one before; those without specimen do not count."""
    if area.size < 2:
        return np.zeros(area.shape, dtype=bool)
    before, after = area[:-1], area[1:]
    jump = np.abs(after - before) > AREA_LOSS_LIMIT * np.maximum(before, after)
    return np.concatenate([[False], jump & (before > 0) & (after > 0)])


def _warn_slices(bad, message, *, noun="Slice"):
    where = np.flatnonzero(bad)
    if where.size == 0:
        return
    named = ", ".join(str(i) for i in where[:5])
    more = f" and {where.size - 5} more" if where.size > 5 else ""
    plural = "s" if where.size > 1 else ""
    warnings.warn(f"{noun}{plural} {named}{more}: {message}.".replace("?.", "?"), stacklevel=4)
