"""Labels without supervision, from grey levels alone."""

from icecoreseg.labeling.gmm import GMMLabeler
from icecoreseg.labeling.thresholds import ThresholdLabeler

__all__ = ["GMMLabeler", "ThresholdLabeler"]
