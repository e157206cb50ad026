"""Preprocessing: find the specimen, remove salt and pepper."""

from icecoreseg.preprocessing.core_masker import CoreMasker, core_mask
from icecoreseg.preprocessing.speckle import SpeckleFilter, remove_speckles

__all__ = ["CoreMasker", "SpeckleFilter", "core_mask", "remove_speckles"]
