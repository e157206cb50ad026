"""Open a stack on disk without loading it."""

from math import lcm
from os import PathLike
from pathlib import Path

import numpy as np

from icecoreseg._slabs import slab_bounds
from icecoreseg._validation import check_choice, check_outside, check_positive_int
from icecoreseg.stacks._manifest import NAME, read_manifest
from icecoreseg.stacks._names import IMAGE_SUFFIXES, PNG_SUFFIXES, TIFF_SUFFIXES, find_slices
from icecoreseg.stacks._raw import RAW_SUFFIXES, RawFile
from icecoreseg.stacks._read_metadata import read_metadata
from icecoreseg.stacks._scale import check_scale, decode_fractions
from icecoreseg.stacks._sources import NpyFile, SliceFiles, TiffPages, as_lazy
from icecoreseg.stacks._zarr import ZarrArray, is_zarr


def open_stack(
    path: str | PathLike[str],
    *,
    slab: int | None = None,
    on_error: str = "raise",
    outside: float = np.nan,
    as_type: str | None = None,
):
    """Open a stack on disk lazily, as a dask array with one chunk per slab of slices.

    Parameters
    ----------
    path : str or path
        A folder of PNG or TIFF slices, a pattern such as ``"scan/block_0_*.png"``, a
        single PNG, a (multipage) TIFF file, a ``.npy`` file, a zarr store, or raw voxels
        behind a MetaImage or NRRD header (``.mhd``, ``.mha``, ``.nrrd``, ``.nhdr``;
        uncompressed). Slices are put in natural order (2 before 10); hidden files and
        files of other types do not count.
    slab : int, optional
        Slices per chunk. Default: about 8 million voxels, and an even number of slices,
        so that pairs of slices stay together.
    on_error : {"raise", "outside"}
        What to do about a slice of a folder that cannot be read or differs in size
        or dtype from most of the others, and about a chunk of a zarr store that cannot be
        read: raise an error, or mark the whole slice as outside, with a warning that names
        the file.
    outside : float or int
        The value of a slice that is left outside. NaN fits slices of floats only, and
        fractions that are given back by `as_type`.
    as_type : "float32", optional
        Give back as fractions what `write_stack` stored as integers by its `as_type`.

    Returns
    -------
    dask array of shape (n_slices, n_rows, n_columns)
        uint8, uint16, float32 or float64, as on disk; masks of 1 bit become uint8 with
        the values 0 and 1 (AIR and ICE). Pixels are read when they are computed; taking
        one slice of the array reads one slice only.

    Raises
    ------
    FileNotFoundError, OSError
        If nothing is there, or a file is unreadable or truncated. The headers of all
        slices are looked at on opening, the pixels when they are read.
    ValueError
        If a file is not grey (RGB, alpha, a palette of colours), has an unknown dtype or
        differs from the others, or if a header declares more pixels than
        ``PIL.Image.MAX_IMAGE_PIXELS``; if `as_type` is asked for, but no scale is recorded.

    Notes
    -----
    A stack that `write_stack` has not finished is refused (OSError); a pattern such as
    ``"core/*.png"`` still opens the slices that are there.

    Examples
    --------
    >>> import tempfile
    >>> from icecoreseg import open_stack, write_stack
    >>> X = np.arange(60, dtype=np.uint8).reshape(12, 1, 5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_stack(X, f"{folder}/core")
    ...     stack = open_stack(f"{folder}/core", slab=4)
    ...     print(stack.chunks[0], (stack.compute() == X).all())
    (4, 4, 4) True
    """
    check_choice(on_error, ("raise", "outside"), name="on_error")
    scale = None if as_type is None else _recorded_scale(path, as_type)
    if scale is not None and np.isnan(outside):
        outside = scale["nan"]
    source = _source(path, on_error, outside)
    if on_error == "outside":
        check_outside(outside, source.dtype)
        if source.dtype.kind == "u" and np.isnan(outside):
            raise ValueError(f"on_error='outside' needs an integer outside= for {source.dtype}.")
    stack = as_lazy(source, _slab_length(slab, source.shape, source.per_piece))
    return stack if scale is None else decode_fractions(stack, scale)


def _recorded_scale(path, as_type):
    check_choice(as_type, ("float32",), name="as_type")
    scale = read_metadata(path).get("scale")
    if scale is None:
        raise ValueError(f"as_type={as_type!r} needs a scale, but {path} records none.")
    return check_scale(scale, path)


def _source(path, on_error, outside):
    path = Path(path)
    suffix = path.suffix.lower()
    policy = {"on_error": on_error, "outside": outside}
    if path.is_dir():
        manifest = read_manifest(path)
        if manifest is not None and not manifest.complete:
            raise OSError(
                f"{path} is unfinished: {NAME} knows of {len(manifest.checksums)} files that were "
                "written. Continue the run with write_stack(..., resume=True)."
            )
        if is_zarr(path):
            return ZarrArray(path, **policy)
        return SliceFiles(path, _slices_of_run(path, manifest), **policy)
    if not path.is_file():
        return SliceFiles(path, find_slices(path), **policy)
    if suffix in PNG_SUFFIXES:
        return SliceFiles(path, [path], **policy)
    readers = dict.fromkeys(TIFF_SUFFIXES, TiffPages) | dict.fromkeys(RAW_SUFFIXES, RawFile)
    readers[".npy"] = NpyFile
    if suffix not in readers:
        raise ValueError(
            f"{path} is of type {suffix!r}; expected a folder, a pattern, or a file of type "
            f"{', '.join(IMAGE_SUFFIXES + tuple(readers)[2:])}."
        )
    return readers[suffix](path)


def _slices_of_run(folder, manifest):
    """The slices of a folder: those that its manifest names, whether they are there or not."""
    if manifest is None:
        return find_slices(folder)
    files = [folder / name for name in sorted(manifest.checksums)]
    strange = sorted({*find_slices(folder)} - {*files})
    if strange:
        raise ValueError(
            f"{folder} holds {strange[0].name}, which is not among the {len(files)} slices that "
            f"its {NAME} names; remove one of the two."
        )
    return files


def _slab_length(slab, shape, per_piece=1):
    if slab is not None:
        return check_positive_int(slab, name="slab")
    return next(slab_bounds(shape[0], shape[1] * shape[2], multiple=lcm(2, per_piece)))[1]
