"""TIFF slices and multipage TIFF files: what they promise, and their pixels.

tifffile reads the pixels. The chain of pages is walked here, because tifffile takes a
file that lost its end for a shorter stack, and a stack that lost its end must not pass.
"""

import struct
from contextlib import contextmanager

import numpy as np
import tifffile

from icecoreseg.stacks._png import SliceHeader, check_pixels


def check_page(page, path):
    """Header of one TIFF page.

    Raises
    ------
    ValueError
        If it is not a grey image of 1, 8 or 16 bits or of floats.
    OSError
        If the page's pixels lie beyond the end of the file.
    """
    kind = getattr(page.photometric, "name", page.photometric)
    if page.samplesperpixel != 1 or kind != "MINISBLACK" or page.ndim != 2:
        raise ValueError(
            f"{path} holds a page of kind {kind} and shape {page.shape}; expected a grey slice "
            "(one sample per pixel, black is zero)."
        )
    if page.dtype is None or page.dtype.str[1:] not in ("b1", "u1", "u2", "f4", "f8"):
        raise ValueError(
            f"{path} has pixels of type {page.dtype}; expected uint8, uint16, float32, float64 "
            "or a mask of 1 bit."
        )
    check_pixels(path, *page.shape)
    ends = [
        offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    if not ends or max(ends) > page.parent.filehandle.size:
        raise OSError(f"{path} is truncated: pixels of page {page.index} lie beyond its end.")
    dtype = np.dtype(np.uint8) if page.dtype == bool else page.dtype.newbyteorder("=")
    return SliceHeader(page.shape, dtype)


@contextmanager
def open_tiff(path):
    """`tifffile.TiffFile` of a path, whose failures are OSErrors that name the file.

    Pages are parsed when they are touched, so that this holds until the file is closed.
    """
    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except OSError:
        raise
    except Exception as error:  # a broken file can make a parser fail in any way
        if isinstance(error, ValueError) and str(path) in str(error):
            raise  # a check of ours
        raise OSError(f"{path} cannot be read as TIFF: {error}") from error


def decode_page(page, path):
    """Pixels of one page; a mask of 1 bit becomes uint8 0 and 1."""
    try:
        pixels = page.asarray()
    except Exception as error:
        raise OSError(f"{path} cannot be decoded (page {page.index}): {error}") from error
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def read_tiff_header(path):
    """Shape and dtype of a TIFF slice, which must be the only one in its file."""
    with open_tiff(path) as file:
        n_pages = len(page_offsets(path))
        if n_pages != 1:
            raise ValueError(f"{path} holds {n_pages} pages; expected a single slice.")
        return check_page(file.pages[0], path)


def read_tiff(path):
    """Pixels of a TIFF slice."""
    read_tiff_header(path)
    with open_tiff(path) as file:
        return decode_page(file.pages[0], path)


def page_offsets(path):
    """Where the pages of a TIFF file begin, following the chain to its end.

    Raises
    ------
    OSError
        If the chain leaves the file (it is truncated) or turns back on itself.
    """
    with open(path, "rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:4] in (b"\x2b\x00", b"\x00\x2b")
        count, pointer, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
        at = 8 if big else 4
        offsets = {}  # of pages, in order; a set would forget it
        try:
            offset = _number(file, order + pointer, at)
            while offset:
                if offset in offsets:
                    raise OSError(f"{path} is damaged: its pages form a circle.")
                offsets[offset] = None
                n_tags = _number(file, order + count, offset)
                at = offset + struct.calcsize(order + count) + entry * n_tags
                offset = _number(file, order + pointer, at)
        except struct.error as error:
            raise OSError(f"{path} is truncated after {len(offsets)} pages.") from error
    return list(offsets)


def _number(file, form, at):
    file.seek(at)
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]
