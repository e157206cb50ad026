"""Displays hold the data that they draw."""

import dask.array as da
import numpy as np
import pytest

from icecoreseg import ThresholdLabeler, UNetSegmenter
from icecoreseg.display import SegmentationDisplay, TrainingDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def stack():
    X = np.full((3, 16, 16), 20, dtype=np.uint8)
    X[:, 4:12, 4:12] = 110
    return X


def test_outlines_lie_between_ice_and_air(stack):
    display = SegmentationDisplay.from_estimator(
        ThresholdLabeler().fit(stack), stack, (stack > 50).astype(np.uint8), title="core"
    ).plot()
    paths = [path for drawn in display.ax_.collections for path in drawn.get_paths()]
    assert len(paths) == 2  # truth and prediction
    low, high = paths[0].vertices.min(axis=0), paths[0].vertices.max(axis=0)
    np.testing.assert_allclose(low, 3.5)
    np.testing.assert_allclose(high, 11.5)
    assert display.ax_.get_title() == "core"


def test_one_slice_of_a_lazy_stack(stack):
    stack[2] = 0
    lazy = da.from_array(stack, chunks=(1, 16, 16))
    display = SegmentationDisplay.from_predictions(lazy, lazy > 50, slice_index=2)
    assert display.prediction.sum() == 0
    ax = plt.figure().add_subplot()
    assert display.plot(ax).ax_ is ax


def test_shapes_must_agree(stack):
    with pytest.raises(ValueError, match="y_pred has shape"):
        SegmentationDisplay.from_predictions(stack, stack[:1] > 50)


def test_training_with_and_without_validation(stack):
    y = (stack > 50).astype(np.uint8)
    model = UNetSegmenter(widths=(4,), patch_size=16, max_epochs=2, batches_per_epoch=2)
    model.set_params(random_state=0).fit(stack, y, validation_data=(stack, y))
    display = TrainingDisplay.from_estimator(model).plot()
    assert len(display.ax_) == 2
    drawn = display.ax_[0].lines[1].get_ydata()
    np.testing.assert_allclose(drawn, [row["valid_loss"] for row in model.history_])
    assert len(TrainingDisplay([{"epoch": 1, "train_loss": 1.0}]).plot().ax_) == 1
    with pytest.raises(ValueError, match="draws on 2 axes, got 1"):
        display.plot(plt.figure().add_subplot())
