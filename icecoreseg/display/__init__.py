"""Displays: pictures as objects that hold their data, in the manner of scikit-learn.

matplotlib is imported when something is drawn, not before.
"""

from icecoreseg.display._labels import LabelerComparisonDisplay, MixtureDisplay
from icecoreseg.display._microstructure import (
    BubbleSizeDisplay,
    DepthProfileDisplay,
    ParityDisplay,
    ScoreDisplay,
)
from icecoreseg.display._scans import ResolutionDisplay
from icecoreseg.display._segmentation import SegmentationDisplay, TrainingDisplay

__all__ = [
    "BubbleSizeDisplay",
    "DepthProfileDisplay",
    "LabelerComparisonDisplay",
    "MixtureDisplay",
    "ParityDisplay",
    "ResolutionDisplay",
    "ScoreDisplay",
    "SegmentationDisplay",
    "TrainingDisplay",
]
