"""Files that are no stack, or broken: every one is named."""

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from icecoreseg import open_stack, write_stack
from icecoreseg.stacks import _png
from icecoreseg.stacks._tiff import page_offsets

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7, 6), dtype=np.uint8)
DEEP = RNG.integers(0, 2**16, (5, 7, 6), dtype=np.uint16)


def same(a, b):
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.parametrize("layout", [{"imagej": True}, {"compression": "zlib"}])
def test_truncated_multipage_is_not_a_shorter_stack(tmp_path, layout):
    path = tmp_path / "core.tif"
    with tifffile.TiffWriter(path, imagej="imagej" in layout) as file:
        if "imagej" in layout:
            file.write(DEEP)
        else:
            for pixels in DEEP:
                file.write(pixels, contiguous=False, **layout)
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.8):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(OSError, match=r"core\.tif"):
            open_stack(path).compute()


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("back_to", [0, 1, 2, 4])
def test_pages_in_a_circle(tmp_path, bigtiff, back_to):
    """The last page names an earlier one as the next, which need not be the first."""
    path = tmp_path / "core.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for pixels in GREY:
            file.write(pixels, contiguous=False, metadata=None)
    offsets = page_offsets(path)
    count, entry, pointer = ("<Q", 20, "<Q") if bigtiff else ("<H", 12, "<I")
    whole = bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from(count, whole, offsets[-1])
    at = offsets[-1] + struct.calcsize(count) + entry * n_tags
    assert struct.unpack_from(pointer, whole, at) == (0,)
    struct.pack_into(pointer, whole, at, offsets[back_to])
    path.write_bytes(whole)
    with pytest.raises(OSError, match=r"core\.tif is damaged: .* circle"):
        open_stack(path)


def save(pixels):
    return lambda path: Image.fromarray(pixels).save(path)


def save_coloured(path):
    image = Image.fromarray(GREY[0]).convert("P")
    image.putpalette([level for grey in range(256) for level in (grey, 0, 255 - grey)])
    image.save(path)


def bomb(path):
    header = _png._chunk(b"IHDR", b"\0\1\0\0\0\1\0\0\x08\0\0\0\0")
    data = _png._chunk(b"IDAT", zlib.compress(bytes(10)))
    path.write_bytes(_png.SIGNATURE + header + data + _png._chunk(b"IEND", b""))


def cut(path, start, stop):
    data = path.read_bytes()
    path.write_bytes(data[:start] + data[stop:])


def turn_into_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "rgb": (save(np.zeros((7, 6, 3), np.uint8)), ValueError, "RGB image"),
    "alpha": (save(np.zeros((7, 6, 2), np.uint8)), ValueError, "grey with alpha"),
    "palette": (save_coloured, ValueError, "palette image"),
    "size": (save(GREY[0, :5]), ValueError, r"5 x 6 .* are 7 x 6"),
    "16 bit": (save(DEEP[0]), ValueError, "uint16; the other slices .* uint8"),
    "bomb": (bomb, ValueError, "MAX_IMAGE_PIXELS"),
    "garbage": (lambda path: path.write_bytes(b"<html>404</html>" * 9), OSError, "not a PNG"),
    "truncated": (lambda path: cut(path, -20, 10**6), OSError, "truncated"),
    "hole": (lambda path: cut(path, 45, 60), OSError, "decoded"),
    "folder": (turn_into_folder, OSError, "directory"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_unusable_slice_is_named_or_left_outside(tmp_path, how):
    write_stack(GREY, tmp_path)
    damage, kind, message = DAMAGE[how]
    damage(tmp_path / "slice_00002.png")
    with pytest.raises(kind, match=message) as caught:
        open_stack(tmp_path).compute(scheduler="sync")
    assert "slice_00002.png" in str(caught.value)
    X = open_stack(tmp_path, on_error="outside", outside=0)
    with pytest.warns(UserWarning, match=r"slice_00002\.png"):
        read = X.compute(scheduler="sync")
    assert (read[2] == 0).all()
    assert same(np.delete(read, 2, axis=0), np.delete(GREY, 2, axis=0))


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (np.zeros((4, 5, 3), np.uint8), {"photometric": "rgb"}, "grey slice"),
        (np.zeros((4, 5), np.uint8), {"photometric": "miniswhite"}, "MINISWHITE"),
        (np.zeros((4, 5), np.int16), {"photometric": "minisblack"}, "int16"),
    ],
)
def test_unusable_tiff_is_named(tmp_path, pixels, options, message):
    tifffile.imwrite(tmp_path / "bad.tif", pixels, **options)
    for path in (tmp_path, tmp_path / "bad.tif"):
        with pytest.raises(ValueError, match=rf"bad\.tif .*{message}|bad\.tif has.*{message}"):
            open_stack(path)


