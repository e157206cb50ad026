"""A folder of slices as a target: one PNG or TIFF file per slice."""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from icecoreseg.stacks._files import PART, checksum, write_whole
from icecoreseg.stacks._manifest import NAME, read_manifest
from icecoreseg.stacks._names import slices_in_folder
from icecoreseg.stacks._png import encode_png
from icecoreseg.stacks._tiff_write import encode_tiff

_SUFFIX = {"png": ".png", "tiff": ".tif"}
_ENCODE = {"png": encode_png, "tiff": encode_tiff}


@dataclass(frozen=True)
class SliceFolder:
    """Where slices go, and what each file says besides its pixels; see `write_pieces`."""

    folder: Path
    format: str
    n_slices: int
    pixel_size_um: tuple | None = None
    text: str = ""
    per_piece = 1

    @property
    def n_pieces(self):
        """One file per slice."""
        return self.n_slices

    def name(self, number):
        """File name of a slice; all have the same length."""
        digits = max(5, len(str(self.n_slices - 1)))
        return f"slice_{number:0{digits}}{_SUFFIX[self.format]}"

    def length(self, number):
        """Slices in a file."""
        return 1

    def prepare(self):
        """Nothing but the folder is needed."""

    def write(self, number, slab):
        """Write a slab of one slice; the checksum of its file."""
        content = _ENCODE[self.format](slab[0], pixel_size_um=self.pixel_size_um, text=self.text)
        path = self.folder / self.name(number)
        write_whole(path, content)
        return checksum(path)

    def is_free(self, overwrite):
        """Whether there is no slice yet; refuses to touch slices that are not ours.

        Raises
        ------
        FileExistsError
            If there are slices, and `overwrite` is false.
        ValueError
            If there are slices with other names.
        """
        there = slices_in_folder(self.folder) if self.folder.is_dir() else []
        if there and not overwrite:
            raise FileExistsError(
                f"{self.folder} holds {len(there)} slices; pass overwrite=True to replace them, or "
                "resume=True to continue the run that wrote them."
            )
        template = self.name(0)
        for file in there:
            number = file.name.removeprefix("slice_").removesuffix(Path(template).suffix)
            if len(file.name) != len(template) or not number.isdecimal():
                raise ValueError(
                    f"{self.folder} holds {file.name}, which is not named like {template}; "
                    "choose another folder."
                )
        if self.folder.is_dir():
            read_manifest(self.folder)  # a foreign file of that name is an error
        return not there

    @contextmanager
    def replacement(self):
        """Give a target within the folder, whose slices replace the old ones if all went well.

        A lazy stack may still have to be read from the old slices, until the last is written.
        """
        with tempfile.TemporaryDirectory(prefix=".", suffix=PART, dir=self.folder) as name:
            yield replace(self, folder=Path(name))
            (self.folder / NAME).unlink(missing_ok=True)
            new = slices_in_folder(name)
            for file in new:
                os.replace(file, self.folder / file.name)
            for file in {*slices_in_folder(self.folder)} - {self.folder / f.name for f in new}:
                file.unlink()
            os.replace(Path(name) / NAME, self.folder / NAME)
