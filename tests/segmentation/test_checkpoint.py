"""Nothing lost: an interrupted training ends with the weights of an uninterrupted one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from icecoreseg.segmentation import _checkpoint, _run, _training
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._state import new_state
from tests.segmentation.conftest import make_core, tiny_unet


class Killed(BaseException):
    """Ends a training as abruptly as Python can."""


def weights(model):
    return torch.cat([p.flatten() for p in model.module_.parameters()])


def stop_after(monkeypatch, n_steps, *, end):
    """Let the training step call ``end()`` when `n_steps` steps are made."""
    step, made = _training.train_step, []

    def counted(*args):
        if len(made) == n_steps:
            end()
        made.append(1)
        return step(*args)

    monkeypatch.setattr(_training, "train_step", counted)


def kill():
    raise Killed


def small_run(path):
    return tiny_unet(max_epochs=3, batches_per_epoch=6, checkpoint=path)


@pytest.mark.parametrize("n_steps", [3, 6, 9, 17])
@pytest.mark.parametrize("save_every", [0, 300])
def test_resumed_equals_uninterrupted(core, tmp_path, monkeypatch, n_steps, save_every):
    """Killed in any epoch, with or without a checkpoint in the middle of it."""
    validation = make_core(5)
    whole = small_run(None).fit(*core, validation_data=validation)
    monkeypatch.setattr(_checkpoint, "SAVE_EVERY_S", save_every)
    path = tmp_path / "run.safetensors"
    with monkeypatch.context() as patch:
        stop_after(patch, n_steps, end=kill)
        with pytest.raises(Killed):
            small_run(path).fit(*core, validation_data=validation)
    resumed = small_run(path).fit(*core, validation_data=validation)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.best_epoch_ == whole.best_epoch_
    for now, then in zip(resumed.history_, whole.history_, strict=True):
        assert now | {"seconds": 0} == then | {"seconds": 0}


KILLED = """
import os, signal, sys
from icecoreseg.segmentation import _checkpoint, _training
from tests.segmentation import test_checkpoint
from tests.segmentation.conftest import make_core

owner, name = {"step": (_training, "train_step"), "write": (os, "fsync")}[sys.argv[2]]
function, calls = getattr(owner, name), []

def deadly(*args):
    calls.append(1)
    if len(calls) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*args)

