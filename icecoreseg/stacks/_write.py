"""Write a stack slab by slab, so that a reader never sees half a file."""

import json
from os import PathLike
from pathlib import Path

import numpy as np

from icecoreseg._slabs import iterate_slabs
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_stack, check_voxel_size, is_lazy
from icecoreseg.stacks._files import replacing, write_whole
from icecoreseg.stacks._fingerprint import describe, input_of, versions
from icecoreseg.stacks._metadata import as_text, check_metadata
from icecoreseg.stacks._names import TIFF_SUFFIXES
from icecoreseg.stacks._pieces import write_pieces
from icecoreseg.stacks._raw import RAW_SUFFIXES
from icecoreseg.stacks._read_metadata import sidecar_of
from icecoreseg.stacks._scale import encode_fractions, scale_of
from icecoreseg.stacks._slice_folder import SliceFolder
from icecoreseg.stacks._tiff_write import write_pages
from icecoreseg.stacks._zarr import ZarrFolder, import_zarr, slices_per_chunk

_TYPES = ("u1", "u2", "f4", "f8")
_NAMED = {".npy": "npy", ".zarr": "zarr", **dict.fromkeys(TIFF_SUFFIXES, "tiff file")}

# A folder of this name would be no surprise to the computer, but one to its user.
_NOT_WRITTEN = (*RAW_SUFFIXES, ".raw", ".vol", ".h5", ".hdf5", ".nc", ".nii", ".gz", ".npz", ".jpg")


def write_stack(
    stack: Stack,
    path: str | PathLike[str],
    *,
    format=None,
    overwrite: bool = False,
    resume: bool = False,
    voxel_size_um: VoxelSize | None = None,
    metadata=None,
    as_type: str | None = None,
    provenance=None,
    verbose=None,
):
    """Write a stack to a folder of slices, a zarr store, a multipage TIFF or a ``.npy`` file.

    Nothing is lost on the way: the values that `open_stack` reads back are the same, and
    so is the dtype (but bool becomes uint8), unless `as_type` asks for less.

    Parameters
    ----------
    stack : array of shape (n_slices, n_rows, n_columns)
        uint8 (grey, labels), uint16, float32 (ice fractions), float64 or bool; numpy or
        dask. A lazy stack is computed slab by slab, never as a whole, by dask's scheduler:
        threads, or the workers of a cluster, which then must see the folder.
    path : str or path
        ``*.npy`` and ``*.tif``/``*.tiff`` are files, ``*.zarr`` is a zarr store (extra
        ``scale``); anything else is a folder, whose slices are named ``slice_00000.png``
        and so on.
    format : {"png", "tiff", "npy", "zarr"}, optional
        Checked against the name of a file; for folders it chooses the slices' format.
        Default there: PNG for integers, TIFF for floats (PNG cannot hold floats).
    overwrite : bool
        Whether an existing file, store, or slices that this function wrote before, may be
        replaced.
    resume : bool
        Whether to continue a run that was interrupted: files that are missing, unfinished
        or differ from their checksum are written, the others are left. If nothing is there,
        the run begins. Folders and zarr stores only.
    voxel_size_um : float or tuple (z, y, x), optional
        Voxel size in micrometres. Fiji opens TIFF and PNG with it.
    metadata : dict, optional
        What else is known (core, bag, depth...): texts, numbers, lists and dicts, which
        `read_metadata` gives back. It stands, with the voxel size, in the manifest of a
        folder and in each slice (PNG text, TIFF description), in the attributes of a zarr
        array, in the description of a TIFF file, and beside a ``.npy`` file in ``*.npy.json``.
    as_type : {"uint8", "uint16"}, optional
        Store fractions as integers: f becomes the integer nearest to 254 f or 65534 f, and
        NaN becomes 255 or 65535. The scale is recorded; ``open_stack(as_type="float32")``
        gives fractions back, wrong by 0.002 or 0.0000077 at most. Not for ``.npy``.
    provenance : dict, optional
        What the stack was made by, for the manifest: values as in `metadata`, and
        estimators, which are recorded by class, parameters and a digest of what they learnt.
    verbose : bool or int, optional
        Whether to show a progress bar, with slices per second and time left: True in
        terminals and notebooks, 2 everywhere. Default: there, if it takes over a second
        (see `progress_bars`).

    Raises
    ------
    FileExistsError
        If something is there already, and neither `overwrite` nor `resume` is true.
    OSError
        If a file cannot be written (a full disk), naming it. What was written before stays.
    ValueError
        For other shapes and dtypes, for floats in PNG, for a format that contradicts the
        path, for a folder with slices that have other names, and if another run is to be
        resumed than the one that began (the message names the entries that differ).

    Notes
    -----
    Every file is written under a hidden temporary name in its final folder and then
    renamed. Folders and stores hold a manifest, ``stack.json``: shape and dtype, what the
    stack was computed from (names, sizes and times of the files read, parameters of the
    estimators, a digest of dask's graph), versions, and a SHA-256 of each file. A run that
    is killed leaves complete slices in a new folder, which `open_stack` refuses until the
    run is resumed, and no TIFF or ``.npy`` file at all (or the old one).

    What is overwritten stays until all is written: the disk must hold both, and a lazy
    stack may go back to where it comes from (read it with `open_stack` again afterwards:
    the old array would show the new values).

    The digest of the graph tells another selection of slices or another function from the
    one before, with the constants and functions of its own that it names; the code of classes
    and of installed packages counts by name and version. A graph with random parts gives
    another digest in every process and can only be resumed with a `provenance`: then the
    caller vouches for it, and neither the graph nor the times and sizes of files count. So a
    run that met a slice that cannot be read goes on when that slice is repaired, or left
    outside; the provenance may be given then.

    Multipage files up to 4 GiB are in ImageJ's TIFF dialect, larger ones and float64 are
    OME BigTIFF.

    Examples
    --------
    >>> import tempfile
    >>> from icecoreseg import open_stack, write_stack
    >>> fraction = np.array([[[0.25, np.nan]]], dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_stack(fraction, f"{folder}/fraction.tif", voxel_size_um=58.24)
    ...     write_stack(fraction, f"{folder}/small", as_type="uint8")
    ...     open_stack(f"{folder}/fraction.tif").compute()
    ...     open_stack(f"{folder}/small").compute().tolist()
    array([[[0.25,  nan]]], dtype=float32)
    [[[64, 255]]]
    """
    stack = check_stack(stack, name="stack", kinds="ufb")
    if stack.dtype == bool:
        stack = stack.astype(np.uint8) if is_lazy(stack) else stack.view(np.uint8)
    if stack.dtype.str[1:] not in _TYPES:
        raise ValueError(
            f"stack has dtype {stack.dtype}; expected uint8, uint16, float32, float64 or bool."
        )
    said = {
        "voxel_size_um": None if voxel_size_um is None else check_voxel_size(voxel_size_um),
        "scale": None if as_type is None else scale_of(as_type),
        "metadata": check_metadata(metadata),
    }
    path = Path(path)
    dtype = stack.dtype if as_type is None else np.dtype(as_type)
    format = _choose(path, format, dtype)
    _check_options(format, overwrite, resume, as_type)
    given = stack
    if as_type is not None:
        stack = encode_fractions(stack, as_type)
    if format in ("npy", "tiff file"):
        _write_file(path, stack, format, overwrite, said, verbose)
        return
    target = _target(path, stack, format, said)
    run = _run(given, target, format, said, provenance)
    write_pieces(target, stack, run, overwrite=overwrite, resume=resume, verbose=verbose)


