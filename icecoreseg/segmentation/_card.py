"""The card of a model file: all that a segmenter is besides its weights.

It may come from anywhere, so that nothing in it is believed: parameters go through the checks of
the constructor's owner, and the weights are compared with what the card promises before a
network of that size is made.
"""

import platform
from numbers import Real

import numpy as np
import torch

from icecoreseg import __version__
from icecoreseg._validation import (
    check_choice,
    check_outside,
    check_positive_int,
    check_voxel_size,
)
from icecoreseg.labels import AIR, ICE
from icecoreseg.segmentation._model_file import read_published
from icecoreseg.segmentation._network import layer_table
from icecoreseg.segmentation._parameters import check_parameters, widths_of
from icecoreseg.segmentation._predict import place
from icecoreseg.segmentation._run import build, plain
from icecoreseg.segmentation._survey import GreyScale


def card_of(model, voxel_size_um=None):
    """What JSON can hold of a fitted segmenter: parameters, grey scale, history, versions.

    The voxel size is one that a loaded model came with, unless another one is said.
    """
    if voxel_size_um is None:
        voxel_size_um = getattr(model, "voxel_size_um_", None)
    return {
        "parameters": plain(model.get_params()),
        "grey_scale": {"mean": model.grey_scale_.mean, "sd": model.grey_scale_.sd},
        "classes": model.classes_.tolist(),
        "history": model.history_,
        "best_epoch": model.best_epoch_,
        "batch_size": model.batch_size_,
        "training_data": model.training_data_,
        "voxel_size_um": voxel_size_um and list(check_voxel_size(voxel_size_um)),
        "versions": {
            "icecoreseg": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def model_of_card(kind, card, path):
    """The segmenter that a card describes, still without its network.

    Parameters
    ----------
    kind : class
        `UNetSegmenter` or a child of it.
    card : dict
        As made by `card_of`.
    path : str or Path
        Where it comes from, for messages.

    Raises
    ------
    ValueError
        If something is missing, or is not what it should be.
    """
    try:
        parameters = dict(card["parameters"])
        parameters["widths"] = parameters["widths"] and tuple(parameters["widths"])
        parameters["checkpoint"] = None  # a file of another machine, as is its GPU
        parameters["device"] = "cpu" if parameters["device"] == "cpu" else "auto"
        model = kind(**parameters)
        check_parameters(model.get_params())
        check_outside(model.outside, np.float32)
        model.grey_scale_ = _grey_scale(**card["grey_scale"], outside=model.outside)
        model.classes_ = np.array([AIR, ICE])
        model.history_, model.best_epoch_ = list(card["history"]), card["best_epoch"]
        model.training_data_ = list(card.get("training_data", []))  # files of 0.1 may lack these
        model.batch_size_ = card.get("batch_size")
        if model.batch_size_ is not None:
            check_positive_int(model.batch_size_, name="batch_size")
        size = card.get("voxel_size_um")
        model.voxel_size_um_ = None if size is None else check_voxel_size(size)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} has a damaged card: {error}") from error
    return model


def _grey_scale(mean, sd, outside):
    if not all(isinstance(value, Real) and np.isfinite(value) for value in (mean, sd)) or sd <= 0:
        raise ValueError(f"the grey scale has mean {mean!r} and sd {sd!r}")
    return GreyScale(mean, sd, outside)


def load_network(parameters, tensors, path):
    """The network that the parameters describe, with these weights.

    Raises
    ------
    ValueError
        If weights are missing, superfluous or of another shape; the message names the layers.
    """
    expected = {}
    n_channels = 1 + 2 * parameters["context_slices"]
    for name, n_in, n_out in layer_table(widths_of(parameters), n_channels):
        expected |= {f"{name}.weight": (n_out, n_in, 3, 3), f"{name}.bias": (n_out,)}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != expected:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise ValueError(f"{path} does not hold this network: layers {wrong[:4]} differ.")
    network = build(parameters)
    with torch.no_grad():
        network.load_state_dict(tensors)
    return network


def model_of_published(kind, path, grey_range, parameters):
    """The segmenter with weights of the published code; see `from_published_weights`."""
    model = kind(architecture="bagherzadeh2023", **parameters)
    check_choice(model.context_slices, (0,), name="context_slices")
    network = load_network(model.get_params(), read_published(path), path)
    low, high = grey_range
    model.grey_scale_ = GreyScale(float(low), float(high) - float(low), model.outside)
    model.classes_ = np.array([AIR, ICE])
    model.history_, model.best_epoch_, model.training_data_ = [], None, []
    model.batch_size_ = None
    model.module_ = place(network, torch.device("cpu"))
    return model
