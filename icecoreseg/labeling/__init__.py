"""Labels without supervision, from grey levels alone."""

from icecoreseg.labeling.gmm import GMMLabeler
from icecoreseg.labeling.local import LocalThresholdLabeler
from icecoreseg.labeling.mass_threshold import MassThresholdLabeler
from icecoreseg.labeling.thresholds import ThresholdLabeler

__all__ = ["GMMLabeler", "LocalThresholdLabeler", "MassThresholdLabeler", "ThresholdLabeler"]
