"""Checkpoints: whatever ends a training run, the same call goes on where it stopped.

A checkpoint is a model file (no code in it) with the weights, the optimiser's moments,
the best weights so far and the place in the schedule. As all draws follow from (seed,
epoch, batch), no generator state is needed.
"""

import json
import signal
import threading
import time
from pathlib import Path

from icecoreseg.segmentation._checkpoint_checks import check_card, check_tensors
from icecoreseg.segmentation._distributed import rank, total
from icecoreseg.segmentation._model_file import read_model, write_model
from icecoreseg.segmentation._training import settle

KIND = "training checkpoint"
VERSION = 1

_LATER = {"context_slices": "0", "first weights": "null"}
"""What older checkpoints do not name, and the value that they were trained with."""

SAVE_EVERY_S = 300.0
"""Seconds of an epoch after which it is saved in the middle."""


class Checkpoint:
    """Save a training state as it goes, and restore it.

    As a context manager it also answers SIGTERM, which Slurm sends before it takes a
    machine away: the batch is finished, the state saved, and SystemExit raised.

    Parameters
    ----------
    path : str, Path or None
        File; None does nothing at all.
    identity : dict
        Parameters and a summary of the data. A checkpoint of another training is refused.
    """

    def __init__(self, path, identity):
        self.path = None if path is None else Path(path)
        self.identity = {name: json.dumps(value) for name, value in identity.items()}
        self._saved_at, self._stop, self._before = time.monotonic(), False, None

    def begin(self, draw):
        """Seed of the interrupted training, or a new one from ``draw()``."""
        resumes = self.path is not None and self.path.exists()
        self._seed = self._read()[1]["seed"] if resumes else draw()
        return self._seed

    def restore(self, state):
        """Set the state to that of the file, if there is one."""
        if self.path is None or not self.path.exists():
            return
        tensors, card = self._read()
        check_tensors(state, tensors, self.path, has_best=card["best"] is not None)
        restore_tensors(state, tensors, card["best"])
        state.scaler.load_state_dict(card["scaler"])
        state.epoch, state.batch = card["epoch"], card["batch"]
        state.sums, state.history = card["sums"], card["history"]

    def batch_done(self, state):
        """Save now and then, and stop if the system asked for it."""
        if self.path is None:
            return
        late = time.monotonic() - self._saved_at > SAVE_EVERY_S
        stop = total(float(self._stop), state.device) > 0  # all processes, or none
        if late or stop:
            self.save(state)
        if stop:
            raise SystemExit(128 + signal.SIGTERM)

    def epoch_done(self, state):
        """Save."""
        if self.path is not None:
            self.save(state)

    def save(self, state):
        """Write the state to the file, atomically; of several processes the first does."""
        settle(state)
        self._saved_at = time.monotonic()
        if rank() != 0:
            return
        card = {
            "identity": self.identity,
            "seed": self._seed,
            "epoch": state.epoch,
            "batch": state.batch,
            "sums": state.sums,
            "history": state.history,
            "best": None if state.best is None else {k: state.best[k] for k in ("epoch", "loss")},
            "scaler": state.scaler.state_dict(),
        }
        write_model(self.path, state_tensors(state), card, kind=KIND, version=VERSION)

    def _read(self):
        tensors, card = read_model(self.path, kind=KIND, version=VERSION)
        check_card(card, self.path)
        found = {k: v for k, v in _LATER.items() if k in self.identity} | card["identity"]
        differ = sorted(
            name for name in self.identity | found if self.identity.get(name) != found.get(name)
        )
        if differ:
            name = differ[0]
            raise ValueError(
                f"The checkpoint {self.path} is of another training: {', '.join(differ)} differ "
                f"({name} was {found.get(name)}, now {self.identity.get(name)}). Delete it to "
                "start anew, or name another file."
            )
        return tensors, card

    def __enter__(self):
        if self.path is not None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._ask_to_stop)
        return self

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _ask_to_stop(self, *_):
        self._stop = True


def state_tensors(state):
    """All tensors of a training state, by name."""
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    for i, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in moments.items()}
    if state.best is not None:
        tensors |= {f"best.{name}": value for name, value in state.best["weights"].items()}
    return tensors


def restore_tensors(state, tensors, best):
    """Put the tensors of `state_tensors` back."""

    def part(prefix):
        return {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }

    state.network.load_state_dict(part("network."))
    moments = {}
    for name, value in part("optimizer.").items():
        i, _, key = name.partition(".")
        moments.setdefault(int(i), {})[key] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    if best is not None:
        weights = {name: value.to(state.device) for name, value in part("best.").items()}
        state.best = best | {"weights": weights}
