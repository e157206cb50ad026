"""`WeaklySupervisedSegmenter`: learn low-resolution scans from labelled high-resolution ones."""

from sklearn.base import MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from icecoreseg._base import StackClassifier
from icecoreseg._validation import check_same_shape, check_stack
from icecoreseg.segmentation._delegation import predict_fraction


def _can(*names):
    """Whether the (fitted) segmenter has one of the methods."""

    def check(self):
        segmenter = getattr(self, "segmenter_", self.segmenter)
        return any(hasattr(segmenter, name) for name in names)

    return check


class WeaklySupervisedSegmenter(MetaEstimatorMixin, StackClassifier):
    """Segment low-resolution scans after training on a few cores scanned at both resolutions.

    The method of Bagherzadeh et al. (2023): nobody draws labels. The high-resolution scan
    is labelled without supervision, its labels are reduced to the low-resolution grid,
    and the segmenter learns low-resolution scan -> label. From then on only cheap
    low-resolution scans are needed.

    Parameters
    ----------
    segmenter : estimator
        Learns from (low-resolution stack, labels): a `UNetSegmenter`, or a pipeline that
        ends with one. Of several cores, each is put through the pipeline's other steps on
        its own, and they stay as fitted to the last core.
    labeler : estimator
        Its ``fit_transform`` turns the high-resolution stack into labels, or better ice
        fractions, on the low-resolution grid: usually a pipeline of ``CoreMasker()``,
        ``GMMLabeler(output="fraction")`` and ``MaskDownsampler(factor=2, threshold=None)``.

    Attributes
    ----------
    labeler_ : estimator, or list of estimators
        The fitted labeler; a list with one per core if `fit` was given lists.
    segmenter_ : estimator
        The fitted segmenter.
    classes_ : array
        Those of the segmenter.

    References
    ----------
    Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import MaskDownsampler, UNetSegmenter, WeaklySupervisedSegmenter
    >>> rng = np.random.default_rng(0)
    >>> high = (rng.random((4, 16, 16)) < 0.5).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    >>> low = 50 + 100 * MaskDownsampler(threshold=None).fit_transform(high)
    >>> unet = UNetSegmenter(
    ...     widths=(4, 4), max_epochs=1, patch_size=32, learning_rate=0.03, random_state=0
    ... )
    >>> model = WeaklySupervisedSegmenter(unet, MaskDownsampler(threshold=None)).fit(low, high)
    >>> model.predict(low).shape
    (2, 32, 32)
    """

    def __init__(self, segmenter, labeler):
        self.segmenter = segmenter
        self.labeler = labeler

    def fit(self, low, high, **fit_params):
        """Label the high-resolution scans and train on the low-resolution ones.

        Parameters
        ----------
        low : array of shape (n_slices, n_rows, n_columns), or list of such arrays
            Low-resolution scan, or one per core.
        high : array, or list of arrays
            High-resolution scan of the same core(s).
        **fit_params
            Passed to the segmenter's ``fit``.

        Returns
        -------
        WeaklySupervisedSegmenter
            The fitted segmenter itself.

        Raises
        ------
        ValueError
            If the labels of a core do not have the shape of its low-resolution scan.
        """
        several = isinstance(low, list | tuple)
        if several != isinstance(high, list | tuple):
            raise ValueError("low and high must both be stacks, or both lists, one per core.")
        lows, highs = (low, high) if several else ([low], [high])
        if len(lows) != len(highs):
            raise ValueError(f"low holds {len(lows)} stacks, but high holds {len(highs)}.")
        labelers, labels = [], []
        for low_stack, high_stack in zip(lows, highs, strict=True):
            labelers.append(clone(self.labeler))
            labels.append(_reduced_labels(labelers[-1], low_stack, high_stack))
        self.labeler_ = labelers if several else labelers[0]
        self.segmenter_ = clone(self.segmenter)
        if several:
            _fit_on_cores(self.segmenter_, list(lows), labels, fit_params)
        else:
            self.segmenter_.fit(low, labels[0], **fit_params)
        return self

    @property
    def classes_(self):
        """Classes of the fitted segmenter."""
        return self.segmenter_.classes_

    def predict(self, X):
        """Labels of a low-resolution stack; see the segmenter's ``predict``."""
        check_is_fitted(self, "segmenter_")
        return self.segmenter_.predict(X)

    @available_if(_can("predict_proba"))
    def predict_proba(self, X):
        """Probabilities of air and ice; see the segmenter's ``predict_proba``."""
        check_is_fitted(self, "segmenter_")
        return self.segmenter_.predict_proba(X)

    @available_if(_can("predict_fraction", "predict_proba"))
    def predict_fraction(self, X):
        """Ice fractions, float32, NaN outside; also if the segmenter is a pipeline."""
        check_is_fitted(self, "segmenter_")
        return predict_fraction(self.segmenter_, X)


def _reduced_labels(labeler, low, high):
    """Labels of a high-resolution stack on the grid of the low-resolution one."""
    low = check_stack(low, name="low")
    labels = labeler.fit_transform(check_stack(high, name="high", kinds="uf"))
    check_same_shape(low, labels, names=("low", "the labels that labeler makes of high"))
    return labels


def _fit_on_cores(segmenter, stacks, labels, fit_params):
    """Fit on a list of cores; a pipeline's transformers see one core after the other."""
    if isinstance(segmenter, Pipeline) and len(segmenter.steps) > 1:
        head, last = segmenter[:-1], segmenter[-1]
        stacks = [head.fit_transform(stack, y) for stack, y in zip(stacks, labels, strict=True)]
        segmenter.steps[:-1] = head.steps  # a pipeline with memory puts fitted copies there
        last.fit(stacks, labels, **_last_step_params(segmenter, fit_params))
    else:
        segmenter.fit(stacks, labels, **fit_params)


def _last_step_params(pipeline, fit_params):
    """Parameters as ``step__name`` in the manner of Pipeline, without the prefix."""
    prefix = f"{pipeline.steps[-1][0]}__"
    strange = [name for name in fit_params if not name.startswith(prefix)]
    if strange:
        raise ValueError(
            f"Parameters of fit for the last step of a pipeline start with {prefix!r}, "
            f"unlike {strange}."
        )
    return {name.removeprefix(prefix): value for name, value in fit_params.items()}
