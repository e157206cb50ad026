"""Open a stack on disk without loading it."""

from pathlib import Path

import dask.array as da
import numpy as np

from icecoreseg._slabs import slab_bounds
from icecoreseg._validation import check_choice, check_outside, check_positive_int
from icecoreseg.stacks._names import IMAGE_SUFFIXES, PNG_SUFFIXES, TIFF_SUFFIXES, find_slices
from icecoreseg.stacks._sources import NpyFile, SliceFiles, TiffPages


def open_stack(path, *, slab=None, on_error="raise", outside=np.nan):
    """Open a stack on disk lazily, as a dask array with one chunk per slab of slices.

    Parameters
    ----------
    path : str or path
        A folder of PNG or TIFF slices, a pattern such as ``"scan/block_0_*.png"``, a
        single PNG, a (multipage) TIFF file, or a ``.npy`` file. Slices are put in
        natural order (2 before 10); hidden files and files of other types do not count.
    slab : int, optional
        Slices per chunk. Default: about 8 million voxels, and an even number of slices,
        so that pairs of slices stay together.
    on_error : {"raise", "outside"}
        What to do about a slice of a folder that cannot be read or differs in size
        or dtype from most of the others: raise an error, or mark the whole slice as
        outside, with a warning that names the file.
    outside : float or int
        The value of a slice that is left outside. NaN fits slices of floats only.

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
        ``PIL.Image.MAX_IMAGE_PIXELS``.

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
    source = _source(path, on_error, outside)
    if on_error == "outside":
        check_outside(outside, source.dtype)
        if source.dtype.kind == "u" and np.isnan(outside):
            raise ValueError(f"on_error='outside' needs an integer outside= for {source.dtype}.")
    return da.from_array(
        source,
        chunks=(_slab_length(slab, source.shape), -1, -1),
        name=False,  # files may change between two calls: never taken for the same array
        fancy=False,
        meta=np.empty((0, 0, 0), dtype=source.dtype),
    )


def _source(path, on_error, outside):
    suffix = Path(path).suffix.lower()
    if not Path(path).is_file():
        files = find_slices(path)
    elif suffix in TIFF_SUFFIXES:
        return TiffPages(Path(path))
    elif suffix == ".npy":
        return NpyFile(Path(path))
    elif suffix in PNG_SUFFIXES:
        files = [Path(path)]
    else:
        raise ValueError(
            f"{path} is of type {suffix!r}; expected a folder, a pattern, or a file of type "
            f"{', '.join(IMAGE_SUFFIXES)} or .npy."
        )
    return SliceFiles(Path(path), files, on_error=on_error, outside=outside)


def _slab_length(slab, shape):
    if slab is not None:
        return check_positive_int(slab, name="slab")
    return next(slab_bounds(shape[0], shape[1] * shape[2], multiple=2))[1]
