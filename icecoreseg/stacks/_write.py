"""Write a stack slab by slab, so that a reader never sees half a file."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from icecoreseg._progress import track
from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import check_choice, check_stack, check_voxel_size, is_lazy
from icecoreseg.stacks._names import TIFF_SUFFIXES, slices_in_folder
from icecoreseg.stacks._png import encode_png
from icecoreseg.stacks._tiff import encode_tiff, write_pages

_TYPES = ("u1", "u2", "f4", "f8")


def write_stack(stack, path, *, format=None, overwrite=False, voxel_size_um=None, verbose=False):
    """Write a stack to a folder of slices, a multipage TIFF or a ``.npy`` file.

    Nothing is lost on the way: the values that `open_stack` reads back are the same, and
    so is the dtype (but bool becomes uint8).

    Parameters
    ----------
    stack : array of shape (n_slices, n_rows, n_columns)
        uint8 (grey, labels), uint16, float32 (ice fractions), float64 or bool; numpy or
        dask. A lazy stack is computed slab by slab, never as a whole.
    path : str or path
        ``*.npy`` and ``*.tif``/``*.tiff`` are files; anything else is a folder, whose
        slices are named ``slice_00000.png`` and so on.
    format : {"png", "tiff", "npy"}, optional
        Checked against the name of a file; for folders it chooses the slices' format.
        Default there: PNG for integers, TIFF for floats (PNG cannot hold floats).
    overwrite : bool
        Whether an existing file, or slices that this function wrote before, may be replaced.
    voxel_size_um : float or tuple (z, y, x), optional
        Voxel size in micrometres. TIFF and PNG carry it, and Fiji opens them with it; a
        ``.npy`` file and the z spacing of a slice folder have no place for it.
    verbose : bool or int
        Whether to show a progress bar.

    Raises
    ------
    FileExistsError
        If something is there already and `overwrite` is false.
    ValueError
        For other shapes and dtypes, for floats in PNG, for a format that contradicts the
        path, and for a folder with slices that have other names.

    Notes
    -----
    Every file is written under a hidden temporary name in its final folder and then
    renamed. A run that is killed leaves complete slices in a new folder, and no TIFF or
    ``.npy`` file at all (or the old one). What is overwritten stays until all is written:
    the disk must hold both, and a lazy stack may go back to where it comes from (read it
    with `open_stack` again afterwards: the old array would show the new values).

    Multipage files up to 4 GiB are in ImageJ's TIFF dialect, larger ones and float64 are
    OME BigTIFF.

    Examples
    --------
    >>> import tempfile
    >>> from icecoreseg import open_stack, write_stack
    >>> fraction = np.array([[[0.25, np.nan]]], dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_stack(fraction, f"{folder}/fraction.tif", voxel_size_um=58.24)
    ...     open_stack(f"{folder}/fraction.tif").compute()
    array([[[0.25,  nan]]], dtype=float32)
    """
    stack = check_stack(stack, name="stack", kinds="ufb")
    if stack.dtype == bool:
        stack = stack.astype(np.uint8) if is_lazy(stack) else stack.view(np.uint8)
    if stack.dtype.str[1:] not in _TYPES:
        raise ValueError(
            f"stack has dtype {stack.dtype}; expected uint8, uint16, float32, float64 or bool."
        )
    path = Path(path)
    writer, format = _choose(path, format, stack.dtype)
    voxel_size_um = None if voxel_size_um is None else check_voxel_size(voxel_size_um)
    slices = _slices(stack, description=f"write {path.name}", verbose=verbose)
    writer(path, slices, stack, format, overwrite, voxel_size_um)


def _choose(path, format, dtype):
    """The writer for a path, and the format of its slices."""
    named = {".npy": "npy", **dict.fromkeys(TIFF_SUFFIXES, "tiff")}.get(path.suffix.lower())
    if format is not None:
        check_choice(format, ("png", "tiff", "npy"), name="format")
    if format is not None and (named or ("png" if format == "png" else "tiff")) != format:
        raise ValueError(f"format={format!r} contradicts the path {path}.")
    if path.suffix.lower() == ".png":
        raise ValueError(f"{path} names one PNG file; name a folder to write PNG slices.")
    if named is not None:
        return {"npy": _write_npy, "tiff": _write_multipage}[named], named
    format = format or ("tiff" if dtype.kind == "f" else "png")
    if format == "png" and dtype.kind == "f":
        raise ValueError(
            f"PNG cannot hold {dtype}; use format='tiff', or write labels or uint8 values."
        )
    return _write_folder, format


def _slices(stack, *, description, verbose):
    """Yield the slices one by one, computing slab by slab."""
    every = (pixels for _, slab in iterate_slabs(stack) for pixels in slab)
    return track(
        every, verbose=verbose, total=stack.shape[0], description=description, unit="slice"
    )


@contextmanager
def replacing(path):
    """Give a temporary path in the same folder, renamed to `path` if all went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _replacing_slices(folder):
    """Give the folder, or one within it whose slices replace the old ones if all went well.

    A lazy stack may still have to be read from the old slices, until the last is written.
    """
    if not slices_in_folder(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=folder) as name:
        yield Path(name)
        for file in slices_in_folder(name):
            os.replace(file, folder / file.name)


def _refuse_existing(path, overwrite):
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; expected the name of a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")


def _write_folder(folder, slices, stack, format, overwrite, voxel_size_um):
    suffix = {"png": ".png", "tiff": ".tif"}[format]
    digits = max(5, len(str(stack.shape[0] - 1)))
    files = [folder / f"slice_{number:0{digits}}{suffix}" for number in range(stack.shape[0])]
    surplus = _surplus(folder, files, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    with _replacing_slices(folder) as place:
        for file, pixels in zip(files, slices, strict=True):
            with replacing(place / file.name) as temporary:
                _write_slice(temporary, pixels, format, voxel_size_um)
    for file in surplus:
        file.unlink()


def _write_slice(target, pixels, format, voxel_size_um):
    if format == "tiff":
        encode_tiff(target, pixels, voxel_size_um)
        return
    pixel_size_um = None if voxel_size_um is None else voxel_size_um[1:]
    target.write_bytes(encode_png(pixels, pixel_size_um=pixel_size_um))


def _surplus(folder, files, overwrite):
    """Slices of an earlier, longer stack; refuses to touch anything else."""
    there = slices_in_folder(folder) if folder.is_dir() else []
    if there and not overwrite:
        raise FileExistsError(
            f"{folder} holds {len(there)} slices; pass overwrite=True to replace them."
        )
    template = files[0].name
    for file in there:
        number = file.name.removeprefix("slice_").removesuffix(files[0].suffix)
        if len(file.name) != len(template) or not number.isdecimal():
            raise ValueError(
                f"{folder} holds {file.name}, which is not named like {template}; "
                "choose another folder."
            )
    return [file for file in there if file not in set(files)]


def _write_multipage(path, slices, stack, format, overwrite, voxel_size_um):
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write_pages(temporary, slices, stack.shape, stack.dtype, voxel_size_um)


def _write_npy(path, slices, stack, format, overwrite, voxel_size_um):
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"descr": stack.dtype.str, "fortran_order": False, "shape": stack.shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for pixels in slices:  # written, not mapped: a full disk is an error, not a bus error
            file.write(np.ascontiguousarray(pixels).tobytes())
