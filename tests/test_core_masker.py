"""CoreMasker: the outline on cores that are easy, difficult, broken or not there."""

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import ellipse
from sklearn.base import clone

from icecoreseg import CoreMasker, open_stack, write_stack
from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import _steady, core_mask
from icecoreseg.preprocessing._casing import find_casing
from icecoreseg.preprocessing._outline import find_outline
from icecoreseg.preprocessing._reduce import occupancy

N = 256
KINDS = {"snow": (0.37, 2.0), "firn": (0.79, 3.0), "ice": (0.96, 1.5)}


def scan(kind="firn", *, n=N, shape=None, n_slices=1, casing=190, gap=0.04, shift=0.0, seed=0):
    """A drawn scan and its specimen: air 22, ice 115, noise 9, a casing around the middle."""
    random = np.random.default_rng(seed)
    fraction, grain = KINDS[kind]
    rows, columns = np.mgrid[:n, :n] - (n - 1) / 2
    radius = 0.38 * n
    specimen = np.hypot(rows - shift * n, columns) < radius if shape is None else shape
    field = ndimage.gaussian_filter(random.standard_normal((n_slices, n, n)), (1, grain, grain))
    ice = (field < np.quantile(field[:, specimen], fraction)) & specimen
    grey = np.where(ice, 115.0, 22.0)
    distance = np.hypot(rows, columns)
    inner = radius + gap * n
    grey[:, (distance > inner) & (distance < inner + 0.035 * n)] = casing
    grey = ndimage.gaussian_filter(grey, (0, 0.8, 0.8)) + random.normal(0, 9, grey.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), np.broadcast_to(specimen, grey.shape)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def bias(mask, truth):
    """Mean distance of the outline from the true one, in pixels; outwards is positive."""
    return np.sqrt(mask.sum() / len(mask) / np.pi) - np.sqrt(truth.sum() / len(truth) / np.pi)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("casing", [True, False])
def test_phantoms(kind, casing):
    """Half a pixel's accuracy on simulated scans, with and without a casing."""
    core = make_ice_core(kind, n_slices=4, n_columns=160, random_state=4, casing=casing)
    mask = core_mask(core.low)
    assert overlap(mask, core.mask_low) > 0.985
    assert abs(bias(mask, core.mask_low)) < 0.5
    assert not (mask & (core.low > 165)).any()


@pytest.mark.parametrize("kind", ["firn", "ice"])
def test_small_phantoms(kind):
    core = make_ice_core(kind, n_slices=6, n_columns=48, random_state=1)
    assert overlap(core_mask(core.low), core.mask_low) > 0.93


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "drawing",
    [
        {},
        {"casing": 22},
        {"casing": 115},
        {"casing": 60},
        {"shift": 0.035},
        {"gap": 0.0},
        {"shift": 0.0395},
    ],
    ids=["plain", "no casing", "grey casing", "dark casing", "off-centre", "no gap", "touching"],
)
def test_casings(kind, drawing):
    """Bright, grey, dark, missing, touching the specimen here or all round."""
    X, specimen = scan(kind, **drawing)
    mask = core_mask(X)
    assert overlap(mask, specimen) > 0.98
    assert abs(bias(mask, specimen)) < (0.9 if kind == "snow" else 0.5)


def drawn(name):
    """Outlines of difficult cores."""
    rows, columns = np.mgrid[:N, :N] - (N - 1) / 2
    round_core = np.hypot(rows, columns) < 0.38 * N
    if name == "elliptical":
        mask = np.zeros((N, N), dtype=bool)
        mask[ellipse((N - 1) / 2, (N - 1) / 2, 0.38 * N, 0.34 * N, rotation=0.6)] = True
        return mask
    if name == "sawn":
        return round_core & (columns < 0.28 * N)
    if name == "chipped":
        return round_core & (np.hypot(rows - 0.1 * N, columns - 0.4 * N) > 0.12 * N)
    cracked = round_core.copy()
    cracked[np.abs(rows + 4 * np.sin(columns / 9)) < 2] = False
    return cracked


