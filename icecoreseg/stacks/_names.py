"""Which files are the slices of a stack, and in which order."""

import glob
import os
import re
from pathlib import Path

PNG_SUFFIXES = (".png",)
TIFF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = PNG_SUFFIXES + TIFF_SUFFIXES


def natural_key(path):
    """Key that sorts the numbers in a file name by value: slice 2 before slice 10.

    Examples
    --------
    >>> sorted(["s10.png", "s2.png", "s1.png"], key=natural_key)
    ['s1.png', 's2.png', 's10.png']
    """
    pieces = re.split(r"(\d+)", Path(path).name)
    return [(int(piece), piece) if piece.isdecimal() else (-1, piece) for piece in pieces]


def is_image(path):
    """Whether a name is that of a slice; hidden and unfinished files are not slices."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def slices_in_folder(folder):
    """All PNG and TIFF files of a folder, in natural order."""
    with os.scandir(folder) as entries:
        paths = [Path(entry.path) for entry in entries if is_image(entry.name)]
    return sorted(paths, key=natural_key)


def find_slices(path):
    """Paths of the slices that a folder or a glob pattern names, in natural order.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If there is no image among the files, if PNG and TIFF are mixed, or if a
        pattern reaches into several folders (their order would be a guess).
    """
    if Path(path).is_dir():
        paths, asked = slices_in_folder(path), f"the folder {path}"
    else:
        found = [Path(name) for name in glob.glob(str(path))]
        if not found:
            raise FileNotFoundError(f"There is no file, folder or pattern match for {path}.")
        paths, asked = sorted(filter(is_image, found), key=natural_key), f"the pattern {path}"
    if not paths:
        raise ValueError(f"There is no slice in {asked}; expected {', '.join(IMAGE_SUFFIXES)}.")
    _check_uniform(paths, asked)
    return paths


def _check_uniform(paths, asked):
    kinds = {path.suffix.lower() in PNG_SUFFIXES: path for path in paths}
    if len(kinds) > 1:
        raise ValueError(
            f"Slices of one kind are expected in {asked}, but it holds both "
            f"{kinds[True].name} and {kinds[False].name}. Use a pattern such as '*.png'."
        )
    folders = sorted({str(path.parent) for path in paths})
    if len(folders) > 1:
        raise ValueError(
            f"{asked[0].upper()}{asked[1:]} reaches into {len(folders)} folders "
            f"({folders[0]}, {folders[1]}...); a stack has one."
        )