def test_tiff_of_mixed_pages_and_folders_of_multipage_files(tmp_path):
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        file.write(GREY[0])
        file.write(GREY[1, :3])
    with pytest.raises(ValueError, match=r"mixed\.tif: page 1 is 3 x 6"):
        open_stack(tmp_path / "mixed.tif")
    with pytest.raises(ValueError, match=r"mixed\.tif holds 2 pages"):
        open_stack(tmp_path)
    (tmp_path / "mixed.tif").write_bytes(b"II*\0")
    with pytest.raises(OSError, match=r"mixed\.tif"):
        open_stack(tmp_path / "mixed.tif")


def test_paths_that_are_no_stack(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_stack(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no slice in the folder"):
        open_stack(tmp_path)
    (tmp_path / "core.nii").write_bytes(b"")
    with pytest.raises(ValueError, match=r"'\.nii'"):
        open_stack(tmp_path / "core.nii")
    write_stack(GREY, tmp_path / "a")
    write_stack(GREY, tmp_path / "b")
    with pytest.raises(ValueError, match="reaches into 2 folders"):
        open_stack(tmp_path / "*" / "*.png")
    tifffile.imwrite(tmp_path / "a" / "slice_7.tif", GREY[0])
    with pytest.raises(ValueError, match="both"):
        open_stack(tmp_path / "a")


def test_npy_that_is_no_stack(tmp_path):
    path = tmp_path / "core.npy"
    np.save(path, GREY[0])
    with pytest.raises(ValueError, match=r"shape \(7, 6\)"):
        open_stack(path)
    np.save(path, np.array([[["a"]]], dtype=object))
    with pytest.raises(OSError, match="Python objects"):
        open_stack(path)
    np.save(path, GREY)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match=r"core\.npy cannot be read"):
        open_stack(path)
    np.save(path, DEEP.astype(">u2"))
    assert same(open_stack(path).compute(), DEEP)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_permission_denied(tmp_path):
    write_stack(GREY, tmp_path)
    (tmp_path / "slice_00001.png").chmod(0)
    with pytest.raises(PermissionError, match="slice_00001"):
        open_stack(tmp_path)


def test_on_error_needs_a_value_that_fits(tmp_path):
    write_stack(GREY, tmp_path)
    with pytest.raises(ValueError, match="integer outside"):
        open_stack(tmp_path, on_error="outside")
    with pytest.raises(ValueError, match="does not fit"):
        open_stack(tmp_path, on_error="outside", outside=256)
    with pytest.raises(ValueError, match="on_error"):
        open_stack(tmp_path, on_error="skip")


def test_pixels_that_a_png_lacks_are_no_remains_of_others(tmp_path):
    """Pillow takes data that end early for whole if they are whole to zlib."""
    header = struct.pack(">IIBBBBB", 30, 40, 8, 0, 0, 0, 0)
    chunks = [
        _png._chunk(b"IHDR", header),
        _png._chunk(b"IDAT", zlib.compress(bytes(31 * 20))),
        _png._chunk(b"IEND", b""),
    ]
    path = tmp_path / "short.png"
    path.write_bytes(_png.SIGNATURE + b"".join(chunks))
    out = np.full((40, 30), 77, dtype=np.uint8)
    _png.read_png(path, out=out)
    assert not out.any()
