"""What travels with a stack, and the formats of others: zarr, MetaImage, NRRD."""

import struct
from importlib.util import find_spec

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from icecoreseg import open_stack, read_metadata, write_stack
from icecoreseg.stacks._scale import decode_fractions, encode_fractions, scale_of

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7, 6), dtype=np.uint8)
DEEP = RNG.integers(0, 2**16, (5, 7, 6), dtype=np.uint16)
FRACTION = np.where(GREY > 200, np.nan, GREY / 200).astype(np.float32)
NEEDS_ZARR = pytest.mark.skipif(not find_spec("zarr"), reason="no zarr")
ZARR = pytest.param("core.zarr", {}, marks=NEEDS_ZARR)
SAID = {"core": "B40", "bag": 7, "depth_m": [12.1, 12.9], "note": "zwölf µm", "parts": {"a": None}}


@pytest.mark.parametrize(
    ("name", "options"),
    [("core", {}), ("core", {"format": "tiff"}), ("core.tif", {}), ("core.npy", {}), ZARR],
)
def test_metadata_travel(tmp_path, name, options):
    write_stack(GREY, tmp_path / name, voxel_size_um=(60, 30, 29.12), metadata=SAID, **options)
    expected = {**SAID, "voxel_size_um": (60.0, 30.0, 29.12)}
    assert read_metadata(tmp_path / name) == expected
    if name == "core":
        (tmp_path / name / "stack.json").unlink()  # each slice knows them, too
        assert read_metadata(tmp_path / name) == expected
    write_stack(GREY, tmp_path / "plain" / name, **options)
    assert read_metadata(tmp_path / "plain" / name) == {}


def test_metadata_of_bigtiff_and_of_strangers(tmp_path, monkeypatch):
    monkeypatch.setattr("icecoreseg.stacks._tiff_write._LARGEST_IMAGEJ", 100)
    write_stack(DEEP, tmp_path / "core.tif", voxel_size_um=30, metadata=SAID)
    assert read_metadata(tmp_path / "core.tif") == {**SAID, "voxel_size_um": (30.0, 30.0, 30.0)}
    tifffile.imwrite(tmp_path / "other.tif", GREY[0], description='["not", "ours"]')
    Image.fromarray(GREY[0]).save(tmp_path / "other.png")
    assert read_metadata(tmp_path / "other.tif") == read_metadata(tmp_path / "other.png") == {}


def test_a_new_npy_does_not_inherit_metadata(tmp_path):
    write_stack(GREY, tmp_path / "core.npy", metadata=SAID)
    write_stack(GREY, tmp_path / "core.npy", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["core.npy"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("B40", "must be a dict"),
        ({"scale": 1}, "'scale'"),
        ({3: "x"}, "key 3"),
        ({"depth": np.nan}, "'depth'"),
        ({"when": {"x": object()}}, "'when'"),
    ],
)
def test_refused_metadata(tmp_path, metadata, message):
    with pytest.raises(ValueError, match=message):
        write_stack(GREY, tmp_path / "core", metadata=metadata)


@pytest.mark.parametrize(
    ("name", "options"), [("core", {}), ("core", {"format": "tiff"}), ("core.tif", {}), ZARR]
)
@pytest.mark.parametrize(("as_type", "error"), [("uint8", 0.00197), ("uint16", 7.7e-6)])
def test_fractions_as_integers(tmp_path, name, options, as_type, error):
    lazy = da.from_array(FRACTION, chunks=(2, -1, -1))
    write_stack(lazy, tmp_path / name, as_type=as_type, **options)
    codes = open_stack(tmp_path / name)
    assert codes.dtype == as_type
    assert read_metadata(tmp_path / name)["scale"] == scale_of(as_type)
    back = open_stack(tmp_path / name, as_type="float32")
    assert back.dtype == np.float32
    np.testing.assert_allclose(back.compute(), FRACTION, atol=error, rtol=0)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["uint8", "uint16"]), st.lists(st.floats(0, 1, width=32), min_size=1))
