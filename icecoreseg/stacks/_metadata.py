"""What is known about a stack besides its voxels: a short JSON text that travels with it.

The text holds ``voxel_size_um`` (z, y, x), ``scale`` (how integers stand for fractions) and
``metadata`` (what the caller says: core, bag, depth...). It stands in the description of a
TIFF page, in a tEXt chunk of a PNG, in the attributes of a zarr array and in the manifest.
"""

import json
from math import isfinite

from icecoreseg._validation import check_voxel_size

RESERVED = ("voxel_size_um", "scale")
KEYWORD = "icecoreseg"
"""Key under which the text stands, where a format needs one."""


def check_metadata(metadata):
    """Return a dict of texts, numbers, booleans, None, lists and dicts, as JSON knows them.

    Raises
    ------
    ValueError
        For other values, for keys that are no texts, and for the names in `RESERVED`.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata must be a dict, got {type(metadata).__name__}.")
    for key, value in metadata.items():
        if not isinstance(key, str) or key in RESERVED:
            raise ValueError(f"metadata has the key {key!r}; expected a text not in {RESERVED}.")
        if not _is_plain(value):
            raise ValueError(
                f"metadata[{key!r}] is {value!r}; expected a text, a finite number, a boolean, "
                "None, or lists and dicts of these."
            )
    return json.loads(json.dumps(metadata))


def _is_plain(value):
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    return value is None or isinstance(value, str | bool | int)


def as_text(voxel_size_um, scale, metadata):
    """The JSON text, ASCII only; empty if there is nothing to say.

    Examples
    --------
    >>> as_text((60.0, 30.0, 30.0), None, {"core": "B40"})
    '{"metadata": {"core": "B40"}, "voxel_size_um": [60.0, 30.0, 30.0]}'
    """
    said = {"voxel_size_um": voxel_size_um, "scale": scale, "metadata": metadata}
    said = {key: value for key, value in said.items() if value}
    return json.dumps(said, sort_keys=True) if said else ""


def from_text(text):
    """The dict that `read_metadata` gives, or an empty one if the text is not ours."""
    try:
        said = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return flatten(said) if isinstance(said, dict) else {}


def flatten(said):
    """One dict: the caller's entries, and ``voxel_size_um`` and ``scale`` if known."""
    metadata = said.get("metadata")
    found = dict(metadata) if isinstance(metadata, dict) else {}
    if said.get("voxel_size_um"):
        found["voxel_size_um"] = check_voxel_size(said["voxel_size_um"])
    if said.get("scale"):
        found["scale"] = said["scale"]
    return found
