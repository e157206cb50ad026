"""How TIFF slices and multipage TIFF files are written, with what is known about the stack.

Multipage files up to 4 GiB speak ImageJ's dialect, larger ones and float64 are OME BigTIFF.
"""

import io
from xml.etree import ElementTree

import numpy as np
import tifffile

from icecoreseg.stacks._tiff import open_tiff

_LARGEST_IMAGEJ = 2**32 - 2**20
"""Bytes: the offsets of a classic TIFF file have 32 bits."""


def write_pages(target, slices, shape, dtype, voxel_size_um, text=""):
    """Write slices as one multipage file: ImageJ's dialect, or OME BigTIFF above 4 GiB.

    Parameters
    ----------
    target : path
        The file to write.
    slices : iterator of arrays of shape (n_rows, n_columns)
        As many as ``shape[0]``.
    shape, dtype : tuple, dtype
        Of the stack.
    voxel_size_um : tuple (z, y, x) of float, or None
        Fiji shows it as the pixel size and the slice spacing.
    text : str
        What Fiji shows as the image's info, or OME as its description.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    imagej = n_bytes < _LARGEST_IMAGEJ and dtype.str[1:] in ("u1", "u2", "f4")
    imagej = imagej and shape[2] > 1  # tifffile drops an axis of one column from such files
    dialect = {"imagej": True} if imagej else {"bigtiff": True, "ome": True}
    metadata = {"axes": "ZYX"}
    if text:
        metadata["Info" if imagej else "Description"] = text
    options = (_size_imagej if imagej else _size_ome)(voxel_size_um, metadata)
    with tifffile.TiffWriter(target, **dialect) as file:
        file.write(iter(slices), shape=shape, dtype=dtype, photometric="minisblack", **options)


def encode_tiff(pixels, *, pixel_size_um=None, text=""):
    """Bytes of a plain TIFF file with one slice; parameters as `encode_png`."""
    sizes = {} if pixel_size_um is None else _pixels_per_centimetre(pixel_size_um)
    file = io.BytesIO()
    tifffile.imwrite(
        file, pixels, photometric="minisblack", metadata=None, description=text or None, **sizes
    )
    return file.getvalue()


def read_tiff_text(path):
    """The text that `write_pages` or `encode_tiff` wrote into a file, or None."""
    with open_tiff(path) as file:
        if file.is_imagej:
            return (file.imagej_metadata or {}).get("Info")
        if file.is_ome:
            root = ElementTree.fromstring(file.ome_metadata)
            return next(
                (node.text for node in root.iter() if node.tag.endswith("}Description")), None
            )
        return file.pages[0].description


def _pixels_per_centimetre(pixel_size_um):
    down, across = pixel_size_um
    return {"resolution": (1e4 / across, 1e4 / down), "resolutionunit": "CENTIMETER"}


def _size_imagej(voxel_size_um, metadata):
    if voxel_size_um is None:
        return {"metadata": metadata}
    spacing, down, across = voxel_size_um
    metadata = {**metadata, "spacing": spacing, "unit": "um"}
    return {"metadata": metadata, "resolution": (1 / across, 1 / down), "resolutionunit": "NONE"}


def _size_ome(voxel_size_um, metadata):
    if voxel_size_um is None:
        return {"metadata": metadata}
    sizes = dict(zip("ZYX", voxel_size_um, strict=True))
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in sizes}
    sizes = {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    return {"metadata": metadata | sizes | units} | _pixels_per_centimetre(voxel_size_um[1:])
