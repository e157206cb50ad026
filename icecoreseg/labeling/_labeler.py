"""What all labelers share: classifiers that are pipeline steps too, and need no y."""

import numpy as np
from sklearn.utils import TransformerTags
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackClassifier
from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_outside, check_stack
from icecoreseg.labels import AIR, ICE, OUTSIDE


class Labeler(StackClassifier):
    """An unsupervised classifier of voxels whose ``transform`` returns its labels.

    Subclasses have ``fit``, the parameter ``outside``, ``_check_parameters`` and
    ``_label(slab)``, or a ``_predict`` of their own.
    """

    def predict(self, X):
        """Label every voxel.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of the same shape, uint8
            AIR, ICE, OUTSIDE.
        """
        check_is_fitted(self)
        return self._predict(self._check(X))

    def _predict(self, X):
        return map_slabs(self._label, X, dtype=np.uint8)

    def transform(self, X):
        """Labels, as ``predict``: this makes the labeler a pipeline step.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack.

        Returns
        -------
        array of the same shape
            Labels (uint8).
        """
        return self.predict(X)

    def fit_transform(self, X, y=None):
        """Fit to X, then transform it."""
        return self.fit(X).transform(X)

    def set_output(self, *, transform=None):
        """Do nothing: a stack stays an array, whatever tables the pipeline asks for."""
        return self

    @property
    def classes_(self):
        """AIR and ICE."""
        return np.array([AIR, ICE], dtype=np.uint8)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.transformer_tags = TransformerTags(preserves_dtype=[])
        return tags

    def _check(self, X):
        """X as a checked stack; the parameters are checked too."""
        self._check_parameters()
        X = check_stack(X)
        check_outside(self.outside, X.dtype)
        return X


def labels_of_fraction(fraction):
    """Labels of a slab of probabilities of ice: ICE above one half, OUTSIDE where NaN."""
    labels = np.where(fraction > 0.5, np.uint8(ICE), np.uint8(AIR))
    labels[np.isnan(fraction)] = OUTSIDE
    return labels
