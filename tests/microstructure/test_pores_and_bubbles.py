"""Pores, bubbles and matches on drawn shapes, and against scipy's labels."""

import dask.array as da
import numpy as np
import pytest
from analytic_shapes import ORIENTATIONS, ball, coordinates
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from icecoreseg import AIR, OUTSIDE
from icecoreseg.microstructure import (
    bubble_number_density,
    bubble_size_distribution,
    bubble_table,
    closed_porosity,
    connectivity_index,
    detection_limit_mm,
    match_bubbles,
    match_summary,
    open_porosity,
    percolates,
    pore_closure,
)

MM = 1000


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, (4, 5, 6), elements=st.sampled_from([0, 1, 1, 255])))
def test_pores_are_those_of_scipy(y):
    inside = (y != OUTSIDE).sum()
    if not inside:
        assert np.isnan(open_porosity(y))
        return
    labels, n = ndimage.label(y == AIR)
    closure = pore_closure(y)
    assert closure["n_pores"] == n
    rim = np.pad(y == OUTSIDE, 1, constant_values=True)
    near_rim = ndimage.binary_dilation(rim)[1:-1, 1:-1, 1:-1]
    opened = np.isin(labels, labels[near_rim & (y == AIR)]) & (labels > 0)
    assert closure["open_porosity"] == pytest.approx(opened.sum() / inside)
    total = closure["open_porosity"] + closure["closed_porosity"]
    assert total == pytest.approx(closure["porosity"])
    through = np.intersect1d(labels[0][labels[0] > 0], labels[-1][labels[-1] > 0])
    assert percolates(y) == bool(through.size)


def test_ends_only():
    """A pore that reaches the side wall is open there, but not to the ends."""
    y = np.ones((6, 6, 6), np.uint8)
    y[2:4, 2, :3] = AIR
    assert open_porosity(y) == pytest.approx(6 / 216)
    assert open_porosity(y, surface="ends") == 0
    assert closed_porosity(y, surface="ends") == pytest.approx(6 / 216)
    assert connectivity_index(y) == 1
    with pytest.raises(ValueError, match="surface"):
        pore_closure(y, surface="top")


def test_no_air_at_all():
    closure = pore_closure(np.ones((3, 3, 3), np.uint8))
    assert closure["open_porosity"] == 0
    assert np.isnan(closure["connectivity_index"])


def ellipsoid(axes, rotation, shape=(61, 61, 61), edges=(1, 1, 1)):
    place = np.tensordot(rotation.inv().as_matrix(), coordinates(shape, edges), 1)
    return 1 - ((place / np.reshape(axes, (3, 1, 1, 1))) ** 2).sum(axis=0).__lt__(1).astype(
        np.uint8
    )


@pytest.mark.parametrize("edges", [(1, 1, 1), (2, 1, 1)])
@pytest.mark.parametrize("name", ["upright", "tilted 20", "face diagonal", "along y"])
def test_shape_of_an_ellipsoid(name, edges):
    """Semi-axes 20, 10, 6, the longest along the axis that is turned."""
    shape = [round(61 / edge) for edge in edges]
    y = ellipsoid((20, 10, 6), ORIENTATIONS[name], shape, edges)
    table = bubble_table(y, np.array(edges) * MM)
    (row,) = [{key: table[key][0] for key in table}]
    assert row["volume_mm3"] == pytest.approx(4 / 3 * np.pi * 1200, rel=0.02)
    assert row["elongation"] == pytest.approx(2, rel=0.04)
    assert row["flatness"] == pytest.approx(10 / 6, rel=0.04)
    axis = ORIENTATIONS[name].apply([1, 0, 0])
    assert row["inclination_deg"] == pytest.approx(np.degrees(np.arccos(abs(axis[0]))), abs=2)
    middle = np.array(shape) * edges / 2
    np.testing.assert_allclose([row[f"{c}_mm"] for c in "zyx"], middle, atol=0.6)
    # Knud Thomsen's formula, good to 1 %.
    p = 1.6075
    surface = 4 * np.pi * (((200**p + 120**p + 60**p) / 3) ** (1 / p))
    assert row["surface_mm2"] == pytest.approx(surface, rel=0.03 * max(edges))
    assert not row["touches_edge"]


def test_sphericity_of_a_ball_is_one():
    table = bubble_table(1 - ball((41, 41, 41), 15), 60)
    assert table["sphericity"][0] == pytest.approx(1, abs=0.01)
    assert table["equivalent_diameter_mm"][0] == pytest.approx(1.8, rel=0.01)


def test_azimuth_points_from_x_to_y():
    y = np.ones((5, 20, 20), np.uint8)
    np.fill_diagonal(y[2, 3:17, 3:17], AIR)
    y[2, 4:17, 3:16][np.eye(13, dtype=bool)] = AIR
    table = bubble_table(y, MM, min_voxels=1)
    assert table["azimuth_deg"][0] == pytest.approx(45, abs=1)
    assert table["inclination_deg"][0] == pytest.approx(90, abs=1)


def test_edges_and_small_pieces():
    y = np.ones((12, 12, 12), np.uint8)
    y[0:3, 4:7, 4:7] = AIR  # cut by the top
    y[6:8, 6:8, 6:8] = AIR  # whole
    y[10, 10, 10] = AIR  # noise
    y[:, :, 0] = OUTSIDE
    y[5:8, 2:4, 1] = AIR  # on the outline
    table = bubble_table(y, 50, min_voxels=2)
    assert np.asarray(table["touches_edge"]).tolist() == [True, True, False]
    weights = np.asarray(table["edge_weight"])
    assert (weights[:2] == 0).all()
    assert weights[2] > 1
    assert len(bubble_table(y, 50, min_voxels=100)["label"]) == 0


