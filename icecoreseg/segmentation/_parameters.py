"""Whether the parameters of a U-Net can be what they say, before anything is read or trained."""

from numbers import Real

from icecoreseg._validation import check_choice, check_positive_int
from icecoreseg.segmentation._network import ARCHITECTURES

CPU_BATCH = 4
"""Patches per step on the CPU, for "auto": on a few slices it is steps that count."""

CUDA_BATCH_PIXELS = 2**20
"""Pixels per step on CUDA, for "auto": 64 patches of 128 x 128, enough to keep a card busy."""


def check_parameters(parameters):
    """Raise ValueError unless the parameters of a `UNetSegmenter` are sound.

    Parameters
    ----------
    parameters : dict
        As ``get_params()`` gives them; some may come from a file.
    """
    check_choice(parameters["architecture"], ARCHITECTURES, name="architecture")
    for name in ("max_epochs", "patch_size", "tile_size"):
        check_positive_int(parameters[name], name=name)
    if parameters["batch_size"] != "auto":
        check_positive_int(parameters["batch_size"], name='batch_size, unless "auto",')
    check_positive_int(parameters["context_slices"], name="context_slices", minimum=0)
    for name in ("batches_per_epoch", "patience"):
        if parameters[name] is not None:
            check_positive_int(parameters[name], name=name)
    for width in parameters["widths"] or ():
        check_positive_int(width, name="widths")
    stride = 2 ** len(widths_of(parameters))
    if parameters["patch_size"] % stride:
        raise ValueError(f"patch_size={parameters['patch_size']} must be a multiple of {stride}.")
    rate, threshold = parameters["learning_rate"], parameters["threshold"]
    if not isinstance(rate, Real) or not rate > 0:
        raise ValueError(f"learning_rate must be positive, got {rate!r}.")
    if not isinstance(threshold, Real) or not 0 < threshold < 1:
        raise ValueError(f"threshold must lie in (0, 1), got {threshold!r}.")


def widths_of(parameters):
    """Encoder widths that parameters ask for: their own, or those of the architecture."""
    return tuple(parameters["widths"] or ARCHITECTURES[parameters["architecture"]])


def check_same_network(network, parameters):
    """Raise ValueError unless a network that is trained further is still the one asked for."""
    asked = {
        "architecture": parameters["architecture"],
        "widths": widths_of(parameters),
        "context_slices": parameters["context_slices"],
    }
    for name, value in asked.items():
        if getattr(network, name) != value:
            raise ValueError(
                f"The fitted network has {name}={getattr(network, name)!r}; it cannot be trained "
                f"further with {name}={value!r}."
            )


def batch_size(parameters, device):
    """Patches per step of each process; what "auto" means is a matter of the device's kind.

    Examples
    --------
    >>> import torch
    >>> batch_size({"batch_size": "auto", "patch_size": 128}, torch.device("cuda"))
    64
    """
    if parameters["batch_size"] != "auto":
        return int(parameters["batch_size"])
    if device.type == "cpu":
        return CPU_BATCH
    return max(1, CUDA_BATCH_PIXELS // parameters["patch_size"] ** 2)