def test_scale_is_half_a_step_wrong_at_most(as_type, values):
    X = np.array(values, dtype=np.float32).reshape(1, 1, -1)
    levels = {"uint8": 254, "uint16": 65534}[as_type]
    back = decode_fractions(encode_fractions(X, as_type), scale_of(as_type))
    assert abs(back - X).max() <= 0.5 / levels + 1e-7
    again = decode_fractions(encode_fractions(back, as_type), scale_of(as_type))
    np.testing.assert_array_equal(again, back)


def test_refused_scales(tmp_path):
    with pytest.raises(ValueError, match="for fractions"):
        write_stack(GREY, tmp_path / "core", as_type="uint8")
    with pytest.raises(ValueError, match=r"0 to 1\.99; ice fractions"):
        write_stack(FRACTION * 2, tmp_path / "core", as_type="uint8")
    with pytest.raises(ValueError, match="as_type='int8'"):
        write_stack(FRACTION, tmp_path / "core", as_type="int8")
    with pytest.raises(ValueError, match=r"not \.npy"):
        write_stack(FRACTION, tmp_path / "core.npy", as_type="uint8")
    write_stack(GREY, tmp_path / "grey")
    with pytest.raises(ValueError, match="records none"):
        open_stack(tmp_path / "grey", as_type="float32")


def test_an_unreadable_slice_of_coded_fractions_is_nan(tmp_path):
    write_stack(FRACTION, tmp_path, as_type="uint8")
    (tmp_path / "slice_00003.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="slice_00003"):
        X = open_stack(tmp_path, on_error="outside", as_type="float32").compute()
    assert np.isnan(X[3]).all()


@NEEDS_ZARR
def test_zarr_is_understood_by_zarr(tmp_path, monkeypatch):
    import zarr

    monkeypatch.setattr("icecoreseg.stacks._zarr._CHUNK_VOXELS", 100)
    write_stack(da.from_array(DEEP, chunks=((3, 2), -1, -1)), tmp_path / "core.zarr")
    array = zarr.open_array(tmp_path / "core.zarr", mode="r")
    assert array.chunks == (2, 7, 6)
    np.testing.assert_array_equal(array[:], DEEP)
    assert open_stack(tmp_path / "core.zarr").chunks[0] == (5,)
    np.testing.assert_array_equal(open_stack(tmp_path / "core.zarr", slab=3)[1:4], DEEP[1:4])


def put(group, name, array, chunks):
    """An array in a zarr group; zarr 3.0 does not take its values at once."""
    stored = group.create_array(name, shape=array.shape, dtype=array.dtype, chunks=chunks)
    stored[...] = array


@NEEDS_ZARR
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_of_others(tmp_path, zarr_format):
    import zarr

    options = {"chunks": (2, 3, 4), "zarr_format": zarr_format}
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=zarr_format)
    put(group, "mean", GREY[0].astype(float), (7, 6))
    put(group, "labels", GREY, (2, 3, 4))
    np.testing.assert_array_equal(open_stack(tmp_path / "g.zarr").compute(), GREY)
    put(group, "other", GREY, (2, 3, 4))
    with pytest.raises(ValueError, match=r"\['labels', 'other'\]"):
        open_stack(tmp_path / "g.zarr")
    assert open_stack(tmp_path / "g.zarr" / "other").shape == GREY.shape
    zarr.create_array(tmp_path / "flat.zarr", data=GREY[0], chunks=(2, 3), zarr_format=zarr_format)
    with pytest.raises(ValueError, match=r"shape \(7, 6\)"):
        open_stack(tmp_path / "flat.zarr")
    zarr.create_array(tmp_path / "mine.zarr", data=GREY, **options)
    with pytest.raises(ValueError, match="did not write it"):
        write_stack(GREY, tmp_path / "mine.zarr", overwrite=True)


@NEEDS_ZARR
def test_damaged_chunk_is_named_or_left_outside(tmp_path, monkeypatch):
    monkeypatch.setattr("icecoreseg.stacks._zarr._CHUNK_VOXELS", 100)
    write_stack(GREY, tmp_path / "core.zarr")
    chunk = tmp_path / "core.zarr" / "c" / "1" / "0" / "0"
    whole = chunk.read_bytes()
    for harm in (lambda: chunk.unlink(), lambda: chunk.write_bytes(whole[:-5] + b"12345")):
        harm()
        with pytest.raises(OSError, match=r"core\.zarr: slices 2 to 3 cannot be read"):
            open_stack(tmp_path / "core.zarr").compute()
        X = open_stack(tmp_path / "core.zarr", on_error="outside", outside=9)
        with pytest.warns(UserWarning, match="slices 2 to 3"):
            X = X.compute()
        assert (X[2:4] == 9).all()
        np.testing.assert_array_equal(X[[0, 1, 4]], GREY[[0, 1, 4]])


