"""Segment micro-CT scans of ice cores and measure their microstructure.

Public names are loaded when they are first touched, so that ``import icecoreseg``
stays quick and never imports torch or matplotlib on its own.
"""

from importlib import import_module

from icecoreseg.labels import AIR, ICE, OUTSIDE

__version__ = "0.1.0"

_HOME = {
    "BrightnessNormalizer": "preprocessing",
    "ChanVeseLabeler": "labeling",
    "CoreMasker": "preprocessing",
    "EnsembleSegmenter": "segmentation",
    "GMMLabeler": "labeling",
    "GraphCutLabeler": "labeling",
    "LocalThresholdLabeler": "labeling",
    "MaskDownsampler": "downsampling",
    "MassCalibratedSegmenter": "segmentation",
    "MassThresholdLabeler": "labeling",
    "MicrostructureMetrics": "microstructure",
    "RandomWalkerLabeler": "labeling",
    "SequentialLabeler": "labeling",
    "SpeckleFilter": "preprocessing",
    "SuperpixelLabeler": "labeling",
    "ThresholdLabeler": "labeling",
    "UNetSegmenter": "segmentation",
    "WatershedLabeler": "labeling",
    "WeaklySupervisedSegmenter": "segmentation",
    "compare_labelers": "labeling",
    "downsample_labels": "downsampling",
    "open_stack": "stacks",
    "progress_bars": "_progress",
    "read_metadata": "stacks",
    "write_stack": "stacks",
}

_SUBPACKAGES = (
    "datasets",
    "display",
    "downsampling",
    "labeling",
    "metrics",
    "microstructure",
    "model_selection",
    "preprocessing",
    "segmentation",
    "stacks",
)

__all__ = ["AIR", "ICE", "OUTSIDE", "__version__", *_HOME, *_SUBPACKAGES]


def __getattr__(name):
    """Import the room that a public name lives in, when the name is first used."""
    if name in _HOME:
        return getattr(import_module(f"icecoreseg.{_HOME[name]}"), name)
    if name in _SUBPACKAGES:
        return import_module(f"icecoreseg.{name}")
    raise AttributeError(f"module 'icecoreseg' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
