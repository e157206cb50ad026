"""Names for what the signatures say; the shapes stand in the docstrings."""

from typing import Any, TypeAlias

Stack: TypeAlias = Any
"""A numpy or dask array of shape (n_slices, n_rows, n_columns), or what NumPy makes one of."""

VoxelSize: TypeAlias = float | tuple[float, float, float]
"""Voxel edge in micrometres, or edges (z, y, x)."""