def _choose(path, format, dtype):
    """The format: "png" and "tiff" are folders of slices, "tiff file", "npy" and "zarr"."""
    named = _NAMED.get(path.suffix.lower())
    if format is not None:
        check_choice(format, ("png", "tiff", "npy", "zarr"), name="format")
        if (named or ("png" if format == "png" else "tiff")).split()[0] != format:
            raise ValueError(f"format={format!r} contradicts the path {path}.")
    if path.suffix.lower() == ".png":
        raise ValueError(f"{path} names one PNG file; name a folder to write PNG slices.")
    if path.suffix.lower() in _NOT_WRITTEN:
        raise ValueError(
            f"{path} names a file of a type that is not written; expected a folder, or a name "
            f"that ends in {', '.join(_NAMED)}."
        )
    if named is not None:
        return named
    format = format or ("tiff" if dtype.kind == "f" else "png")
    if format == "png" and dtype.kind == "f":
        raise ValueError(
            f"PNG cannot hold {dtype}; use format='tiff', or write labels or uint8 values."
        )
    return format


def _check_options(format, overwrite, resume, as_type):
    if resume and overwrite:
        raise ValueError("resume=True continues a run and overwrite=True replaces it; choose one.")
    if resume and format in ("npy", "tiff file"):
        raise ValueError("resume=True needs a folder of slices or a .zarr store, not one file.")
    if as_type is not None and format == "npy":
        raise ValueError(f"as_type={as_type!r} needs a format that holds the scale, not .npy.")


def _target(path, stack, format, said):
    """Where the pieces go."""
    if format == "zarr":
        import_zarr()
        per_piece = min(slices_per_chunk(stack.shape[1] * stack.shape[2]), stack.shape[0])
        attributes = {key: value for key, value in said.items() if value}
        return ZarrFolder(path, stack.shape, stack.dtype, per_piece, attributes)
    size = said["voxel_size_um"]
    text = as_text(**said)
    return SliceFolder(path, format, stack.shape[0], size and size[1:], text)


def _run(stack, target, format, said, provenance):
    """What identifies the run, as plain JSON values."""
    run = {
        "shape": stack.shape,
        "dtype": stack.dtype.name,
        "format": format,
        "slices_per_file": target.per_piece,
        **said,
        "input": input_of(stack, with_graph=provenance is None),
        "provenance": describe(provenance),
        "versions": versions(),
    }
    return json.loads(json.dumps(run))


def _write_file(path, stack, format, overwrite, said, verbose):
    """Write one file, in the order of the slices."""
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; expected the name of a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    slices = _slices(stack, description=f"write {path.name}", verbose=verbose)
    text = as_text(**said)
    with replacing(path) as temporary:
        if format == "npy":
            _write_npy(temporary, slices, stack)
        else:
            write_pages(temporary, slices, stack.shape, stack.dtype, said["voxel_size_um"], text)
    if format == "npy":
        sidecar_of(path).unlink(missing_ok=True)
        if text:
            write_whole(sidecar_of(path), text.encode())


def _slices(stack, *, description, verbose):
    """Yield the slices one by one, computing slab by slab."""
    for _, slab in iterate_slabs(stack, description=description, verbose=verbose):
        yield from slab


def _write_npy(target, slices, stack):
    header = {"descr": stack.dtype.str, "fortran_order": False, "shape": stack.shape}
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for pixels in slices:  # written, not mapped: a full disk is an error, not a bus error
            file.write(np.ascontiguousarray(pixels).tobytes())
