"""Stacks on disk: round trips, order, laziness, and writes that are cut short."""

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from icecoreseg import open_stack, write_stack
from icecoreseg.stacks import _png, _sources

ZARR = pytest.param("core.zarr", marks=pytest.mark.skipif(not find_spec("zarr"), reason="no zarr"))

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7, 6), dtype=np.uint8)
DEEP = RNG.integers(0, 2**16, (5, 7, 6), dtype=np.uint16)
FRACTION = np.where(GREY > 200, np.nan, GREY / 255).astype(np.float32)
LABELS = RNG.choice(np.array([0, 1, 255], np.uint8), (5, 7, 6))
UNKNOWN = da.from_array(GREY, chunks=(1, -1, -1))
UNKNOWN = UNKNOWN[UNKNOWN[:, 0, 0] > 9]


def same(a, b):
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.parametrize("name", ["core", "core.tif", "core.npy", ZARR])
@pytest.mark.parametrize("stack", [GREY, DEEP, FRACTION, FRACTION.astype(np.float64), LABELS])
def test_round_trip(tmp_path, name, stack):
    """What is read is what was written, whether it came from memory or lazily."""
    write_stack(stack, tmp_path / name)
    assert same(open_stack(tmp_path / name).compute(), stack)
    lazy = da.from_array(stack, chunks=(2, -1, -1))
    write_stack(lazy, tmp_path / name, overwrite=True)
    assert same(open_stack(str(tmp_path / name), slab=3).compute(), stack)
    assert not list(tmp_path.rglob("*.part"))


def test_taking_some_slices_reads_these_only(tmp_path, monkeypatch):
    write_stack(GREY, tmp_path / "core")
    stack, read = open_stack(tmp_path / "core", slab=4), []
    read_slice = _sources._read_slice
    monkeypatch.setattr(
        _sources, "_read_slice", lambda file, *rest: read.append(file) or read_slice(file, *rest)
    )
    for key, n_read in (
        (3, 1),
        (slice(1, 3), 2),
        ([0, 4, 2], 5),  # dask takes the slabs of a list as they are
        ((slice(2, 4), 5, [0, 3]), 2),
        ((4, slice(None, None, -2), 1), 1),
        ((-1, [1, 5]), 1),
    ):
        read.clear()
        np.testing.assert_array_equal(stack[key].compute(), GREY[key])
        assert len(read) == n_read


def test_tiff_slice_folder(tmp_path):
    write_stack(GREY, tmp_path / "core", format="tiff")
    names = [f"slice_{n:05}.tif" for n in range(5)]
    assert sorted(path.name for path in (tmp_path / "core").iterdir()) == [*names, "stack.json"]
    assert same(open_stack(tmp_path / "core").compute(), GREY)


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
    )
)
def test_png_encoder_is_understood_by_pillow(pixels):
    import io

    png = _png.encode_png(pixels, pixel_size_um=(50.0, 25.0))
    with Image.open(io.BytesIO(png)) as image:
        assert np.array_equal(np.asarray(image), pixels)
        assert image.info["dpi"] == pytest.approx((0.0254 / 25e-6, 0.0254 / 50e-6), rel=1e-4)


def test_natural_order_and_lazy_slabs(tmp_path):
    """Slice 2 comes before slice 10, and one slice costs one file."""
    for number in (10, 2, 1, 33):
        Image.fromarray(np.full((3, 4), number, np.uint8)).save(tmp_path / f"bag7_{number}.png")
    (tmp_path / "notes.txt").write_text("not a slice")
    (tmp_path / ".bag7_3.png.1.part").write_bytes(b"unfinished")
    X = open_stack(tmp_path, slab=3)
    assert X.chunks[0] == (3, 1)
    assert X[:, 0, 0].compute().tolist() == [1, 2, 10, 33]
    (tmp_path / "bag7_33.png").unlink()
    assert X[1:3, 1, ::2].compute().tolist() == [[2, 2], [10, 10]]
    assert open_stack(tmp_path / "*_1*.png").shape == (2, 3, 4)
    assert open_stack(tmp_path / "bag7_2.png").shape == (1, 3, 4)


