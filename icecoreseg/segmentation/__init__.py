"""Learned segmentation: the U-Net, weak supervision, and calibration against a weighed mass.

Names are loaded when they are first touched: torch is imported with `UNetSegmenter`,
not before.
"""

from importlib import import_module

_HOME = {
    "EnsembleSegmenter": "ensemble",
    "MassCalibratedSegmenter": "calibration",
    "UNetSegmenter": "unet",
    "WeaklySupervisedSegmenter": "weak",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    """Import the file that a public name lives in, when the name is first used."""
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return list(__all__)
