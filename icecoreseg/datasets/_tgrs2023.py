"""The published data set: three specimens, scanned at two resolutions.

The archive is not laid out in a documented way; what is known are the names of its
slices. So all PNG files below a folder are looked at, told apart by their names (or,
where a name says nothing, by those of their folders), and paired **by number**: two
high-resolution slices to one low-resolution slice, never by the order of a listing.
"""

import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from icecoreseg._slabs import slab_bounds
from icecoreseg._validation import check_choice
from icecoreseg.datasets._pairing import pair_slices
from icecoreseg.datasets._scan_names import parse_scan_name, specimen_of
from icecoreseg.stacks._sources import SliceFiles, as_lazy

SPECIMENS = ("snow", "firn", "ice")
CARD = "specimens.json"
"""Metadata of generated cores in the same layout; the published set has no such file."""

_COLUMNS = (
    "name",
    "characteristic",
    "n_slices",
    "date",
    "longitude_deg",
    "latitude_deg",
    "region",
    "depth_m",
    "height_mm",
    "diameter_mm",
    "mass_g",
    "voxel_size_high_um",
    "voxel_size_um",
    "n_test_slices",
)
_ROWS = {
    "snow": "KohnenQK_D38_KF540|Sintered snow|2620|12/01/2018|-0.791|-75.128|Antarctica|0.48|"
    "150|100|397.1|29.105|58.21|500",
    "firn": "TEDRIST_bag43|Compacted firn|2848|01/01/2016|-8.267|-70.667|Antarctica|42.83|"
    "156|97.2|837.1|29.123|58.24|600",
    "ice": "ExS5-1_bag102|Bubbly ice|2324|07/01/2022|-35.568|75.568|Greenland|101.94|"
    "123|97.5|806.6|29.123|58.24|500",
}
_TEXT, _WHOLE = ("name", "characteristic", "date", "region"), ("n_slices", "n_test_slices")


def published_specimens():
    """Table I of the paper: what is known of the three specimens.

    Returns
    -------
    dict of str to sklearn.utils.Bunch
        "snow", "firn" and "ice"; each with ``name``, ``characteristic``, ``n_slices`` (of
        low resolution), ``date`` (as printed: day and month are open), ``longitude_deg``,
        ``latitude_deg``, ``region``, ``depth_m``,
        ``height_mm``, ``diameter_mm``, ``mass_g``, ``voxel_size_high_um``, ``voxel_size_um``,
        ``n_test_slices`` (Table II) and, from the outer measures, ``density_kg_m3``.

    Notes
    -----
    The slices are longer than the specimens (152.5, 165.9 and 135.3 mm of them), so some
    show no ice. The longitude and latitude of ExS5-1 repeat each other's decimals.

    References
    ----------
    Bagherzadeh et al. (2023), Tables I and II, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> [round(core.density_kg_m3) for core in published_specimens().values()]
    [337, 723, 878]
    """
    return {kind: _specimen(row.split("|")) for kind, row in _ROWS.items()}


def _specimen(cells):
    core = Bunch(**dict(zip(_COLUMNS, cells, strict=True)))
    for name in set(_COLUMNS) - set(_TEXT):
        core[name] = int(core[name]) if name in _WHOLE else float(core[name])
    volume_cm3 = np.pi / 4 * (core.diameter_mm / 10) ** 2 * core.height_mm / 10
    core["density_kg_m3"] = float(core.mass_g / volume_cm3 * 1e3)
    return core


