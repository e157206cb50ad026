"""Stacks as zarr arrays (extra ``scale``): one compressed chunk per slice or few slices."""

import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from icecoreseg.stacks._files import PART, checksum
from icecoreseg.stacks._manifest import NAME, read_manifest
from icecoreseg.stacks._sources import Source, array_header

_CHUNK_VOXELS = 2**22
_OPENING = Lock()  # zarr's settings are global, and taken over when an array is opened


def import_zarr():
    """The zarr package, or an ImportError that says how to get it."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError("zarr stores need zarr: pip install 'icecoreseg[scale]'.") from error
    return zarr


def slices_per_chunk(slice_voxels):
    """Slices of one chunk: about 4 million voxels, at least one slice."""
    return max(1, _CHUNK_VOXELS // slice_voxels)


@dataclass(frozen=True)
class ZarrFolder:
    """A zarr array to be written chunk by chunk; see `write_pieces`."""

    folder: Path
    shape: tuple
    dtype: np.dtype
    per_piece: int
    attributes: dict

    @property
    def n_slices(self):
        """Length of the stack."""
        return self.shape[0]

    @property
    def n_pieces(self):
        """Chunks along z; slices are not divided."""
        return -(-self.n_slices // self.per_piece)

    def name(self, piece):
        """Path of a chunk within the store (zarr format 3)."""
        return f"c/{piece}/0/0"

    def length(self, piece):
        """Slices in a chunk."""
        return min(self.per_piece, self.n_slices - piece * self.per_piece)

    def prepare(self):
        """Write the array's own header, anew if it is there."""
        (self.folder / "zarr.json").unlink(missing_ok=True)
        zarr = import_zarr()
        zarr.create_array(
            self.folder,
            shape=self.shape,
            chunks=(self.per_piece, *self.shape[1:]),
            dtype=self.dtype,
            fill_value=0,
            compressors=zarr.codecs.ZstdCodec(level=0, checksum=True),
            attributes=self.attributes,
            dimension_names=("z", "y", "x"),
            config={"write_empty_chunks": True},
            zarr_format=3,
        )

    def _open_to_write(self):
        """The array, set to write chunks of AIR alone too: one that is missing is an error."""
        zarr = import_zarr()
        with _OPENING, zarr.config.set({"array.write_empty_chunks": True}):
            return zarr.open_array(self.folder, mode="r+")

    def write(self, piece, slab):
        """Write the slices of a chunk; its checksum."""
        array = self._open_to_write()
        start = piece * self.per_piece
        try:
            array[start : start + len(slab)] = slab
        except OSError as error:
            raise OSError(
                error.errno, error.strerror, str(self.folder / self.name(piece))
            ) from error
        return checksum(self.folder / self.name(piece))

    def is_free(self, overwrite):
        """Whether nothing is there; refuses to touch what is not a store of ours.

        Raises
        ------
        FileExistsError
            If there is a store, and `overwrite` is false.
        ValueError
            If there is something else.
        """
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        if all(path.name.endswith(PART) for path in there):
            return True
        if not overwrite:
            raise FileExistsError(
                f"{self.folder} exists; pass overwrite=True to replace it, or resume=True to "
                "continue the run that wrote it."
            )
        if read_manifest(self.folder) is None:
            raise ValueError(f"{self.folder} holds no {NAME}: write_stack did not write it.")
        return False

    @contextmanager
    def replacement(self):
        """Give a target beside the store, which replaces it if all went well."""
        new, old = (
            self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}{PART}") for _ in "12"
        )
        try:
            yield replace(self, folder=new)
            self.folder.rename(old)
            new.rename(self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


class ZarrArray(Source):
    """A zarr store that holds one array of three dimensions; format 2 or 3."""

    def __init__(self, path, *, on_error="raise", outside=np.nan):
        array = _open(path)
        super().__init__(path, array.shape[0], array_header(array, path))
        self.per_piece = array.chunks[0]
        self.on_error, self.outside = on_error, outside
        manifest = read_manifest(path)
        self.names = None if manifest is None else sorted(manifest.checksums)

    def files_read(self):
        return sorted(file for file in self.path.rglob("*") if file.is_file())

    def read(self, numbers):
        array, at, piece = _open(self.path), None, None
        for number in numbers:
            if number // self.per_piece != at:
                at = number // self.per_piece
                piece = self._read_piece(array, at)
            yield piece[number - at * self.per_piece]

    def _read_piece(self, array, number):
        start = number * self.per_piece
        stop = min(start + self.per_piece, self.shape[0])
        name = f"c/{number}/0/0"
        try:
            if self.names and name in self.names and not (self.path / name).is_file():
                raise OSError("the chunk is missing")  # zarr would give zeros: that is AIR
            return array[start:stop]
        except Exception as error:  # a damaged chunk can make a codec fail in any way
            message = f"{self.path}: slices {start} to {stop - 1} cannot be read: {error}"
            if self.on_error == "raise":
                raise OSError(message) from error
            self.warn(message)
            return np.full((stop - start, *self.shape[1:]), self.outside, dtype=self.dtype)


def read_attributes(path):
    """The attributes of the array of a store."""
    return dict(_open(path).attrs)


def is_zarr(path):
    """Whether a folder is a zarr store."""
    return any((Path(path) / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def _open(path):
    """The store's array; of a group, the only one of three dimensions."""
    zarr = import_zarr()
    try:
        node = zarr.open(path, mode="r")
    except Exception as error:  # as above
        raise OSError(f"{path} cannot be read as zarr: {error}") from error
    if isinstance(node, zarr.Array):
        return node
    stacks = {name: array for name, array in node.arrays() if array.ndim == 3}
    if len(stacks) != 1:
        raise ValueError(f"{path} is a zarr group with the stacks {sorted(stacks)}; name one.")
    return next(iter(stacks.values()))
