"""What a stack on disk says about itself."""

from os import PathLike
from pathlib import Path
from typing import Any

from icecoreseg.stacks._manifest import read_manifest
from icecoreseg.stacks._metadata import flatten, from_text
from icecoreseg.stacks._names import PNG_SUFFIXES, TIFF_SUFFIXES, find_slices
from icecoreseg.stacks._png import read_png_text
from icecoreseg.stacks._raw import RAW_SUFFIXES, read_raw_header
from icecoreseg.stacks._tiff_write import read_tiff_text
from icecoreseg.stacks._zarr import is_zarr, read_attributes


def read_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Read what `write_stack` recorded about a stack besides its voxels.

    Parameters
    ----------
    path : str or path
        As in `open_stack`. A folder's manifest is read, or else its first slice.

    Returns
    -------
    dict
        The entries of `metadata`; ``voxel_size_um`` (z, y, x), and ``scale`` if fractions
        are stored as integers, where they are known. Of MetaImage and NRRD headers the
        voxel size, taken for millimetres unless a unit is given.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        As `open_stack`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from icecoreseg import read_metadata, write_stack
    >>> labels = np.ones((2, 3, 4), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_stack(labels, f"{folder}/a.tif", voxel_size_um=60, metadata={"core": "B40"})
    ...     read_metadata(f"{folder}/a.tif")
    {'core': 'B40', 'voxel_size_um': (60.0, 60.0, 60.0)}
    """
    path = Path(path)
    if path.is_dir():
        manifest = read_manifest(path)
        if manifest is not None:
            return flatten(manifest.run)
        if is_zarr(path):
            return flatten(read_attributes(path))
    file = path if path.is_file() else find_slices(path)[0]
    suffix = file.suffix.lower()
    if suffix in RAW_SUFFIXES:
        return flatten({"voxel_size_um": read_raw_header(file)[-1]})
    if suffix in PNG_SUFFIXES:
        return from_text(read_png_text(file))
    if suffix in TIFF_SUFFIXES:
        return from_text(read_tiff_text(file))
    sidecar = sidecar_of(file)
    return from_text(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}


def sidecar_of(path):
    """Where the metadata of a ``.npy`` file stand: beside it.

    Examples
    --------
    >>> sidecar_of(Path("core.npy")).name
    'core.npy.json'
    """
    return path.with_name(path.name + ".json")