def test_default_slab_is_even():
    from icecoreseg.stacks._open import _slab_length

    assert _slab_length(None, (100, 4096, 4096)) == 2
    assert _slab_length(None, (100, 2048, 2048)) == 2
    assert _slab_length(None, (9, 64, 64)) == 9
    with pytest.raises(ValueError, match="slab"):
        _slab_length(0, (9, 64, 64))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_one_bit_masks_become_labels(tmp_path, suffix):
    mask = GREY[0] > 99
    Image.fromarray(mask).save(tmp_path / f"mask.{suffix}")
    assert same(open_stack(tmp_path)[0].compute(), mask.astype(np.uint8))
    write_stack(mask[None], tmp_path / "mask.npy")
    assert open_stack(tmp_path / "mask.npy").dtype == np.uint8


def test_palettes_of_greys_are_grey(tmp_path):
    """As some scanners write them, in whatever order."""
    image = Image.fromarray(GREY[0]).convert("P")
    image.putpalette([255 - grey for grey in range(256) for _ in "RGB"])
    image.save(tmp_path / "slice.png")
    assert same(open_stack(tmp_path)[0].compute(), 255 - GREY[0])


def test_voxel_size_reaches_fiji(tmp_path):
    """ImageJ reads unit, spacing and pixels per unit; other programs the resolution."""
    write_stack(GREY, tmp_path / "core.tif", voxel_size_um=(60, 30, 20))
    with tifffile.TiffFile(tmp_path / "core.tif") as file:
        page = file.pages[0]
        assert file.imagej_metadata["unit"] == "um"
        assert file.imagej_metadata["spacing"] == 60
        assert file.imagej_metadata["slices"] == 5
        assert page.resolution == pytest.approx((1 / 20, 1 / 30))
    write_stack(GREY, tmp_path / "slices", format="tiff", voxel_size_um=(60, 30, 20))
    with tifffile.TiffFile(tmp_path / "slices" / "slice_00000.tif") as file:
        assert file.pages[0].get_resolution("micrometer") == pytest.approx((1 / 20, 1 / 30))


@pytest.mark.parametrize("size", [1e-5, 3e6])
def test_voxel_sizes_that_png_cannot_hold(tmp_path, size):
    """It counts whole pixels per metre in 31 bits; our text has the size all the same."""
    write_stack(GREY, tmp_path, voxel_size_um=size)
    assert same(open_stack(tmp_path).compute(), GREY)
    with Image.open(tmp_path / "slice_00000.png") as image:
        assert "dpi" not in image.info
        assert json.loads(image.text["icecoreseg"])["voxel_size_um"] == [size] * 3


def test_large_files_are_ome_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("icecoreseg.stacks._tiff_write._LARGEST_IMAGEJ", 100)
    write_stack(DEEP, tmp_path / "core.tif", voxel_size_um=29.1)
    with tifffile.TiffFile(tmp_path / "core.tif") as file:
        assert file.is_bigtiff
        assert file.is_ome
        assert 'PhysicalSizeZ="29.1"' in file.ome_metadata
    assert same(open_stack(tmp_path / "core.tif").compute(), DEEP)


def test_tiff_dialects(tmp_path):
    """Compressed pages, big-endian files, and ImageJ files with one page for all slices."""
    with tifffile.TiffWriter(tmp_path / "packed.tif", byteorder=">") as file:
        for pixels in DEEP:
            file.write(pixels, compression="zlib", contiguous=False)
    X = open_stack(tmp_path / "packed.tif", slab=2)
    assert X.dtype.isnative
    assert same(X.compute(), DEEP)
    assert same(X[3].compute(), DEEP[3])
    text = "ImageJ=1.54f\nimages=5\nslices=5\n"
    tifffile.imwrite(tmp_path / "one.tif", DEEP[0], description=text, metadata=None)
    with (tmp_path / "one.tif").open("ab") as file:
        file.write(DEEP[1:].tobytes())
    with tifffile.TiffFile(tmp_path / "one.tif") as file:
        at = file.pages[0].dataoffsets[0] + DEEP[0].nbytes
        assert at + DEEP[1:].nbytes == file.filehandle.size
    assert same(open_stack(tmp_path / "one.tif").compute(), DEEP)


