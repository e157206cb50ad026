"""Callbacks of scikit-learn are told of every epoch, and can stop."""

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.pipeline import make_pipeline

from icecoreseg import UNetSegmenter
from icecoreseg.metrics import SCORERS


def tiny_unet(**parameters):
    given = {"widths": (4, 4), "patch_size": 16, "batches_per_epoch": 10, "max_epochs": 3}
    return UNetSegmenter(**(given | {"learning_rate": 0.02, "random_state": 0} | parameters))


@pytest.fixture(scope="module")
def core():
    rng = np.random.default_rng(0)
    y = (rng.random((3, 8, 8)) < 0.5).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    return 50 + 100 * y + rng.normal(0, 20, y.shape).astype(np.float32), y


class Recorder:
    """Writes down what it is told, and asks to stop after some epochs."""

    def __init__(self, stop_after=None):
        self.told, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.told.append(f"{context.task_name} begins, {X is not None}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(f"{context.task_name} ends")
        if X is not None and fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def test_every_epoch_is_told(core):
    recorder = Recorder()
    model = tiny_unet().set_callbacks(recorder).fit(*core)
    epoch = ["epoch begins, True", "epoch ends"]
    assert recorder.told == ["setup", "fit begins, True", *3 * epoch, "fit ends", "teardown"]
    assert recorder.scores[-1] == recorder.scores[-2] == model.score(*core)
    assert recorder.scores[0] < recorder.scores[-1]  # that of the network as it was then
    assert len(model.training_data_) == 1


def test_a_callback_can_stop_and_changes_nothing_else(core):
    stopped = tiny_unet().set_callbacks(Recorder(stop_after=1)).fit(*core)
    assert len(stopped.history_) == stopped.best_epoch_ == 1
    plain, watched = tiny_unet().fit(*core), tiny_unet().set_callbacks(Recorder()).fit(*core)
    for one, other in zip(plain.module_.parameters(), watched.module_.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_best_network_is_handed_out(core):
    """With validation data a callback sees what fit would return if it ended there."""
    recorder = Recorder()
    model = tiny_unet(learning_rate=0.5).set_callbacks(recorder)
    model.fit(*core, validation_data=core)
    assert set(recorder.scores[model.best_epoch_ - 1 :]) == {model.score(*core)}


def test_lists_of_cores_are_not_handed_to_scorers(core):
    recorder = Recorder()
    X, y = core
    tiny_unet(max_epochs=1).set_callbacks(recorder).fit([X, X], [y, y])
    assert recorder.told[1:3] == ["fit begins, False", "epoch begins, False"]


def test_scoring_monitor_logs_the_scores_of_this_package(core):
    monitor = ScoringMonitor(scoring={"air": SCORERS["dice_air"]})
    model = tiny_unet().set_callbacks(monitor)
    assert clone(model)._skl_callbacks == [monitor]
    model.fit(*core)
    scores = [row["air"] for row in monitor.get_logs().data]
    assert len(scores) == 4  # of three epochs, and of the fit
    assert scores[-1] == SCORERS["dice_air"](model, *core)


def test_callbacks_of_a_pipeline_reach_the_epochs(core):
    recorder = Recorder()
    recorder.max_propagation_depth = None  # as scikit-learn's progress bar has it
    make_pipeline(tiny_unet(max_epochs=2)).set_callbacks(recorder).fit(*core)
    assert recorder.told.count("epoch ends") == 2
