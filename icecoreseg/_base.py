"""The manners that all estimators share.

Stacks are 3-D and **slices are the samples**; NaN may stand for "outside". Both are
said to scikit-learn by the tags, so that its tools do not insist on 2-D tables.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from icecoreseg._ice import as_labels
from icecoreseg._repr import doc_link_template
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_stack
from icecoreseg.metrics import voxel_accuracy


class StackEstimator(BaseEstimator):
    """Base of every estimator that takes a stack of shape (n_slices, n_rows, n_columns)."""

    _doc_link_module = "icecoreseg"
    _doc_link_template = property(lambda self: doc_link_template())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class StackTransformer(TransformerMixin, StackEstimator):
    """A `StackEstimator` whose ``transform`` returns another stack."""

    def set_output(self, *, transform=None):
        """Do nothing: a stack stays an array, whatever tables the pipeline asks for."""
        return self


class StackClassifier(ClassifierMixin, StackEstimator):
    """A `StackEstimator` whose ``predict`` returns labels (AIR, ICE, OUTSIDE)."""

    def score(self, X, y, sample_weight=None):
        """Voxel accuracy of ``predict(X)`` against y, OUTSIDE ignored.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.
        y : array of shape (n_slices, n_rows, n_columns)
            True labels, or ice fractions (NaN outside), which count as ice from 0.5 on.
        sample_weight : array of shape (n_slices,), optional
            Weight of each slice.

        Returns
        -------
        float
            Share of the specimen's voxels whose label is right.

        Raises
        ------
        ValueError
            If there is no truth to compare with, or its shape is not that of X.
        """
        if y is None:
            raise ValueError("score compares predict(X) with the truth; expected y, got None.")
        y = check_stack(y, name="y", kinds="uifb")
        if y.dtype.kind == "f":
            y = map_slabs(as_labels, y, dtype=np.uint8)
        return voxel_accuracy(y, self.predict(X), sample_weight=sample_weight)
