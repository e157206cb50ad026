"""measure_shift finds known shifts, and warns of those that matter."""

import dask.array as da
import numpy as np
import pytest

from icecoreseg.datasets import make_ice_core, measure_shift

AXES = ("shift_z", "shift_y", "shift_x")


@pytest.fixture(scope="module", params=["snow", "firn", "ice"])
def core(request):
    return make_ice_core(request.param, n_slices=14, n_columns=64, random_state=3)


def found(low, high, **options):
    table = measure_shift(low, high, **{"n_places": 1, "tolerance": 9, **options})
    return np.column_stack([table[name] for name in AXES])


def test_scans_of_one_acquisition_do_not_differ(core):
    shifts = found(core.low, core.high, n_places=3, n_slices=10, tolerance=0.05)
    assert np.abs(shifts).max() <= 0.05


@pytest.mark.parametrize("shift", [(1, 0), (3, -1), (0, 5)])
def test_known_shift_in_the_plane(core, shift):
    moved = np.roll(core.high, shift, axis=(1, 2))
    expected = [0, shift[0] / 2, shift[1] / 2]
    np.testing.assert_allclose(found(core.low, moved), [expected], atol=0.06)


@pytest.mark.parametrize("n", [-1, 1, 2])
def test_known_shift_along_the_core(core, n):
    """High slices taken n too late: their content lies n / 2 low slices too early."""
    moved = core.high[2 + n : 26 + n]
    np.testing.assert_allclose(found(core.low[1:-1], moved), [[-n / 2, 0, 0]], atol=0.08)


def test_warns_and_names_the_place(core):
    moved = core.high.copy()
    moved[:12] = np.roll(moved[:12], 2, axis=1)
    with pytest.warns(UserWarning, match=r"at the slices \[0\].*\[-?0\.0\d?, 1\.0\d?, -?0\.0\d?\]"):
        measure_shift(core.low, moved, n_places=2, n_slices=6)


def test_lazy_stacks_and_places_without_structure(core):
    lazy = [da.from_array(stack, chunks=(4, -1, -1)) for stack in (core.low, core.high)]
    np.testing.assert_array_equal(found(*lazy), found(core.low, core.high))
    blank = np.zeros((4, 8, 8), np.uint8)
    assert np.isnan(found(blank, np.zeros((8, 16, 16), np.uint8))).all()


def test_refusals(core):
    with pytest.raises(ValueError, match=r"twice that of low, \(14, 64, 64\)"):
        measure_shift(core.low, core.high[:-1])
    masked = np.where(core.mask_low, core.low.astype(np.float32), np.nan)
    with pytest.raises(ValueError, match="hold NaN"):
        measure_shift(masked, core.high)
    with pytest.raises(ValueError, match="n_places"):
        measure_shift(core.low, core.high, n_places=0)