setattr(owner, name, deadly)
_checkpoint.SAVE_EVERY_S = 0
test_checkpoint.small_run(sys.argv[1]).fit(*make_core(seed=0))
"""


@pytest.mark.parametrize("where", ["step", "write"])
def test_kill_9(core, tmp_path, monkeypatch, where):
    """A process that the system kills in mid-epoch, at work or while it writes the file."""
    path = tmp_path / "run.safetensors"
    command = [sys.executable, "-c", KILLED, str(path), where]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    whole = small_run(None).fit(*core)
    step, made = _training.train_step, []
    monkeypatch.setattr(_training, "train_step", lambda *args: made.append(1) or step(*args))
    assert torch.equal(weights(small_run(path).fit(*core)), weights(whole))
    assert 0 < len(made) < 18


def test_sigterm_saves_the_batch_and_exits(core, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        stop_after(patch, 8, end=lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as error:
            small_run(path).fit(*core)
    assert error.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    left = []
    step = _training.train_step
    monkeypatch.setattr(
        _training,
        "train_step",
        lambda state, *args: left.append((state.epoch, state.batch)) or step(state, *args),
    )
    small_run(path).fit(*core)
    assert left[0] == (1, 3)  # eight steps were under way when the signal came, the ninth is done
    assert len(left) == 9


def test_finished_training_is_not_repeated(core, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    first = small_run(path).fit(*core)
    stop_after(monkeypatch, 0, end=kill)
    assert torch.equal(weights(small_run(path).fit(*core)), weights(first))


def test_unseeded_training_resumes_with_its_own_seed(core, tmp_path):
    path = tmp_path / "run.safetensors"
    first = small_run(path).set_params(random_state=None).fit(*core)
    again = small_run(path).set_params(random_state=None).fit(*core)
    assert torch.equal(weights(first), weights(again))


def test_checkpoint_of_another_training_is_refused(core, tmp_path):
    path = tmp_path / "run.safetensors"
    small_run(path).fit(*core)
    with pytest.raises(ValueError, match=r"another training: learning_rate differ .*was 0\.02"):
        small_run(path).set_params(learning_rate=0.1).fit(*core)
    with pytest.raises(ValueError, match="ice in y"):
        small_run(path).fit(core[0], np.where(core[1] == 1, 0, np.where(core[1] == 0, 1, 255)))


def test_damaged_checkpoint_is_named(core, tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"run\.safetensors is damaged"):
        small_run(path).fit(*core)


def test_non_finite_loss_keeps_the_last_epoch(core, monkeypatch):
    """The weights are those of the last finished epoch, as is the history."""
    one = tiny_unet(max_epochs=2, batches_per_epoch=6)
    seen = []

    def spoil():
        seen.append(1)
        raise FloatingPointError("spoilt")

    stop_after(monkeypatch, 9, end=spoil)
    with pytest.raises(FloatingPointError, match="spoilt"):
        one.fit(*core)
    assert seen
    assert len(one.history_) == one.best_epoch_ == 1
    assert one.predict(core[0]).shape == core[0].shape


def test_infinite_validation_loss_stops(core):
    """A step so long that only the validation shows it."""
    model = tiny_unet(batches_per_epoch=1, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"validation loss is \w+ after epoch 1"):
        model.fit(*core, validation_data=core)


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_interrupted_training_keeps_its_best_epoch(core, monkeypatch, error):
    """`best_epoch_` is the epoch whose weights are kept, not the last one."""
    best = tiny_unet(max_epochs=3, batches_per_epoch=6)
    losses = iter([0.1, 0.2, 0.3])
    monkeypatch.setattr(_run, "validation_scores", lambda *_, **__: {"valid_loss": next(losses)})

    def end():
        raise error

    weights_then, record = [], _training.record_validation
    monkeypatch.setattr(
        _training,
        "record_validation",
        lambda state, scores: (
            record(state, scores),
            weights_then.append(
                torch.cat([p.detach().flatten() for p in state.network.parameters()])
            ),
        ),
    )
    stop_after(monkeypatch, 15, end=end)
    with pytest.raises(error):
        best.fit(*core, validation_data=core)
    assert (best.best_epoch_, len(best.history_)) == (1, 2)
    assert torch.equal(weights(best), weights_then[0])
    assert not torch.equal(*weights_then)


def test_out_of_memory_halves_the_batch(core, monkeypatch):
    """Parts of a batch give the weights of the whole batch, up to rounding."""
    whole = tiny_unet(batches_per_epoch=4).fit(*core)
    add, parts = _training._add_part, []

    def small_device(state, x, *args):
        if len(x) > 1:
            raise torch.cuda.OutOfMemoryError("too much")
        parts.append(len(x))
        return add(state, x, *args)

    monkeypatch.setattr(_training, "_add_part", small_device)
    cut = tiny_unet(batches_per_epoch=4).fit(*core)
    assert parts == [1] * 16
    torch.testing.assert_close(weights(cut), weights(whole), rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(_training, "_add_part", lambda *_: small_device(None, [1, 2]))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        tiny_unet().fit(*core)


def test_steps_that_are_looked_at_late(tmp_path):
    """As on CUDA: a step that came out infinite is found one later, and never in a checkpoint."""
    network = initialise(UNet((4, 6)), seed=0)
    state, path = new_state(network, torch.device("cpu")), tmp_path / "run.safetensors"
    x, target = torch.zeros(2, 1, 16, 16), torch.ones(2, 16, 16)
    checkpoint = _checkpoint.Checkpoint(path, {})
    checkpoint.begin(lambda: 0)
    for state.batch in range(2):
        state.late.append(_training.train_step(state, x, target, 1e-3))
    _training.settle(state, n_late=1)
    assert (len(state.late), state.sums[1]) == (1, 512)
    checkpoint.save(state)
    assert (len(state.late), state.sums[1]) == (0, 1024)
    saved = path.read_bytes()
    for state.batch, value in ((2, torch.inf), (3, 0.0)):
        state.late.append(_training.train_step(state, x + value, target, 1e-3))
        _training.settle(state, n_late=2)
    with pytest.raises(FloatingPointError, match="in epoch 1, batch 3, at"):
        checkpoint.save(state)
    assert path.read_bytes() == saved