def meta_image(local, order, kind):
    flag = {"<": "False", ">": "True"}[order]
    return (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\n"
        f"BinaryDataByteOrderMSB = {flag}\nCompressedData = False\n"
        f"ElementSpacing = 0.03 0.04 0.06\nDimSize = 6 7 5\n"
        f"ElementType = {kind}\nElementDataFile = {local}\n"
    ).encode()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stack", [DEEP, FRACTION])
def test_meta_image(tmp_path, order, stack):
    kind = {"u": "MET_USHORT", "f": "MET_FLOAT"}[stack.dtype.kind]
    raw = stack.astype(stack.dtype.newbyteorder(order)).tobytes()
    (tmp_path / "core.raw").write_bytes(b"header" + raw)
    head = meta_image("core.raw", order, kind).replace(b"NDims", b"HeaderSize = -1\nNDims")
    (tmp_path / "core.mhd").write_bytes(head)
    (tmp_path / "core.mha").write_bytes(meta_image("LOCAL", order, kind) + raw)
    for name in ("core.mhd", "core.mha"):
        X = open_stack(tmp_path / name, slab=2)
        assert X.dtype == stack.dtype
        np.testing.assert_array_equal(X.compute(), stack)
        np.testing.assert_array_equal(X[3, 2:4].compute(), stack[3, 2:4])
        sizes = read_metadata(tmp_path / name)["voxel_size_um"]
        assert sizes == pytest.approx((60, 40, 30))
    (tmp_path / "core.mha").write_bytes(meta_image("LOCAL", order, kind) + raw[:-1])
    with pytest.raises(OSError, match="truncated"):
        open_stack(tmp_path / "core.mha")


NRRD = "NRRD0004\n# made by hand\ntype: unsigned short\ndimension: 3\nsizes: 6 7 5\nendian: big\n"


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ('spacings: 30 40 60\nspace units: "um" "um" "um"\n', (60, 40, 30)),
        ("space directions: (0.03,0,0) (0,0.04,0) (0,0,0.06)\n", (60, 40, 30)),
        ("spacings: nan nan nan\n", None),
        ("", None),
    ],
)
def test_nrrd(tmp_path, spacing, expected):
    raw = DEEP.astype(">u2").tobytes()
    (tmp_path / "core.nrrd").write_bytes(f"{NRRD}{spacing}encoding: raw\n\n".encode() + raw)
    head = f"{NRRD}{spacing}encoding: raw\nbyte skip: 4\ndata file: core.raw\n\n"
    (tmp_path / "core.nhdr").write_text(head)
    (tmp_path / "core.raw").write_bytes(struct.pack("4x") + raw)
    for name in ("core.nrrd", "core.nhdr"):
        np.testing.assert_array_equal(open_stack(tmp_path / name, slab=3).compute(), DEEP)
        found = read_metadata(tmp_path / name).get("voxel_size_um")
        assert found == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.nrrd", NRRD + "encoding: gzip\n\n", ValueError, "expected raw voxels"),
        ("a.nrrd", NRRD + "\n", OSError, "lacks the header entry 'encoding'"),
        ("a.nrrd", NRRD.replace("5\n", "\n") + "encoding: raw\n\n", ValueError, "expected three"),
        ("a.nhdr", NRRD + "encoding: raw\ndata file: b.raw\n\n", FileNotFoundError, r"b\.raw"),
        ("a.mha", "GIF89a", OSError, "no MetaImage"),
        ("a.mha", "NDims = 3\n", OSError, "ElementDataFile"),
        ("a.mhd", "CompressedData = True\nElementDataFile = LOCAL\n", ValueError, "uncompressed"),
        ("a.mhd", "ElementType = MET_INT\nElementDataFile = LOCAL\n", ValueError, "MET_INT"),
    ],
)
def test_headers_that_are_refused(tmp_path, name, content, error, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        open_stack(tmp_path / name)
