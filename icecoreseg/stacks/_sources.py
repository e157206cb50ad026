"""Stacks on disk that can be sliced like arrays: what dask reads its slabs from.

A source knows shape and dtype and reads slices on demand. It holds paths and numbers
only, so that it travels cheaply to the workers of a cluster.
"""

import hashlib
import warnings
from collections import Counter
from pathlib import Path

import dask.array as da
import numpy as np

from icecoreseg.stacks._memory import empty
from icecoreseg.stacks._png import SliceHeader, check_header, read_png, read_png_header
from icecoreseg.stacks._tiff import (
    check_page,
    decode_page,
    open_tiff,
    page_offsets,
    read_tiff,
    read_tiff_header,
)


class Source:
    """An array of shape (n_slices, n_rows, n_columns) on disk; children read slices."""

    ndim = 3
    per_piece = 1
    """Slices that are best read together."""

    def __init__(self, path, n_slices, header):
        self.path = path
        self.shape = (n_slices, *header.shape)
        self.dtype = header.dtype

    def read(self, numbers):
        """Yield the slices with the given numbers."""
        raise NotImplementedError

    def read_into(self, slab, numbers):
        """Fill a slab, C-contiguous and of the stack's dtype, with the given slices."""
        for row, pixels in zip(slab, self.read(numbers), strict=True):
            row[...] = pixels

    @staticmethod
    def warn(error):
        """Warn that slices are left outside."""
        warnings.warn(f"Slice marked as outside: {error}", UserWarning, stacklevel=3)

    def files_read(self):
        """The files that the slices are read from."""
        return [self.path]

    def fingerprint(self):
        """Name of the stack, and a digest of the names, sizes and times of its files."""
        stats = [(file.name, *_size_and_time(file)) for file in self.files_read()]
        digest = hashlib.sha256(repr(stats).encode()).hexdigest()
        return {"name": self.path.name, "n_files": len(stats), "files": digest}

    def __getitem__(self, key):
        """Some slices, whatever dask makes of an index: each axis has its own."""
        along_z, *in_plane = key if isinstance(key, tuple) else (key,)
        numbers = np.arange(self.shape[0])[along_z]
        slab = empty((np.size(numbers), *self.shape[1:]), self.dtype)
        self.read_into(slab, np.atleast_1d(numbers).tolist())
        for axis in reversed(range(len(in_plane))):
            slab = slab[(*(slice(None),) * (axis + 1), in_plane[axis])]
        return slab if np.ndim(numbers) else slab[0]


def as_lazy(source, length):
    """A source as a dask array in slabs of some slices; taking one slice of it reads one slice."""
    return da.from_array(
        source,
        chunks=(length, -1, -1),
        name=False,  # files may change between two calls: never taken for the same array
        meta=np.empty((0, 0, 0), dtype=source.dtype),
    )


def _size_and_time(file):
    try:
        status = file.stat()
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


class SliceFiles(Source):
    """A folder with one file per slice."""

    def __init__(self, path, files, *, on_error, outside):
        self.files = files
        self.on_error = on_error
        self.outside = outside
        super().__init__(path, len(files), _common_header(files, on_error))

    def files_read(self):
        return self.files

    def fingerprint(self):
        return {**super().fingerprint(), "on_error": self.on_error, "outside": repr(self.outside)}

    def read_into(self, slab, numbers):
        expected = SliceHeader(self.shape[1:], self.dtype)
        for row, number in zip(slab, numbers, strict=True):
            try:
                _read_slice(self.files[number], expected, row)
            except (OSError, ValueError) as error:
                if self.on_error == "raise":
                    raise
                self.warn(error)
                row[...] = self.outside


def _read_slice(file, expected, out):
    """Decode a slice into an array, if it is what is expected."""
    if _is_png(file):
        read_png(file, expected, out)
        return
    pixels = read_tiff(file)
    check_header(file, SliceHeader(pixels.shape, pixels.dtype), expected)
    out[...] = pixels


def _is_png(file):
    return Path(file).suffix.lower() == ".png"


def _common_header(files, on_error):
    """The header that most slices have; the others are an error, or to be left outside."""
    headers = {}
    for file in files:
        try:
            headers[file] = (read_png_header if _is_png(file) else read_tiff_header)(file)
        except (OSError, ValueError):
            if on_error == "raise":
                raise
    if not headers:
        raise OSError(f"None of the {len(files)} slices in {files[0].parent} can be read.")
    expected = Counter(headers.values()).most_common(1)[0][0]
    if on_error == "raise":
        for file, header in headers.items():
            check_header(file, header, expected)
    return expected


class TiffPages(Source):
    """A multipage TIFF file, or an ImageJ file whose one page stands before all slices."""

    def __init__(self, path):
        n_pages = len(page_offsets(path))
        with open_tiff(path) as file:
            expected = check_page(file.pages[0], path)
            for page in file.pages:
                header = check_page(page, path)
                if header != expected:
                    raise ValueError(
                        f"{path}: page {page.index} is {header}; page 0 is {expected}."
                    )
            self.raw_offset = _raw_offset(file, path, n_pages)
            n_slices = _n_images(file) if self.raw_offset else n_pages
        super().__init__(path, n_slices, expected)

    def read(self, numbers):
        if self.raw_offset:
            raw, offset = self.raw_offset
            stack = np.memmap(self.path, raw, mode="r", offset=offset, shape=self.shape)
            yield from (stack[number] for number in numbers)
            return
        with open_tiff(self.path) as file:
            for number in numbers:
                yield decode_page(file.pages[number], self.path)


def _n_images(file):
    return int((file.imagej_metadata or {}).get("images", 1)) if file.is_imagej else 1


def _raw_offset(file, path, n_pages):
    """dtype and offset of ImageJ's pixels, if fewer pages than slices are described."""
    n_images = _n_images(file)
    if n_pages >= n_images:
        return None
    page = file.pages[0]
    end = page.dataoffsets[0] + n_images * page.nbytes
    if n_pages > 1 or not page.is_contiguous or end > file.filehandle.size:
        raise OSError(f"{path} is truncated: {n_pages} of {n_images} ImageJ slices are there.")
    return file.byteorder + page.dtype.str[1:], page.dataoffsets[0]


class NpyFile(Source):
    """A ``.npy`` file, mapped into memory."""

    def __init__(self, path):
        stack = _map_npy(path)
        super().__init__(path, stack.shape[0], array_header(stack, path))

    def read(self, numbers):
        stack = _map_npy(self.path)
        yield from (stack[number] for number in numbers)


_ARRAY_TYPES = ("u1", "u2", "f4", "f8", "b1")


def array_header(array, path):
    """`SliceHeader` of an array on disk, or a ValueError if it is no stack."""
    if array.ndim != 3 or 0 in array.shape or array.dtype.str[1:] not in _ARRAY_TYPES:
        raise ValueError(
            f"{path} holds an array of shape {array.shape} and dtype {array.dtype}; expected "
            "(n_slices, n_rows, n_columns) of uint8, uint16, float32, float64 or bool."
        )
    dtype = np.dtype(np.uint8) if array.dtype == bool else array.dtype.newbyteorder("=")
    return SliceHeader(array.shape[1:], dtype)


def _map_npy(path):
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python, which can fail in any way
        raise OSError(f"{path} cannot be read as .npy, or is truncated: {error}") from error
