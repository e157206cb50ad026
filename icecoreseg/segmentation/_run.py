"""One call of ``fit``: from the user's data and parameters to a trained network."""

import copy
import hashlib
import itertools
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils import check_random_state

from icecoreseg._slabs import iterate_with_halo
from icecoreseg._validation import warn_if_outside_unmarked
from icecoreseg.labels import AIR, ICE
from icecoreseg.segmentation._ahead import read_ahead
from icecoreseg.segmentation._callbacks import NoCallbacks
from icecoreseg.segmentation._checkpoint import Checkpoint
from icecoreseg.segmentation._device import slice_bytes
from icecoreseg.segmentation._distributed import agree_on, n_processes, rank
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._parameters import batch_size, check_same_network
from icecoreseg.segmentation._predict import place, validation_scores
from icecoreseg.segmentation._replay import played_back
from icecoreseg.segmentation._sampling import PatchSampler
from icecoreseg.segmentation._state import Schedule, new_state
from icecoreseg.segmentation._store import SliceStore
from icecoreseg.segmentation._survey import check_cores, count_valid, survey
from icecoreseg.segmentation._training import fit_loop

MIN_BATCHES = 100
"""Batches per epoch, at least, unless the user says how many."""

_NOT_LEARNT = ("checkpoint", "device", "threshold", "tile_size", "verbose", "warm_start")
"""Parameters that a training may be resumed with other values of."""


class TrainingRun:
    """Prepare a training: check the data, survey it, set up network, sampler and schedule.

    Parameters
    ----------
    parameters : dict
        Those of `UNetSegmenter`.
    X, y, validation_data
        As in `UNetSegmenter.fit`.
    device : torch.device
    start : UNetSegmenter, optional
        Fitted segmenter whose network and grey scale are trained further.
    """

    def __init__(self, parameters, X, y, validation_data, *, device, start=None):
        self.parameters = parameters | {"batch_size": batch_size(parameters, device)}
        self.taught_before = list(getattr(start, "training_data_", ()))
        outside, grey = parameters["outside"], None
        if start is not None:
            check_same_network(start.module_, parameters)
            grey = replace(start.grey_scale_, outside=outside)
        Xs, ys = check_cores(X, y, outside=outside)
        for stack in Xs:
            warn_if_outside_unmarked(stack, outside)
        self.validation = _check_validation(validation_data, outside)
        store = SliceStore(
            Xs,
            ys,
            device=device,
            budget=agree_on(slice_bytes(device), device),
            join=device.type != "cpu",
            halo=parameters["context_slices"],
        )
        found = survey(Xs, ys, outside=outside, grey=grey, keep=store.put)
        self.grey, self.data = found.grey, _summary(Xs, found)
        self.checkpoint = Checkpoint(parameters["checkpoint"], self._identity(start))
        draw = check_random_state(parameters["random_state"]).randint
        seed = self.checkpoint.begin(lambda: agree_on(int(draw(2**31 - 1)), device))
        if start is None:
            network = initialise(build(parameters), seed=seed, ice_share=found.ice_share)
        else:
            network = copy.deepcopy(start.module_)
        self.schedule = self._schedule()
        self.sampler = PatchSampler(
            store,
            found,
            patch_size=parameters["patch_size"],
            batch_size=self.parameters["batch_size"] * n_processes(),
            n_batches=self.schedule.n_batches,
            seed=seed,
            share=(rank(), n_processes()),
            context_slices=parameters["context_slices"],
        )
        self.state = new_state(network, device)
        self.checkpoint.restore(self.state)

    def train(self, callbacks=NoCallbacks()):  # noqa: B008
        """Run to the end of the schedule; whatever happens, `state` is what was reached.

        Parameters
        ----------
        callbacks : EpochCallbacks, optional
        """
        size, n = self.parameters["patch_size"], self.parameters["batch_size"]
        shape = n, 1 + 2 * self.parameters["context_slices"], size, size
        with played_back(self.state, shape), self.checkpoint as checkpoint:
            fit_loop(
                self.state,
                self.sampler,
                self.schedule,
                checkpoint=checkpoint,
                callbacks=callbacks,
                validate=self._validate if self.validation else None,
                verbose=self.parameters["verbose"],
            )

    def reached(self):
        """What a segmenter has learnt if the run ends now: its fitted attributes, as a dict."""
        state, network = self.state, copy.deepcopy(self.state.network)
        if state.best:
            network.load_state_dict(state.best["weights"])
        return {
            "grey_scale_": self.grey,
            "classes_": np.array([AIR, ICE]),
            "training_data_": [*self.taught_before, self.data],
            "history_": list(state.history),
            "batch_size_": self.parameters["batch_size"],
            "best_epoch_": state.best["epoch"] if state.best else state.epoch,
            "module_": place(network, torch.device("cpu")),
        }

    def _schedule(self):
        parameters = self.parameters
        n_batches = parameters["batches_per_epoch"]
        if n_batches is None:
            batch_voxels = parameters["patch_size"] ** 2 * parameters["batch_size"] * n_processes()
            n_batches = max(MIN_BATCHES, round(self.data["n_valid_voxels"] / batch_voxels))
        return Schedule(
            parameters["max_epochs"],
            n_batches,
            parameters["learning_rate"],
            parameters["patience"],
        )

    def _identity(self, start):
        """What a checkpoint must agree with, in plain values."""
        learnt = {k: v for k, v in plain(self.parameters).items() if k not in _NOT_LEARNT}
        return learnt | {
            "shapes of X": self.data["shapes"],
            "grey values of X": [self.grey.mean, self.grey.sd],
            "ice in y": self.data["ice_share"],
            "first weights": start and _digest(start.module_),
        }

    def _validate(self, network):
        slabs = itertools.chain.from_iterable(self._slabs(X, y) for X, y in self.validation)
        return validation_scores(
            network,
            read_ahead(slabs),
            grey=self.grey,
            tile_size=self.parameters["tile_size"],
            threshold=self.parameters["threshold"],
        )

    def _slabs(self, X, y):
        """Yield (X, y, inner): slabs with the neighbours that the network wants to see."""
        for start, slab, inner in iterate_with_halo(X, self.parameters["context_slices"]):
            yield slab, np.asarray(y[start : start + inner.stop - inner.start]), inner


