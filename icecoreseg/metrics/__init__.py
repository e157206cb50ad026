"""Scores of a segmentation, and its mass against the balance.

OUTSIDE in the truth is ignored everywhere. Every score is there for ice and for air,
pooled over the stack or per slice, and all of them come from one table of counts.
"""

from icecoreseg.metrics._confusion import confusion_counts
from icecoreseg.metrics._mass import mass_error
from icecoreseg.metrics._scorers import SCORERS
from icecoreseg.metrics._scores import (
    dice_score,
    jaccard_score,
    matthews_score,
    precision_score,
    recall_score,
    voxel_accuracy,
)
from icecoreseg.metrics._table import score_table

__all__ = [
    "SCORERS",
    "confusion_counts",
    "dice_score",
    "jaccard_score",
    "mass_error",
    "matthews_score",
    "precision_score",
    "recall_score",
    "score_table",
    "voxel_accuracy",
]
