"""Damage files in many ways and read them: a program of its own, with bounded memory and time.

``python -m tests.fuzz_worker SEED KIND:N_CASES ...`` prints one line per offence: a reader that
raised something that it does not document, or took too long. ``tests/test_fuzz.py`` runs it; by
hand, with many cases and other seeds, it finds more.
"""

import faulthandler
import io
import json
import pickle
import random
import resource
import signal
import struct
import sys
import tempfile
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from icecoreseg import open_stack, read_metadata, write_stack

DOCUMENTED = (OSError, ValueError)
MEMORY = 3 * 2**30
"""Bytes of address space that reading may add."""

SECONDS = 10
"""That one small file may take."""

EXTREMES = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (3, 20, 16), dtype=np.uint8)
DEEP = RNG.integers(0, 2**16, (3, 20, 16), dtype=np.uint16)


class TooSlow(BaseException):
    """A file took longer than SECONDS."""


def too_slow(*_):
    raise TooSlow


def damage(data, rng):
    """Bytes with one to three faults: flipped, cut, doubled, or a number made extreme."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        where = rng.choice([len(data), min(len(data), 300)])  # headers first
        at, n = rng.randrange(max(1, where)), rng.randint(1, 40)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([(data[at : at + 1] or b"\0")[0] ^ 1 << rng.randrange(8)])
            case 2:
                order, code = rng.choice("<>"), rng.choice("BHIQ")
                number = rng.choice(EXTREMES) % 2 ** (8 * struct.calcsize(code))
                data[at : at + struct.calcsize(code)] = struct.pack(order + code, number)
            case 3:
                del data[at : at + n]
            case 4:
                data[at:at] = data[at : at + n] or b"\0"
            case 5:
                del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def mend_png(data):
    """The same with checksums that hold, so that damage reaches the decoder."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        (n,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + n]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + n
    return out + data[at:]


def damage_png(data, rng):
    data = damage(data, rng)
    return mend_png(data) if rng.random() < 0.7 else data


def png_files():
    for pixels in (GREY[0], DEEP[0], GREY[0] > 99):
        yield from saved(lambda path, p=pixels: Image.fromarray(p).save(path), ".png")
    grey_palette = Image.fromarray(GREY[0])
    grey_palette.putpalette([level for grey in range(256) for level in (grey,) * 3])
    yield from saved(grey_palette.save, ".png")


def tiff_files():
    for X in (GREY, DEEP, DEEP.astype(np.float32)):
        for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}):
            yield from saved(lambda path, X=X, o=options: write_pages(path, X, o), ".tif")
    yield from saved(lambda path: tifffile.imwrite(path, DEEP, imagej=True), ".tif")
    yield from saved(lambda path: tifffile.imwrite(path, DEEP, bigtiff=True), ".tif")
    yield from saved(lambda path: write_stack(GREY, path), ".tif")


def write_pages(path, X, options):
    with tifffile.TiffWriter(path) as file:
        for pixels in X:
            file.write(pixels, contiguous=False, **options)


def npy_files():
    for X in (GREY, np.asfortranarray(DEEP), DEEP.astype(">f8"), GREY > 99):
        yield from saved(lambda path, X=X: np.save(path, X), ".npy")


def raw_files():
    voxels, sizes = DEEP.tobytes(), "16 20 3"
    mha = f"NDims = 3\nDimSize = {sizes}\nElementSpacing = 0.03 0.03 0.06\n"
    mha += "ElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    yield mha.encode() + voxels, ".mha"
    nrrd = f"NRRD0004\ntype: ushort\ndimension: 3\nsizes: {sizes}\nencoding: raw\n"
    nrrd += 'endian: little\nspacings: 0.03 0.03 0.06\nspace units: "mm" "mm" "mm"\n\n'
    yield nrrd.encode() + voxels, ".nrrd"


def tree_files(suffix):
    """Folders that `write_stack` makes, as dicts of their files."""
    said = {"voxel_size_um": 60, "metadata": {"core": "B40"}}
    for stack, options in ((GREY, {}), (GREY / 255, {"as_type": "uint8"})):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"stack{suffix}"
            write_stack(stack, path, **said, **options)
            files = [file for file in sorted(path.rglob("*")) if file.is_file()]
            yield {str(file.relative_to(path)): file.read_bytes() for file in files}, suffix


def damage_tree(tree, rng):
    """A folder with damage in one of its files, or without it; checksums often hold."""
    name = rng.choice(sorted(tree))
    if rng.random() < 0.1:
        return {other: data for other, data in tree.items() if other != name}
    if not name.endswith(".json") or rng.random() < 0.5:
        return tree | {name: damage(tree[name], rng)}
    content = json.loads(tree[name])
    change_a_value(content, rng)
    return tree | {name: json.dumps(content).encode()}