def load_tgrs2023(folder, *, specimens=SPECIMENS, offset=None, incomplete="raise"):
    """Open the published data set lazily, slices of the two resolutions paired by number.

    Parameters
    ----------
    folder : str or path
        With the PNG slices of both resolutions, in folders of any depth. Names are read by
        `parse_scan_name`. Where they do not tell specimen or resolution, the names of the
        folders do (a word such as ``high``, ``HR``, ``30um`` or ``low``, ``LR``, ``60um``).
    specimens : sequence of {"snow", "firn", "ice"}
        Which to open.
    offset : int, optional
        Low-resolution slice n belongs to the high-resolution slices ``2 n + offset`` and the
        next. Default: 0 where the high numbers are even pairs, -1 where both count from 1; if
        the first and the last numbers fit neither, that is an error. `measure_shift` tells
        whether an offset is right.
    incomplete : {"raise", "skip"}
        What to do about slices without partner, and gaps in the numbers: an error that
        names them, or leave them out with a warning.

    Returns
    -------
    sklearn.utils.Bunch
        One Bunch per specimen, with the columns of `published_specimens` and

        low, high : dask arrays, shape (n_slices, n_rows, n_columns), and twice that
            The scans; slice i of ``low`` shows slices 2 i and 2 i + 1 of ``high``.
        kind : str
            Key of the specimen.
        low_files, high_files : list of path
            Of the slices, in order.
        numbers : list of (block, number)
            Of the low-resolution slices.

    Warns
    -----
    UserWarning
        If a specimen has another number of low-resolution slices than Table I (or the card in
        its place) says: a download that ends early leaves no gap.

    Raises
    ------
    FileNotFoundError
        If a specimen, or one of its resolutions, is not there; the message says which.
    ValueError
        If a slice is there twice, lacks its partner, has a name that says nothing, or if the
        slices of a specimen differ in size, or the two sizes are not 1 : 2.

    Notes
    -----
    A file ``specimens.json`` in the folder replaces Table I: that is how generated cores
    are carried in the same layout, see `write_tgrs2023`.

    References
    ----------
    doi:10.5281/zenodo.8325366; Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import tempfile
    >>> from icecoreseg.datasets import make_ice_core, write_tgrs2023
    >>> core = make_ice_core("firn", n_slices=2, n_columns=32, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tgrs2023([core], folder)
    ...     firn = load_tgrs2023(folder, specimens=["firn"]).firn
    ...     print(firn.low.shape, firn.high.shape, bool((firn.low == core.low).all()))
    (2, 32, 32) (4, 64, 64) True
    """
    check_choice(incomplete, ("raise", "skip"), name="incomplete")
    for kind in specimens:
        check_choice(kind, SPECIMENS, name="specimens")
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    found = _sort_files(folder)
    _check_there(found, specimens, folder)
    cards = _cards(folder)
    cores = Bunch()
    for kind in specimens:
        pairs = pair_slices(
            found[kind, "high"], found[kind, "low"], core=kind, offset=offset, incomplete=incomplete
        )
        _check_count(cards[kind], pairs.numbers, kind)
        cores[kind] = Bunch(kind=kind, **cards[kind], **_open_pairs(pairs))
    return cores


def _sort_files(folder):
    """Slices by (specimen, resolution): lists of (ScanName, path)."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        name = parse_scan_name(path)
        kind = name.specimen or _from_folders(relative, specimen_of)
        resolution = name.resolution or _from_folders(relative, _folder_resolution)
        if kind is None or resolution is None:
            what = "specimen" if kind is None else "resolution"
            raise ValueError(f"Neither name nor folders of {relative} tell its {what}.")
        found.setdefault((kind, resolution), []).append((name, path))
    return found


def _from_folders(relative, read):
    """What the nearest folder says that says anything."""
    answers = (read(part) for part in reversed(relative.parts[:-1]))
    return next((answer for answer in answers if answer), None)


def _folder_resolution(name):
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    marks = {
        "high": ("high", "hr", "highres", "30", "30um", "30mue", "4096"),
        "low": ("low", "lr", "lowres", "60", "60um", "60mue", "2048", "bin60"),
    }
    said = [key for key, known in marks.items() if set(words) & set(known)]
    return said[0] if len(said) == 1 else None


def _check_there(found, specimens, folder):
    missing = [
        f"{kind} ({resolution} resolution)"
        for kind in specimens
        for resolution in ("high", "low")
        if (kind, resolution) not in found
    ]
    if missing:
        there = ", ".join(f"{len(v)} of {k[0]} ({k[1]})" for k, v in sorted(found.items()))
        raise FileNotFoundError(
            f"{folder} has no slices of {', '.join(missing)}; it has {there or 'no PNG slices'}."
        )


def _cards(folder):
    """Metadata by specimen: Table I, or what the folder itself says."""
    card = folder / CARD
    if not card.is_file():
        return published_specimens()
    return {**published_specimens(), **json.loads(card.read_text())}


def _check_count(card, numbers, kind):
    """Warn of slices that leave no gap: those above the first and below the last."""
    if len(numbers) != card["n_slices"]:
        warnings.warn(
            f"{kind}: {len(numbers)} low-resolution slices, {numbers[0][1]} to {numbers[-1][1]}, "
            f"are there with their partners; {card['name']} has {card['n_slices']}.",
            stacklevel=3,
        )


def _open_pairs(pairs):
    """The two lazy stacks of a specimen; the high one in slabs of twice the length."""
    low = SliceFiles(pairs.low_files[0].parent, pairs.low_files, on_error="raise", outside=np.nan)
    high = SliceFiles(
        pairs.high_files[0].parent, pairs.high_files, on_error="raise", outside=np.nan
    )
    expected = (2 * low.shape[0], 2 * low.shape[1], 2 * low.shape[2])
    if high.shape != expected:
        raise ValueError(
            f"The slices in {high.path} form a stack of shape {high.shape}; twice the "
            f"low-resolution stack {low.shape} would be {expected}."
        )
    length = next(slab_bounds(high.shape[0], high.shape[1] * high.shape[2], multiple=2))[1]
    return {
        "low": as_lazy(low, max(1, length // 2)),
        "high": as_lazy(high, length),
        "low_files": pairs.low_files,
        "high_files": pairs.high_files,
        "numbers": pairs.numbers,
    }
