"""What the file name of a slice says about its scan.

The names of the archive are a chain of words, such as
``Canvas4096_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0802.png``: width of the canvas,
operator, core, bag and its part, voxel size, helical scan, frames per angle, block, slice.
Slices of low resolution begin with ``Bin60``. Words that are not known are kept as part of
the core's name; only the slice number at the end has to be there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_WORDS = {
    "n_columns": re.compile(r"canvas(\d+)", re.I),
    "binned_um": re.compile(r"bin(\d+)", re.I),
    "voxel_um": re.compile(r"(\d+)(?:mue|mu|um)", re.I),
    "n_frames": re.compile(r"(\d+)f", re.I),
    "helical": re.compile(r"(hx)", re.I),
    "bag": re.compile(r"bag(\d+)(?:top|mid|bot)?", re.I),
}
_BOUNDARY_UM = 45.0
"""Between the two voxel sizes of the data set, 30 and 60 micrometres."""

# What tells a specimen of Table I. The third one is called ExS5-1, ExSS-1 and ex5_1.
_SPECIMENS = {
    "snow": re.compile(r"kohnen|(?<![a-z0-9])(?:d38|kf540)(?!\d)", re.I),
    "firn": re.compile(r"tedrist|bag43(?!\d)", re.I),
    "ice": re.compile(r"(?<![a-z0-9])ex(?:s5|5|ss)(?!\d)|bag102(?!\d)", re.I),
}


@dataclass(frozen=True)
class ScanName:
    """A file name, taken apart; None where the name does not say.

    Attributes
    ----------
    core : str
        Words that are nothing else: operator and core, such as ``"FB_ex5_1"``.
    bag : int or None
        Number of the bag.
    resolution : {"high", "low"} or None
        By the binning, the voxel size or the canvas.
    voxel_um : float or None
        Nominal voxel size of the slice.
    n_columns : int or None
        Width of the canvas.
    n_frames : int or None
        Frames averaged per angle.
    helical : bool
    block, number : int
        Block of the reconstruction (0 if not named) and slice.
    specimen : {"snow", "firn", "ice"} or None
        Row of the paper's Table I that the name belongs to.
    """

    core: str
    bag: int | None
    resolution: str | None
    voxel_um: float | None
    n_columns: int | None
    n_frames: int | None
    helical: bool
    block: int
    number: int
    specimen: str | None


def parse_scan_name(name):
    """Take the file name of a slice apart.

    Parameters
    ----------
    name : str or path
        File name with or without folders; folders do not count.

    Returns
    -------
    ScanName

    Raises
    ------
    ValueError
        If there is no slice number at the end, if a word occurs twice with different values,
        or if the name belongs to two specimens.

    References
    ----------
    Data set of Bagherzadeh et al. (2023), doi:10.5281/zenodo.8325366.

    Examples
    --------
    >>> name = parse_scan_name("Canvas4096_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0802.png")
    >>> name.core, name.bag, name.resolution, name.block, name.number, name.specimen
    ('FB_ex5_1', 102, 'high', 0, 802, 'ice')

    The binned slices come from the projections of 30 micrometres, so their binning decides:

    >>> low = parse_scan_name("Bin60_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0401.png")
    >>> low.resolution, low.voxel_um
    ('low', 60.0)
    """
    stem = Path(name).stem
    words = [word for word in stem.split("_") if word]
    block, number, words = _take_numbers(words, name)
    found, rest = {}, []
    for word in words:
        key, match = next(_matches(word), (None, None))
        if key is None:
            rest.append(word)
        elif found.setdefault(key, match.group(1)) != match.group(1):
            raise ValueError(f"{Path(name).name} says {found[key]} and {word}: which one is it?")
    voxel_um = found.get("binned_um", found.get("voxel_um"))
    voxel_um = None if voxel_um is None else float(voxel_um)
    numbers = {key: int(found[key]) if key in found else None for key in ("n_columns", "n_frames")}
    return ScanName(
        core="_".join(rest),
        bag=int(found["bag"]) if "bag" in found else None,
        resolution=_resolution(voxel_um, numbers["n_columns"]),
        voxel_um=voxel_um,
        helical="helical" in found,
        block=block,
        number=number,
        specimen=specimen_of(stem),
        **numbers,
    )


def specimen_of(text):
    """Key of the specimen that a name or a folder belongs to, or None.

    Examples
    --------
    >>> specimen_of("KohnenQK_D38_KF540"), specimen_of("TEDRIST_bag43"), specimen_of("B40")
    ('snow', 'firn', None)
    """
    named = [key for key, pattern in _SPECIMENS.items() if pattern.search(str(text))]
    if len(named) > 1:
        raise ValueError(f"{text} names more than one specimen: {', '.join(named)}.")
    return named[0] if named else None


def _matches(word):
    for key, pattern in _WORDS.items():
        match = pattern.fullmatch(word)
        if match:
            yield key, match


def _take_numbers(words, name):
    """Block and slice number off the end of the words."""
    if not words or not words[-1].isdecimal():
        raise ValueError(f"{Path(name).name} does not end in a slice number such as _0802.")
    number, words = int(words[-1]), words[:-1]
    if len(words) >= 2 and words[-2].lower() == "block" and words[-1].isdecimal():
        return int(words[-1]), number, words[:-2]
    return 0, number, words


def _resolution(voxel_um, n_columns):
    """By the voxel size; a canvas of 4096 or 2048 decides where that is not named."""
    if voxel_um is not None:
        return "high" if voxel_um < _BOUNDARY_UM else "low"
    return {4096: "high", 2048: "low"}.get(n_columns)