def build(parameters):
    """Return the network that the parameters describe, with weights yet to be set."""
    return UNet(
        parameters["widths"],
        architecture=parameters["architecture"],
        context_slices=parameters["context_slices"],
    )


def _summary(Xs, found):
    """What a network was trained on, in plain values."""
    return {
        "shapes": [list(X.shape) for X in Xs],
        "n_valid_voxels": sum(int(counts.sum()) for counts in found.n_valid),
        "ice_share": found.ice_share,
    }


def plain(parameters):
    """Parameters as JSON can hold them; a generator that was handed in is not kept."""
    kept = {}
    for name, value in parameters.items():
        if hasattr(value, "item"):
            value = value.item()
        elif hasattr(value, "randint"):
            value = None
        elif not isinstance(value, int | float | str | list | tuple | None):
            value = str(value)  # paths, torch devices
        kept[name] = list(value) if isinstance(value, tuple) else value
    return kept


def _digest(network):
    """Checksum of the weights that a training starts from."""
    digest = hashlib.sha256()
    for weights in network.state_dict().values():
        digest.update(weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_validation(validation_data, outside):
    """Return pairs (X, y) of the validation data, or an empty list.

    All of it is read now: an epoch later would be late to say that a value is wrong.
    """
    if validation_data is None:
        return []
    if not isinstance(validation_data, tuple) or len(validation_data) != 2:
        raise ValueError(f"validation_data must be a tuple (X, y), got {type(validation_data)}.")
    pairs = list(zip(*check_cores(*validation_data, outside=outside), strict=True))
    if not sum(count_valid(X, y, outside=outside) for X, y in pairs):
        raise ValueError("validation_data holds no voxel that is inside the specimen and labelled.")
    return pairs