@pytest.mark.parametrize(
    ("stack", "name", "options", "message"),
    [
        (FRACTION, "core", {"format": "png"}, "PNG cannot hold float32"),
        (GREY, "core.npy", {"format": "png"}, "contradicts"),
        (GREY, "core", {"format": "npy"}, "contradicts"),
        (GREY, "core", {"format": "jpg"}, "format='jpg' is not known"),
        (GREY, "core.png", {}, "name a folder"),
        (GREY, "core.h5", {}, "not written; expected a folder, or a name that ends in .npy"),
        (GREY, "core.mhd", {}, "not written"),
        (GREY[0], "core", {}, r"X\[np.newaxis\]|stack\[np.newaxis\]"),
        (GREY.astype(np.uint32), "core", {}, "uint32"),
        (GREY, "core", {"voxel_size_um": 0}, "voxel_size_um"),
        (UNKNOWN, "core", {}, r"shape \(nan, 7, 6\).*compute_chunk_sizes"),
    ],
)
def test_refused_writes(tmp_path, stack, name, options, message):
    with pytest.raises(ValueError, match=message):
        write_stack(stack, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["core", "core.tif", "core.npy", ZARR])
def test_overwrite(tmp_path, name):
    """An old stack stays unless told; a shorter new one leaves no old slices behind."""
    write_stack(GREY, tmp_path / name)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_stack(GREY[:2], tmp_path / name)
    assert same(open_stack(tmp_path / name).compute(), GREY)
    write_stack(255 - open_stack(tmp_path / name)[:2], tmp_path / name, overwrite=True)
    assert same(open_stack(tmp_path / name).compute(), 255 - GREY[:2])


@pytest.mark.parametrize("name", ["core", "core.tif", "core.npy", ZARR])
@pytest.mark.parametrize("stack", [GREY, FRACTION])
def test_a_lazy_stack_goes_back_to_its_own_source(tmp_path, name, stack):
    """Upside down: later slabs are read from what the first ones are written over."""
    write_stack(stack, tmp_path / name)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    lazy = open_stack(tmp_path / name, slab=2)
    write_stack(lazy[::-1], tmp_path / name, overwrite=True)
    assert same(open_stack(tmp_path / name).compute(), stack[::-1])
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_foreign_slices_are_never_replaced(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "scan_00000.png")
    with pytest.raises(ValueError, match=r"scan_00000\.png"):
        write_stack(GREY, tmp_path, overwrite=True)
    (tmp_path / "core.tif").mkdir()
    with pytest.raises(FileExistsError, match="is a folder"):
        write_stack(GREY, tmp_path / "core.tif", overwrite=True)


@pytest.mark.parametrize("name", ["core", "core.tif", "core.npy", ZARR])
def test_failure_in_the_middle(tmp_path, name):
    """An error leaves what was to be overwritten; no debris."""

    def fail(slab, block_info):
        if block_info[0]["array-location"][0][0] == 4:
            raise OSError("disk on fire")
        return slab + 1

    lazy = da.from_array(GREY, chunks=(2, -1, -1)).map_blocks(
        fail, dtype=np.uint8, meta=GREY[:0, :0, :0]
    )
    write_stack(GREY, tmp_path / name)
    with pytest.raises(OSError, match="disk on fire"):
        write_stack(lazy, tmp_path / name, overwrite=True)
    assert same(open_stack(tmp_path / name).compute(), GREY)
    assert not [path for path in tmp_path.rglob(".*")]


@pytest.mark.parametrize("name", ["core.tif", "core.npy"])
def test_killed_in_the_middle_of_a_file(tmp_path, name):
    """A process that dies while it writes leaves no file, or the old one."""
    script = f"""
    import os
    import numpy as np
    import icecoreseg.stacks._write as w
    def slices(stack, **kwargs):
        for pixels in stack:
            if pixels[0, 0] == 3:
                os._exit(9)
            yield pixels
    w._slices = slices
    X = np.repeat(np.arange(5, dtype=np.uint8), 42).reshape(5, 7, 6)
    w.write_stack(X, {str(tmp_path / name)!r})
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert run.returncode == 9
    with pytest.raises(FileNotFoundError):
        open_stack(tmp_path / name)
    write_stack(GREY, tmp_path / name, overwrite=True)
    assert same(open_stack(tmp_path / name).compute(), GREY)
