"""Preprocessing: find the specimen, remove salt and pepper, even out brightness."""

from icecoreseg.preprocessing.brightness import BrightnessNormalizer, normalize_brightness
from icecoreseg.preprocessing.core_masker import CoreMasker, core_mask
from icecoreseg.preprocessing.speckle import SpeckleFilter, remove_speckles

__all__ = [
    "BrightnessNormalizer",
    "CoreMasker",
    "SpeckleFilter",
    "core_mask",
    "normalize_brightness",
    "remove_speckles",
]
