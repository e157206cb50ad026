"""Stacks on disk: folders of PNG or TIFF slices, multipage TIFF and ``.npy`` files."""

from icecoreseg.stacks._open import open_stack
from icecoreseg.stacks._write import write_stack

__all__ = ["open_stack", "write_stack"]
