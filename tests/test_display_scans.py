"""ResolutionDisplay: the fine scan, averaged, beside the coarse one."""

import dask.array as da
import numpy as np
import pytest

from icecoreseg.datasets import make_ice_core
from icecoreseg.display import ResolutionDisplay

pytest.importorskip("matplotlib").use("agg")


@pytest.fixture(scope="module")
def core():
    return make_ice_core("firn", n_slices=3, n_columns=48, random_state=0)


def test_the_fine_scan_is_sharper(core):
    """Fig. 4 of the paper; the phantom is built as the scanner works, nobody sharpened it."""
    display = ResolutionDisplay.from_scans(core.low, core.high, window=24)
    assert display.low.shape == display.reduced.shape == (24, 24)
    assert display.sharpness_ratio_ > 1.1


def test_averages_the_right_voxels(core):
    """Exact fractions of the phantom: the coarse one is the mean of the fine ones."""
    mask = core.mask_low
    low, high = (np.nan_to_num(stack) for stack in (core.fraction_low, core.fraction_high))
    display = ResolutionDisplay.from_scans(low, high, slice_index=2)
    np.testing.assert_allclose(display.reduced[mask[2]], low[2][mask[2]], atol=1e-6)
    assert display.sharpness_ratio_ == pytest.approx(1, abs=1e-3)


def test_lazy_scans_and_plot(core):
    lazy = [da.from_array(stack, chunks=(2, -1, -1)) for stack in (core.low, core.high)]
    display = ResolutionDisplay.from_scans(*lazy, title="firn").plot()
    assert [axis.get_title() for axis in display.ax_] == [
        "firn: resized fine scan",
        "firn: coarse scan",
    ]
    left, right = (axis.images[0].get_clim() for axis in display.ax_)
    assert left == right
    np.testing.assert_array_equal(display.ax_[1].images[0].get_array(), core.low[1])


def test_refuses_other_shapes(core):
    with pytest.raises(ValueError, match=r"twice that of low, \(3, 48, 48\)"):
        ResolutionDisplay.from_scans(core.low, core.high[1:])