def scattered(rng, *, size=70, n=30, small=2, large=5):
    """Balls of air that do not meet, some cut by the frame; and their true number density."""
    y, kept = np.ones((size,) * 3, np.uint8), []
    grid = np.mgrid[:size, :size, :size]
    while len(kept) < n:
        centre, radius = rng.uniform(-6, size + 6, 3), rng.uniform(small, large)
        if all(np.linalg.norm(centre - c) > radius + r + 2 for c, r in kept):
            kept.append((centre, radius))
            y[((grid - centre[:, None, None, None]) ** 2).sum(axis=0) < radius**2] = AIR
    return y, n / (size + 12) ** 3


def test_number_density_is_free_of_the_edge():
    """Counting whole bubbles finds 70 %; the weights make up for those that are cut."""
    rng = np.random.default_rng(0)
    found, naive, round_core = [], [], []
    for _ in range(12):
        y, true = scattered(rng)
        found.append(bubble_number_density(y, MM) / (true * 1e3))
        table = bubble_table(y, MM)
        naive.append((~np.asarray(table["touches_edge"])).sum() / y.size / true)
        place = np.mgrid[:70, :70] - 34.5
        y[:, (place**2).sum(axis=0) > 34**2] = OUTSIDE
        round_core.append(bubble_number_density(y, MM) / (true * 1e3))
    assert np.mean(naive) < 0.8
    assert np.mean(found) == pytest.approx(1, abs=0.12)
    assert np.mean(round_core) == pytest.approx(1, abs=0.15)


def test_number_density_units():
    y = np.ones((40, 40, 40), np.uint8)
    y[18:22, 18:22, 18:22] = AIR
    density = {per: bubble_number_density(y, 250, per=per) for per in ("specimen_cm3", "gram")}
    ice = 1 - 64 / 40**3
    assert density["gram"] == pytest.approx(density["specimen_cm3"] / (ice * 0.91887), rel=1e-4)


def test_too_many_bubbles_warn():
    y = np.ones((12, 12, 12), np.uint8)
    y[2:-2:3, 2:-2:3, 2:-2:3] = AIR
    with pytest.warns(UserWarning, match="bubbles per cubic centimetre"):
        bubble_number_density(y, 60, min_voxels=1)


def test_size_distribution_keeps_the_number():
    y, _ = scattered(np.random.default_rng(1), n=20)
    table = bubble_table(y, 100)
    sizes = bubble_size_distribution(table, 7**3)
    number = np.asarray(sizes["number_density_cm3"]).sum()
    assert number == pytest.approx(np.asarray(table["edge_weight"]).sum() / 0.343)
    assert np.asarray(sizes["volume_fraction"]).sum() == pytest.approx(1)
    assert detection_limit_mm(60, min_voxels=27) == pytest.approx(0.223, abs=1e-3)


def test_matching_a_stack_with_itself():
    y, _ = scattered(np.random.default_rng(2), n=25)
    match = match_bubbles(y, da.from_array(y, chunks=35), voxel_size_um=60)
    assert np.asarray(match.reference["detected"]).all()
    np.testing.assert_allclose(match.reference["volume_ratio"], 1)
    np.testing.assert_array_equal(match.reference["match_label"], match.reference["label"])
    assert not np.asarray(match.other["spurious"]).any()


def test_matching_across_resolutions():
    """Half the resolution loses the small bubbles, and keeps the volume of the large."""
    rng = np.random.default_rng(3)
    high, _ = scattered(rng, n=30, small=1.3, large=8)
    mean = high.reshape(35, 2, 35, 2, 35, 2).mean(axis=(1, 3, 5))
    low = (mean > 0.3).astype(np.uint8)
    match = match_bubbles(high, low, voxel_size_um=30, other_voxel_size_um=60)
    summary = match_summary(match, edges_mm=[0, 0.12, 0.5])
    rates = np.asarray(summary["detection_rate"])
    assert rates[1] == 1
    assert rates[0] < 1
    back = match_bubbles(
        low, high, voxel_size_um=60, other_voxel_size_um=30, min_voxels=1, other_min_voxels=8
    )
    missed = (~np.asarray(match.reference["detected"])).sum()
    assert np.asarray(back.other["spurious"]).sum() == missed
    assert match_summary(match)["volume_ratio"][0] == pytest.approx(0.8, abs=0.15)


def test_merged_bubbles_share_their_volume():
    reference = np.ones((6, 6, 20), np.uint8)
    reference[2:4, 2:4, 3:7] = reference[2:4, 2:4, 9:13] = AIR
    other = reference.copy()
    other[2:4, 2:4, 3:13] = AIR
    match = match_bubbles(reference, other, voxel_size_um=50)
    assert np.asarray(match.other["n_matches"]).tolist() == [2]
    np.testing.assert_allclose(match.reference["volume_ratio"], 1.25)


def test_bubbles_outside_the_other_specimen_are_not_compared():
    reference = np.ones((6, 6, 20), np.uint8)
    reference[2:4, 2:4, 3:7] = reference[2:4, 2:4, 9:13] = AIR
    other = np.ones_like(reference)
    other[..., 8:] = OUTSIDE
    match = match_bubbles(reference, other, voxel_size_um=50)
    assert np.asarray(match.reference["comparable"]).tolist() == [True, False]
    summary = match_summary(match)
    assert (summary["n_reference"][0], summary["detection_rate"][0]) == (1, 0)


def test_matching_refuses_other_pieces_of_core():
    y = np.ones((6, 6, 6), np.uint8)
    with pytest.raises(ValueError, match="same space"):
        match_bubbles(y, y, voxel_size_um=30, other_voxel_size_um=60)
    with pytest.raises(ValueError, match="min_overlap"):
        match_bubbles(y, y, voxel_size_um=30, min_overlap=0)
