"""Stacks on disk: slice folders, multipage TIFF, ``.npy``, zarr, and raw voxels with a header."""

from icecoreseg.stacks._open import open_stack
from icecoreseg.stacks._read_metadata import read_metadata
from icecoreseg.stacks._write import write_stack

__all__ = ["open_stack", "read_metadata", "write_stack"]
