"""Ask a segmenter for ice fractions, whatever it is wrapped in."""

import numpy as np
from sklearn.pipeline import Pipeline

from icecoreseg._validation import is_lazy


def context_of(estimator):
    """Slices on either side that a segmenter sees: the `context_slices` of it or its parts.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from icecoreseg import CoreMasker, UNetSegmenter
    >>> context_of(make_pipeline(CoreMasker(), UNetSegmenter(context_slices=1)))
    1
    """
    parts = estimator.get_params().values() if hasattr(estimator, "get_params") else ()
    seen = [context_of(part) for part in parts if hasattr(part, "get_params")]
    return max([getattr(estimator, "context_slices", 0), *seen])


def predict_fraction(segmenter, X):
    """Ice fractions of X by a fitted segmenter.

    Parameters
    ----------
    segmenter : estimator
        With ``predict_fraction``, or a Pipeline that ends with one, or any classifier
        with ``predict_proba``.
    X : array of shape (n_slices, n_rows, n_columns)

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
        float32, NaN outside.
    """
    if hasattr(segmenter, "predict_fraction"):
        return segmenter.predict_fraction(X)
    if isinstance(segmenter, Pipeline) and len(segmenter.steps) > 1:
        return predict_fraction(segmenter[-1], segmenter[:-1].transform(X))
    probabilities = segmenter.predict_proba(X)
    fraction = probabilities[:, 1]
    return fraction if is_lazy(fraction) else np.ascontiguousarray(fraction)