def saved(save, suffix):
    """(bytes, suffix) of what ``save(path)`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"stack{suffix}"
        save(path)
        yield path.read_bytes(), suffix


def put(path, content):
    """Write bytes to a file, or a dict of them to a folder."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def read(path):
    open_stack(path).compute(scheduler="sync")
    read_metadata(path)


def read_tree(path):
    scaled = "scale" in read_metadata(path)
    open_stack(path, as_type="float32" if scaled else None).compute(scheduler="sync")


def read_folder(path):
    """The damaged slice among two good ones, left outside if it cannot be read."""
    for number in (1, 2):
        Image.fromarray(GREY[number]).save(path.parent / f"stack{number}.png")
    stack = open_stack(path.parent, on_error="outside", outside=0)
    stack.compute(scheduler="sync")


def tiny_model():
    from icecoreseg import UNetSegmenter

    return UNetSegmenter(
        widths=(4, 4), patch_size=16, batches_per_epoch=1, max_epochs=1, random_state=0
    )


def model_files():
    model = tiny_model().fit(GREY, GREY > 99)
    yield from saved(model.save, ".safetensors")


def checkpoint_files():
    def train(path):
        tiny_model().set_params(checkpoint=path, patience=5).fit(
            GREY, GREY > 99, validation_data=(GREY, GREY > 99)
        )

    yield from saved(train, ".safetensors")


def resume(path):
    model = tiny_model().set_params(checkpoint=path, patience=5)
    model.fit(GREY, GREY > 99, validation_data=(GREY, GREY > 99))


def load(path):
    from icecoreseg import UNetSegmenter

    UNetSegmenter.load(path).predict(GREY[:1])


def published_files():
    import torch

    weights = {"conv1.weight": torch.zeros(2, 2), "output.bias": torch.zeros(1)}
    for content in (weights, {"state_dict": weights}):
        file = io.BytesIO()
        torch.save(content, file)
        yield file.getvalue(), ".pt"
    yield pickle.dumps({"conv1.weight": [1.0]}), ".pt"


def load_published(path):
    from icecoreseg import UNetSegmenter

    UNetSegmenter.from_published_weights(path)


def damage_card(data, rng):
    """Bytes of a safetensors file in whose JSON header some value is another."""
    if rng.random() < 0.3:
        return damage(data, rng)
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    card = json.loads(header["__metadata__"]["card"])
    for _ in range(rng.randint(1, 2)):
        change_a_value(header if rng.random() < 0.2 else card, rng)
    if "__metadata__" in header and isinstance(header["__metadata__"], dict):
        header["__metadata__"]["card"] = json.dumps(card)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + n :]


STRANGE = [None, True, -1, 0, 3, 2**40, 1e300, float("nan"), "", "cpu", [], [0], [4, 4, 4], {}]


def change_a_value(tree, rng):
    """Change, or take away, one value somewhere in nested dicts and lists."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    if not keys:
        return
    key = rng.choice(list(keys))
    if isinstance(tree[key], dict | list) and rng.random() < 0.8:
        change_a_value(tree[key], rng)
    elif rng.random() < 0.2:
        del tree[key]
    else:
        tree[key] = rng.choice(STRANGE)


KINDS = {
    "png": (png_files, damage_png, read),
    "folder": (png_files, damage_png, read_folder),
    "tiff": (tiff_files, damage, read),
    "npy": (npy_files, damage, read),
    "raw": (raw_files, damage, read),
    "written": (partial(tree_files, ""), damage_tree, read_tree),
    "zarr": (partial(tree_files, ".zarr"), damage_tree, read_tree),
    "model": (model_files, damage_card, load),
    "checkpoint": (checkpoint_files, damage_card, resume),
    "published": (published_files, damage, load_published),
}


def bound_memory():
    """Let the address space grow by MEMORY at most."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


def try_all(kind, n_cases, seed):
    """Damage and read `n_cases` files of a kind; print what nobody promised."""
    _, spoil, use = KINDS[kind]
    files = FILES[kind]
    for case in range(n_cases):
        rng = random.Random(f"{kind} {seed} {case}")
        data, suffix = files[case % len(files)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"stack{suffix}"
            put(path, spoil(data, rng))
            signal.alarm(SECONDS)
            try:
                use(path)
            except DOCUMENTED:
                pass
            except (Exception, TooSlow) as error:
                print(f"{kind} seed {seed} case {case}: {type(error).__name__}: {error}"[:300])
            finally:
                signal.alarm(0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    faulthandler.enable()
    signal.signal(signal.SIGALRM, too_slow)
    seed, *wanted = sys.argv[1:]
    wanted = dict(pair.split(":") for pair in wanted)
    FILES = {kind: list(KINDS[kind][0]()) for kind in wanted}  # these need memory of their own
    bound_memory()
    for kind, n_cases in wanted.items():
        try_all(kind, int(n_cases), seed)
