"""Downsampling of labels as a step of a pipeline."""

from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackTransformer
from icecoreseg._validation import check_labels_or_fraction
from icecoreseg.downsampling._rule import SURROUNDINGS, Rule
from icecoreseg.downsampling.labels import (
    apply_rule,
    as_stack,
    check_factor,
    check_rule,
    downsample_labels,
    learn_rule,
)


class MaskDownsampler(StackTransformer):
    """Pipeline step that averages labels onto a coarser grid.

    The estimator around `downsample_labels`. It learns how many of the ties must be ice so that
    the ice fraction is kept.

    Parameters
    ----------
    factor : int or (int, int, int)
        Voxels per block along (z, y, x).
    threshold : float, "porosity" or None
        Ice fraction above which a block is ice. "porosity": ``fit`` looks for the threshold
        that keeps the ice fraction of its stack. None gives soft labels.
    ties : {"balanced", "surroundings", "ice", "air"}
        What happens to blocks at the threshold exactly (half ice, half air). "balanced":
        as many become ice as keep the ice fraction of the stack given to ``fit`` (or of 32 coarse
        slices of it), those with most ice around them. "surroundings": those whose
        surroundings are mostly ice. "air" is the paper's rule.

    Attributes
    ----------
    threshold_ : float or None
        Ice fraction that a block must exceed.
    tie_threshold_ : float
        Ice fraction of its surroundings from which on a tied block is ice; 0.5 unless
        learned.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.array([[[1, 1, 0, 0]] * 2] * 2, dtype=np.uint8).transpose(0, 2, 1)
    >>> MaskDownsampler(2, threshold=None).fit_transform(half).ravel()
    array([1., 0.], dtype=float32)

    Blobs of snow, a few voxels thick, lose ice at a threshold of one half, ties to air:

    >>> from scipy.ndimage import gaussian_filter
    >>> field = gaussian_filter(np.random.default_rng(0).normal(size=(40, 60, 60)), 1.8)
    >>> snow = (field > np.quantile(field, 0.64)).astype(np.uint8)
    >>> for rule in ({"ties": "air"}, {}, {"threshold": "porosity"}):
    ...     coarse = MaskDownsampler(2, **rule).fit_transform(snow)
    ...     print(f"{100 * abs(coarse.mean() / snow.mean() - 1):.0f} %")
    10 %
    0 %
    0 %
    """

    def __init__(self, factor=2, *, threshold=0.5, ties="balanced"):
        self.factor = factor
        self.threshold = threshold
        self.ties = ties

    def fit(self, X, y=None):
        """Check the stack and the parameters; learn the threshold if it is to keep the ice.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Labels or ice fractions.
        y : None
            Ignored.

        Returns
        -------
        MaskDownsampler
            The estimator itself.
        """
        X = as_stack(check_labels_or_fraction(X, name="X"))
        factor = check_factor(self.factor, X.shape)
        check_rule(self.threshold, self.ties)
        self.threshold_, self.tie_threshold_ = self.threshold, 0.5
        if self._learns():
            rule = learn_rule(X, factor, self.threshold, self.ties)
            self.threshold_, self.tie_threshold_ = rule.threshold, rule.tie_threshold
        return self

    def transform(self, X):
        """Average the blocks of X.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Labels or ice fractions.

        Returns
        -------
        array of shape (n_slices // fz, n_rows // fy, n_columns // fx)
            See `downsample_labels`.
        """
        if not self._learns():
            return downsample_labels(X, self.factor, threshold=self.threshold, ties=self.ties)
        check_is_fitted(self)
        check_rule(self.threshold, self.ties)
        X = as_stack(X)
        factor = check_factor(self.factor, X.shape)
        rule = Rule(self.threshold_, self.ties, self.tie_threshold_, SURROUNDINGS)
        return apply_rule(X, factor, rule)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self._learns()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self):
        return not self._learns() or hasattr(self, "threshold_")

    def _learns(self):
        balanced = self.threshold is not None and self.ties == "balanced"
        return balanced or self.threshold == "porosity"
