"""Labels without supervision, from grey levels alone."""

from icecoreseg.labeling.compare import compare_labelers
from icecoreseg.labeling.gmm import GMMLabeler
from icecoreseg.labeling.graph_cut import GraphCutLabeler
from icecoreseg.labeling.local import LocalThresholdLabeler
from icecoreseg.labeling.mass_threshold import MassThresholdLabeler
from icecoreseg.labeling.regions import ChanVeseLabeler, SuperpixelLabeler
from icecoreseg.labeling.seeded import RandomWalkerLabeler, WatershedLabeler
from icecoreseg.labeling.sequential import SequentialLabeler
from icecoreseg.labeling.thresholds import ThresholdLabeler

__all__ = [
    "ChanVeseLabeler",
    "GMMLabeler",
    "GraphCutLabeler",
    "LocalThresholdLabeler",
    "MassThresholdLabeler",
    "RandomWalkerLabeler",
    "SequentialLabeler",
    "SuperpixelLabeler",
    "ThresholdLabeler",
    "WatershedLabeler",
    "compare_labelers",
]
