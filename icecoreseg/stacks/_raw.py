"""Raw voxels behind a short header: MetaImage (``.mhd``, ``.mha``) and NRRD, uncompressed.

Both name the axes fastest first, so that sizes and spacings read (x, y, z); their spacings are
taken for millimetres unless NRRD says otherwise. Formats: MetaIO documentation (Insight
Software Consortium), and Teem's "Definition of NRRD File Format".
"""

from pathlib import Path

import numpy as np

from icecoreseg.stacks._png import SliceHeader
from icecoreseg.stacks._sources import Source

RAW_SUFFIXES = (".mhd", ".mha", ".nrrd", ".nhdr")
_UM = {"um": 1.0, "µm": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3, "mm": 1e3, "m": 1e6}
_META_TYPES = {"MET_UCHAR": "u1", "MET_USHORT": "u2", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"}
_NRRD_TYPES = {
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "f4": ("float",),
    "f8": ("double",),
}


class RawFile(Source):
    """Voxels of one type in z, y, x order, from some byte of a file on."""

    def __init__(self, path):
        self.file, self.offset, self.raw, shape, self.voxel_size_um = read_raw_header(path)
        dtype = np.dtype(self.raw)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"{path} has the sizes {shape[::-1]}; expected three, (x, y, z).")
        expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        size = self.file.stat().st_size
        if self.offset < 0:  # MetaImage: the voxels are the end of the file
            self.offset = size - expected
        if self.offset < 0 or size - self.offset < expected:
            raise OSError(f"{self.file} is truncated: {size} bytes, {expected} of voxels expected.")
        super().__init__(Path(path), shape[0], SliceHeader(shape[1:], dtype.newbyteorder("=")))

    def files_read(self):
        return [self.path, self.file]

    def read(self, numbers):
        shape, kind = self.shape, self.raw
        stack = np.memmap(self.file, kind, mode="r", offset=self.offset, shape=shape)
        yield from (stack[number] for number in numbers)


def read_raw_header(path):
    """What a header says about the voxels.

    Returns
    -------
    tuple
        (file of the voxels, offset, type as ``"<u2"``, shape (z, y, x), voxel size in um or None)

    Raises
    ------
    OSError
        If there is no such header, or the file of the voxels is missing.
    ValueError
        If the voxels are compressed, in several files, or of another type.
    """
    path = Path(path)
    with path.open("rb") as file:
        read = _read_nrrd if file.readline(80).startswith(b"NRRD") else _read_meta
        try:
            name, *header = read(path, file)
        except (KeyError, IndexError) as error:
            raise OSError(f"{path} lacks the header entry {error}, or is cut off.") from error
    data = path if name is None else path.parent / name
    if not data.is_file():
        raise FileNotFoundError(f"{path} names {data}, which is not there.")
    return data, *header


def _read_meta(path, file):
    file.seek(0)
    said = {}
    for line in file:
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            raise OSError(f"{path} is no MetaImage: {line[:40]!r} is no 'key = value'.")
        said[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":  # the last one; voxels may follow
            break
    name = said["ElementDataFile"]
    if said.get("CompressedData", "False").lower() == "true" or name == "LIST" or "%" in name:
        raise ValueError(f"{path}: expected uncompressed voxels in one file.")
    kind = _known(path, said["ElementType"], _META_TYPES, "ElementType")
    if int(said.get("ElementNumberOfChannels", 1)) != 1:
        raise ValueError(f"{path}: expected one grey value per voxel.")
    order = said.get("BinaryDataByteOrderMSB", said.get("ElementByteOrderMSB", "False"))
    spacing = said.get("ElementSpacing", said.get("ElementSize"))
    local = name.upper() == "LOCAL"
    offset = file.tell() if local else int(said.get("HeaderSize", 0))
    sizes = tuple(int(size) for size in said["DimSize"].split())
    order = ">" if order.lower() == "true" else "<"
    edges = None if spacing is None else [float(edge) * 1e3 for edge in spacing.split()]
    return None if local else name, offset, order + kind, sizes[::-1], _edges(edges)


def _read_nrrd(path, file):
    said = {}
    for line in file:
        text = line.decode("latin-1").strip()
        if not text:
            break
        key, colon, value = text.partition(":")
        if colon and not text.startswith("#"):
            said[key.strip().lower()] = value.strip(" =")
    if said["encoding"].lower() != "raw":
        raise ValueError(f"{path} has the encoding {said['encoding']!r}; expected raw voxels.")
    types = {alias: kind for kind, aliases in _NRRD_TYPES.items() for alias in aliases}
    kind = _known(path, said["type"].lower(), types, "type")
    name = said.get("data file", said.get("datafile"))
    if name is not None and (name.startswith("LIST") or "%" in name):
        raise ValueError(f"{path}: expected voxels in one file.")
    offset = file.tell() if name is None else 0
    skip = int(said.get("byte skip", said.get("byteskip", 0)))
    if int(said.get("line skip", said.get("lineskip", 0))):
        raise ValueError(f"{path}: line skip is not expected before raw voxels.")
    sizes = tuple(int(size) for size in said["sizes"].split())
    order = ">" if said.get("endian", "little").lower() == "big" else "<"
    return name, -1 if skip == -1 else offset + skip, order + kind, sizes[::-1], _nrrd_edges(said)


def _known(path, name, types, key):
    if name not in types:
        raise ValueError(f"{path} has {key} {name}; expected one of {', '.join(types)}.")
    return types[name]


def _nrrd_edges(said):
    """Voxel edges (x, y, z) in micrometres, from the spacings or the axes' directions."""
    unit = said.get("space units", said.get("units", "mm")).replace('"', "").split()[0]
    if "spacings" in said:
        edges = [float(edge) for edge in said["spacings"].split()]
    elif "space directions" in said:
        vectors = said["space directions"].replace("(", " ").replace(")", " ").split()
        edges = [float(np.hypot.reduce(np.array(v.split(","), float))) for v in vectors]
    else:
        return None
    return _edges([edge * _UM.get(unit.lower(), np.nan) for edge in edges])


def _edges(edges):
    """(z, y, x) of (x, y, z); None unless all are positive numbers."""
    known = edges is not None and len(edges) == 3 and all(edge > 0 for edge in edges)
    return tuple(edges[::-1]) if known else None