@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [
        ("elliptical", "snow", 0.98),
        ("elliptical", "firn", 0.98),
        ("elliptical", "ice", 0.985),
        ("sawn", "ice", 0.98),
        ("sawn", "snow", 0.97),
        ("chipped", "ice", 0.985),
        ("chipped", "firn", 0.97),
    ],
)
def test_difficult_outlines(name, kind, least):
    X, specimen = scan(kind, shape=drawn(name))
    assert overlap(core_mask(X), specimen) > least


def test_cracks_and_fragments_belong_or_do_not_matter():
    """A crack is a pore; a loose fragment in the gap moves the outline by next to nothing."""
    whole = drawn("elliptical") | drawn("cracked")
    X, _ = scan("ice", shape=drawn("cracked"))
    mask = core_mask(X)[0]
    assert overlap(mask, ndimage.binary_closing(drawn("cracked"), iterations=6) & whole) > 0.97
    assert mask[N // 2].sum() > 0.7 * N  # along the crack
    X, specimen = scan("firn")
    X[0, 50:54, 50:54] = 115
    assert overlap(core_mask(X), specimen) > 0.98


def test_cut_out_with_a_bit_of_edge_and_casing():
    """A quadrant of a scan: the centre lies in the corner, half of nothing is seen."""
    X, specimen = scan("firn", n=512)
    X, specimen = X[:, 200:, 270:], specimen[:, 200:, 270:]
    assert overlap(core_mask(X), specimen) > 0.98


def test_inside_of_a_core_is_all_specimen():
    X, _ = scan("firn")
    assert core_mask(X[:, 80:170, 80:170]).mean() > 0.99


def test_large_slices_are_searched_at_reduced_size():
    """At 4 x reduction the outline stays within a pixel of the full-size slice."""
    X, specimen = scan("firn", n=1600)
    mask = core_mask(X)
    assert overlap(mask, specimen) > 0.995
    assert abs(bias(mask, specimen)) < 1


def test_slices_without_ice_are_all_outside():
    X, specimen = scan("snow", n_slices=7)
    air = np.random.default_rng(1).normal(22, 9, X.shape).clip(0).astype(np.uint8)
    X[:2] = np.where(specimen[:2], air[:2], X[:2])  # the casing only
    X[6] = 0
    mask = core_mask(X)
    assert not mask[[0, 1, 6]].any()
    assert overlap(mask[2:6], specimen[2:6]) > 0.98


@pytest.mark.parametrize("n", [96, N])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_empty_casing_is_all_outside(n, dtype):
    """Not a thing of ice in any slice; one slice with a splinter of ice changes that."""
    X, specimen = scan("firn", n=n, n_slices=3, gap=0.05)
    air = np.random.default_rng(1).normal(22, 9, X.shape).clip(0)
    empty = np.where(ndimage.binary_dilation(specimen[0], iterations=2), air, X).astype(dtype)
    with pytest.warns(UserWarning, match="nothing but air"):
        masker = CoreMasker().fit(empty)
    assert masker.air_ == pytest.approx(22, abs=2)
    assert np.isnan(masker.ice_)
    assert np.isnan(masker.transform(empty)).all()
    assert (masker.report_["area"] == 0).all()
    empty[1, n // 2 :, n // 2 :] = X[1, n // 2 :, n // 2 :]  # a quarter of a core
    mask = core_mask(empty)
    assert not mask[[0, 2]].any()
    assert mask[1].any()


def test_a_casing_filled_with_ice_is_not_empty():
    """No air within the wall: as even as an empty casing, but brighter than around it."""
    X, specimen = scan("ice", n_slices=2, gap=0.0)
    X[specimen] = np.random.default_rng(1).normal(115, 9, specimen.sum())
    assert overlap(core_mask(X), specimen) > 0.98


def test_a_slice_that_stands_alone_borrows_and_is_named():
    X, specimen = scan("firn", n_slices=7)
    small, _ = scan("firn", shape=drawn("sawn") & (np.arange(N) < 0.6 * N))
    X[3] = small
    masker = CoreMasker().fit(X)
    with pytest.warns(UserWarning, match=r"slices \[3\] departs"):
        found = masker.transform(X)
    assert overlap(~np.isnan(found[3]), specimen[3]) > 0.98
    assert masker.report(X)["borrowed"].tolist() == [False] * 3 + [True] + [False] * 3


def test_a_lasting_change_is_kept_and_named():
    wide, _ = scan("ice", n_slices=4)
    narrow, specimen = scan("ice", n_slices=4, shape=drawn("elliptical"))
    X = np.concatenate([wide, narrow])
    with pytest.warns(UserWarning, match=r"changes abruptly at slices \[4\]"):
        mask = core_mask(X)
    assert overlap(mask[4:], specimen) > 0.98


def test_bright_artefact_and_drift():
    """A saturated blot and a brightness that drifts by a quarter leave the outline alone."""
    X, specimen = scan("firn", n_slices=6)
    drifting = X * np.linspace(0.9, 1.15, 6)[:, np.newaxis, np.newaxis]
    drifting[2, 120:130, 100:140] = 255
    assert overlap(core_mask(np.clip(drifting, 0, 255).astype(np.uint8)), specimen) > 0.985


def test_outside_values():
    X, _ = scan("firn")
    X[0, 120:124, 120:130], X[0, 130:134, 120:130] = 0, 255
    blank = CoreMasker().fit_transform(X)
    outside = np.isnan(blank)
    assert blank.dtype == np.float32
    assert np.array_equal(blank[~outside], X[~outside])
    for value, near in ((0, 1), (255, 254)):
        cut = CoreMasker(outside=value).fit_transform(X)
        assert cut.dtype == np.uint8
        assert np.array_equal(cut == value, outside)
        moved = X.copy()
        moved[moved == value] = near
        assert np.array_equal(cut[~outside], moved[~outside])
    deep = CoreMasker(outside=65535).fit_transform(X.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert (deep == 65535).mean() == outside.mean()
    again = CoreMasker().fit_transform(blank)
    assert overlap(~np.isnan(again), ~outside) > 0.98
    assert not (outside & ~np.isnan(again)).any()


def test_margin():
    X, _ = scan("ice")
    masks = [core_mask(X, margin=margin) for margin in (-2, 0, 3)]
    assert bias(masks[2], masks[1]) == pytest.approx(-3, abs=0.05)
    assert bias(masks[0], masks[1]) == pytest.approx(2, abs=0.05)


def test_lazy_equals_eager(tmp_path):
    """dask in, dask out, chunks kept; the same values across slab borders."""
    X, _ = scan("firn", n_slices=5, n=128)
    write_stack(X, tmp_path)
    lazy = open_stack(tmp_path, slab=2)
    masker = CoreMasker(outside=0).fit(lazy)
    in_memory = CoreMasker().fit(X)
    assert (masker.air_, masker.ice_) == (in_memory.air_, in_memory.ice_)
    cut = masker.transform(lazy)
    assert isinstance(cut, da.Array)
    assert cut.chunks == lazy.chunks
    assert np.array_equal(cut.compute(), masker.transform(X))
    assert np.array_equal(core_mask(lazy).compute(), core_mask(X))


@pytest.mark.parametrize(("n_slices", "weeds"), [(3, False), (9, True)])
def test_fragments_are_sought_where_enough_slices_tell_them_from_grains(
    monkeypatch, n_slices, weeds
):
    asked = []

    def note(*seen, weed):
        asked.append(weed)
        return find_outline(*seen, weed=weed)

    monkeypatch.setattr(_steady, "find_outline", note)
    core_mask(scan("snow", n=96, n_slices=n_slices)[0])
    assert asked[-1] is weeds


def test_a_fit_reads_small_slices_once():
    X, _ = scan("snow", n_slices=20, n=96)
    read = []

    def note(block):
        read.extend([0] * len(block))
        return block

    lazy = da.from_array(X, chunks=(1, -1, -1)).map_blocks(note, dtype=X.dtype, meta=X[:0])
    CoreMasker().fit(lazy)
    assert len(read) == 16


def test_blocks_agree_away_from_their_ends():
    X, _ = scan("snow", n_slices=16, n=96)
    masker = CoreMasker(outside=0).fit(X)
    whole = masker.transform(X)
    halves = np.concatenate([masker.transform(X[:8]), masker.transform(X[8:])])
    assert np.array_equal(whole[[0, 1, 14, 15]], halves[[0, 1, 14, 15]])


def test_estimator_manners():
    """Cloned and refitted alike, input untouched, pandas output ignored, report as a table."""
    X, specimen = scan("firn", n_slices=3)
    before = X.copy()
    masker = CoreMasker(margin=1.0).set_output(transform="pandas")
    first = masker.fit(X).transform(X)
    assert np.array_equal(first, clone(masker).fit(X[:, :, :]).transform(X), equal_nan=True)
    assert np.array_equal(X, before)
    report = masker.report_
    assert report["slice"].tolist() == [0, 1, 2]
    assert report["radius"] == pytest.approx(np.sqrt(specimen[0].sum() / np.pi), abs=0.7)
    assert report["centre_row"] == pytest.approx((N - 1) / 2, abs=0.7)


def test_refusals():
    X, _ = scan("firn")
    for bad, message in ((300, "does not fit"), ("0", "number or NaN"), (True, "number or NaN")):
        with pytest.raises(ValueError, match=message):
            CoreMasker(outside=bad).fit(X)
    with pytest.raises(ValueError, match="margin"):
        CoreMasker(margin=np.nan).fit(X)
    with pytest.raises(ValueError, match=r"np\.newaxis"):
        CoreMasker().fit(X[0])
    with pytest.raises(ValueError, match="holds NaN, but outside=0"):
        CoreMasker(outside=0).fit(np.full((1, 9, 9), np.nan))
    with pytest.raises(Exception, match="not fitted"):
        CoreMasker().transform(X)


@pytest.mark.filterwarnings("ignore:X shows one grey level")
@pytest.mark.parametrize("part", [np.s_[:], np.s_[:, 60:, :150], np.s_[:, 90:150, 90:150]])
def test_area_is_that_of_the_mask(part):
    """Where the picture cuts the specimen off, and where all of the picture is specimen, too."""
    X = scan("ice")[0][part]
    report = CoreMasker().fit(X).report(X)
    area = core_mask(X).sum(axis=(1, 2))
    np.testing.assert_array_equal(report["area"], area)
    np.testing.assert_allclose(report["radius"], np.sqrt(area / np.pi))


@pytest.mark.parametrize("value", [22, 115])
def test_one_grey_level_is_left_alone_with_a_warning(value):
    X = np.random.default_rng(0).normal(value, 9, (2, 40, 40)).astype(np.float32)
    with pytest.warns(UserWarning, match="one grey level"):
        masker = CoreMasker().fit(X)
    assert np.array_equal(masker.transform(X), X)


@pytest.mark.filterwarnings("ignore:The outline:UserWarning")  # there is none to be steady
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 3, 5), (1, 2, 40), (3, 7, 7), (1, 1, 1000), (1, 1000, 1), (2, 3, 4000)]
)
def test_tiny_stacks(shape):
    X = np.random.default_rng(1).choice(np.array([20, 120], np.uint8), shape)
    X.flat[0] = 20
    assert core_mask(np.concatenate([X, X + 1])).shape == (2 * shape[0], *shape[1:])


def test_casing_is_measured():
    X, _ = scan("firn", n=300)
    casing = find_casing(occupancy(X[0], 1, (22, 115)))
    assert (casing.row, casing.column) == pytest.approx((149.5, 149.5), abs=0.2)
    assert casing.inner == pytest.approx(0.42 * 300, abs=0.5)
    bare, _ = scan("ice", casing=22)
    assert find_casing(occupancy(bare[0], 1, (22, 115))) is None
