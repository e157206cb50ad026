"""The layout of the published data set: names, pairs by number, and what is missing."""

import shutil

import numpy as np
import pytest
from sklearn.utils import Bunch

from icecoreseg.datasets import (
    load_tgrs2023,
    make_ice_core,
    parse_scan_name,
    published_specimens,
    write_tgrs2023,
)

HIGH = "Canvas4096_FB_ex5_1_bag102bot_30mue_hx_8f_block_0_0802.png"


@pytest.fixture(scope="module")
def cores():
    return {
        kind: make_ice_core(kind, n_slices=3, n_columns=32, random_state=seed)
        for seed, kind in enumerate(("snow", "firn", "ice"))
    }


@pytest.fixture(scope="module")
def written(cores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    write_tgrs2023(cores.values(), folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy to break."""
    return shutil.copytree(written, tmp_path / "data")


def slices(folder, resolution):
    """Slices of the bubbly ice."""
    return sorted(folder.rglob(f"{resolution}/*bag102bot*.png"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (HIGH, ("high", 30.0, 102, 0, 802, "ice")),
        (f"folder/{HIGH}", ("high", 30.0, 102, 0, 802, "ice")),
        ("Bin60_FB_ex5_1_bag102bot_hx_8f_block_1_0007.png", ("low", 60.0, 102, 1, 7, "ice")),
        ("Canvas2048_TEDRIST_bag43_0001.png", ("low", None, 43, 0, 1, "firn")),
        ("KohnenQK_D38_KF540_30mue_0.tif", ("high", 30.0, None, 0, 0, "snow")),
        ("ExS5-1_60um_12.png", ("low", 60.0, None, 0, 12, "ice")),
        ("slice_00012.png", (None, None, None, 0, 12, None)),
        ("B40_bag430_0003.png", (None, None, 430, 0, 3, None)),
    ],
)
def test_names(name, expected):
    scan = parse_scan_name(name)
    assert (scan.resolution, scan.voxel_um, scan.bag) == expected[:3]
    assert (scan.block, scan.number, scan.specimen) == expected[3:]


def test_names_say_frames_and_canvas():
    scan = parse_scan_name(HIGH)
    assert (scan.n_columns, scan.n_frames, scan.helical, scan.core) == (4096, 8, True, "FB_ex5_1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Canvas4096_FB_block_0.png_mask.png", "does not end in a slice number"),
        ("a_30mue_60mue_1.png", "says 30 and 60mue"),
        ("kohnen_TEDRIST_1.png", "more than one specimen: snow, firn"),
        (".png", "does not end"),
    ],
)
def test_wrong_names(name, message):
    with pytest.raises(ValueError, match=message):
        parse_scan_name(name)


def test_table_1():
    """Densities and porosities from the outer measures, worked out by hand."""
    density = [core.density_kg_m3 for core in published_specimens().values()]
    np.testing.assert_allclose(density, [337.1, 723.2, 878.3], atol=0.1)
    assert sum(core.n_slices for core in published_specimens().values()) == 7792


def test_round_trip(cores, written):
    loaded = load_tgrs2023(written)
    assert list(loaded) == list(cores)
    for kind, core in cores.items():
        np.testing.assert_array_equal(loaded[kind].low, core.low)
        np.testing.assert_array_equal(loaded[kind].high, core.high)
        assert loaded[kind].mass_g == core.mass_g
        assert loaded[kind].numbers == [(0, 0), (0, 1), (0, 2)]
        assert loaded[kind].low.chunks[0][0] * 2 == loaded[kind].high.chunks[0][0]


def test_numbers_from_one(cores, tmp_path):
    write_tgrs2023([cores["firn"]], tmp_path, first_number=1)
    np.testing.assert_array_equal(
        load_tgrs2023(tmp_path, specimens=["firn"]).firn.high, cores["firn"].high
    )


def test_without_card_it_is_table_1(folder):
    (folder / "specimens.json").unlink()
    with pytest.warns(UserWarning, match=r"has (2620|2848|2324)\.") as told:
        assert load_tgrs2023(folder).snow.mass_g == 397.1
    assert len(told) == 3


def test_folders_tell_what_names_do_not(cores, folder, tmp_path):
    """Slices called 12.png, in folders of the kind core/HR."""
    for resolution, name in (("high", "HR"), ("low", "LR")):
        (tmp_path / "plain" / "TEDRIST_bag43" / name).mkdir(parents=True)
        for path in (folder / "TEDRIST_bag43" / resolution).iterdir():
            number = parse_scan_name(path).number
            shutil.copy(path, tmp_path / "plain" / "TEDRIST_bag43" / name / f"{number}.png")
    with pytest.warns(UserWarning, match="TEDRIST_bag43 has 2848"):
        firn = load_tgrs2023(tmp_path / "plain", specimens=["firn"]).firn
    np.testing.assert_array_equal(firn.low, cores["firn"].low)


def test_numbers_pair_not_the_order_of_a_listing(cores, folder):
    """Without leading zeros, slice 10 sorts before slice 2."""
    for path in list(folder.rglob("*.png")):
        stem, number = path.stem.rsplit("_", 1)
        number = int(number) + (8 if path.parent.name == "low" else 16)
        path.rename(path.with_name(f"{stem}_{number}.png"))
    np.testing.assert_array_equal(load_tgrs2023(folder).ice.high, cores["ice"].high)


def break_one(folder, resolution, number, new=None):
    path = next(p for p in slices(folder, resolution) if p.stem.endswith(f"_{number:04d}"))
    if new is None:
        path.unlink()
    else:
        shutil.copy(path, path.with_name(new(path.name)))


@pytest.mark.parametrize(
    ("resolution", "number", "message"),
    [
        ("high", 3, "ice: high-resolution slices missing: 3. Pass"),
        ("low", 1, "ice: low-resolution slices missing: 1. Pass"),
        ("low", 0, "low-resolution slices missing: 0"),
        ("high", 0, "high-resolution slices missing: 0"),
        ("high", 5, "high-resolution slices missing: 5"),
        ("low", 2, "low-resolution slices missing: 2"),
    ],
)
def test_missing_slices_are_named(folder, resolution, number, message):
    break_one(folder, resolution, number)
    with pytest.raises(ValueError, match=message):
        load_tgrs2023(folder)


def test_incomplete_pairs_can_be_left_out(cores, folder):
    break_one(folder, "high", 3)
    with pytest.warns(UserWarning, match="ice") as told:
        core = load_tgrs2023(folder, incomplete="skip").ice
    assert "high-resolution slices missing: 3. Incomplete pairs" in str(told[0].message)
    assert "are there with their partners; generated_ice has 3" in str(told[1].message)
    np.testing.assert_array_equal(core.low, cores["ice"].low[[0, 2]])
    np.testing.assert_array_equal(core.high, cores["ice"].high[[0, 1, 4, 5]])


@pytest.mark.parametrize("end", [0, 2])
def test_a_core_that_ends_early_is_told(folder, end):
    """Nothing is missing in between: only the count of Table I, or of the card, tells."""
    for name, numbers in (("Canvas", (2 * end, 2 * end + 1)), ("Bin60", (end,))):
        for number in numbers:
            next(folder.rglob(f"{name}*ex5*_{number:04}.png")).unlink()
    left = f"{1 if end == 0 else 0} to {2 if end == 0 else 1}"
    message = f"ice: 2 low-resolution slices, {left}, are there.*generated_ice has 3"
    with pytest.warns(UserWarning, match=message):
        core = load_tgrs2023(folder, specimens=["ice"]).ice
    assert core.low.shape[0] == 2


def test_a_number_that_is_there_twice(folder):
    break_one(folder, "high", 2, lambda name: name.replace("_0002", "_2"))
    with pytest.raises(ValueError, match=r"ice: block 0, slice 2 is there twice: .*_0002.*_2\.png"):
        load_tgrs2023(folder)


def test_odd_offset(cores, folder):
    for path in reversed(slices(folder, "high")):
        path.rename(path.with_name(path.name[:-8] + f"{int(path.stem[-4:]) + 3:04d}.png"))
    with pytest.raises(ValueError, match=r"slices 3 to 8 and .* 0 to 2 .* offset=3 makes"):
        load_tgrs2023(folder)
    core = load_tgrs2023(folder, specimens=["ice"], offset=3).ice
    np.testing.assert_array_equal(core.high, cores["ice"].high)


def test_an_ambiguous_numbering_is_not_guessed(folder):
    """Low 0 and high 0 missing: is it low 1 = high 1, 2 or high 2, 3?"""
    break_one(folder, "low", 0)
    break_one(folder, "high", 0)
    with pytest.raises(ValueError, match="Pass offset to say"):
        load_tgrs2023(folder)
    with pytest.raises(ValueError, match=r"low-resolution slices missing: 0; .* missing: 0"):
        load_tgrs2023(folder, offset=0)


def test_other_blocks(folder):
    for path in slices(folder, "low"):
        path.rename(path.with_name(path.name.replace("block_0", "block_1")))
    with pytest.raises(ValueError, match=r"blocks \[0\], the low-resolution ones of \[1\]"):
        load_tgrs2023(folder)


def test_what_is_not_there(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_tgrs2023(tmp_path / "nowhere")
    shutil.rmtree(folder / "TEDRIST_bag43" / "high")
    with pytest.raises(
        FileNotFoundError, match=r"no slices of firn \(high resolution\); it has 3 of firn "
    ):
        load_tgrs2023(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="it has no PNG slices"):
        load_tgrs2023(tmp_path / "empty")


def test_names_that_say_nothing(folder):
    shutil.copy(slices(folder, "low")[0], folder / "slice_0001.png")
    with pytest.raises(ValueError, match="Neither name nor folders of slice_0001"):
        load_tgrs2023(folder)


def test_sizes_must_be_one_to_two(cores, tmp_path):
    core = Bunch(**{**cores["snow"], "high": cores["snow"].high[:, :-2]})
    write_tgrs2023([core], tmp_path)
    with pytest.raises(ValueError, match=r"twice the low-resolution stack \(3, 32, 32\)"):
        load_tgrs2023(tmp_path, specimens=["snow"])


def test_writer_and_loader_refuse(cores, tmp_path):
    with pytest.raises(ValueError, match="one core each"):
        write_tgrs2023([cores["snow"]] * 2, tmp_path)
    with pytest.raises(ValueError, match="incomplete="):
        load_tgrs2023(tmp_path, incomplete="mend")
    with pytest.raises(ValueError, match="specimens='sand'"):
        load_tgrs2023(tmp_path, specimens=["sand"])
