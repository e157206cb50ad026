"""WeaklySupervisedSegmenter: labels of the high-resolution scan train the low-resolution one."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.pipeline import make_pipeline

from icecoreseg import OUTSIDE, MaskDownsampler, WeaklySupervisedSegmenter
from tests.segmentation.conftest import make_core, tiny_unet


class Threshold(TransformerMixin, BaseEstimator):
    """Labels at a fixed grey value, OUTSIDE where the grey value is 0."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.where(X == 0, OUTSIDE, X > 100).astype(np.uint8)

    def __sklearn_is_fitted__(self):
        return True


class Brighter(TransformerMixin, BaseEstimator):
    """Add 1 to the grey values; counts how often it was fitted."""

    def fit(self, X, y=None):
        self.seen_ = X.shape
        return self

    def transform(self, X):
        return np.where(X == 0, 0, np.minimum(X, 254) + 1).astype(np.uint8)


def two_resolutions(seed, shape=(6, 64, 64)):
    high, _ = make_core(seed, (shape[0] // 2, *shape[1:]))
    high = high.repeat(2, axis=0)
    blocks = high.reshape(shape[0] // 2, 2, shape[1] // 2, 2, shape[2] // 2, 2)
    mean = blocks.mean(axis=(1, 3, 5)).astype(np.uint8)
    return np.where((blocks == 0).any(axis=(1, 3, 5)), 0, mean).astype(np.uint8), high


LABELER = make_pipeline(Threshold(), MaskDownsampler(threshold=None))


def truth(high):
    return MaskDownsampler().fit_transform(Threshold().transform(high))


def test_learns_from_the_other_resolution():
    model = WeaklySupervisedSegmenter(tiny_unet(), LABELER).fit(*two_resolutions(0))
    low, high = two_resolutions(1)
    expected = truth(high)
    expected[low == 0] = OUTSIDE
    assert model.score(low, expected) > 0.95
    np.testing.assert_array_equal(np.isnan(model.predict_fraction(low)), low == 0)
    assert model.predict_proba(low).shape == (3, 2, 32, 32)
    assert model.classes_.tolist() == [0, 1]


def test_same_as_by_hand():
    low, high = two_resolutions(0)
    model = WeaklySupervisedSegmenter(tiny_unet(), LABELER).fit(low, high)
    by_hand = tiny_unet().fit(low, clone(LABELER).fit_transform(high))
    np.testing.assert_array_equal(model.predict(low), by_hand.predict(low))


def test_pipeline_as_segmenter_and_several_cores():
    """Each core passes the pipeline's transformers alone; fractions come out of the pipeline."""
    cores = [two_resolutions(0), two_resolutions(1, shape=(4, 48, 80))]
    lows, highs = (list(stacks) for stacks in zip(*cores, strict=True))
    segmenter = make_pipeline(Brighter(), tiny_unet())
    model = WeaklySupervisedSegmenter(segmenter, LABELER).fit(lows, highs)
    assert len(model.labeler_) == 2
    assert model.segmenter_[0].seen_ == lows[1].shape
    by_hand = tiny_unet().fit(
        [Brighter().transform(low) for low in lows], [LABELER.fit_transform(h) for h in highs]
    )
    np.testing.assert_array_equal(
        model.predict_fraction(lows[1]), by_hand.predict_fraction(Brighter().transform(lows[1]))
    )
    assert model.score(lows[1], truth(highs[1])) > 0.9


def test_fit_parameters_reach_the_segmenter():
    low, high = two_resolutions(0)
    held_out = two_resolutions(1)[0], LABELER.fit_transform(two_resolutions(1)[1])
    for segmenter, name in (
        (tiny_unet(batches_per_epoch=2), "validation_data"),
        (
            make_pipeline(Brighter(), tiny_unet(batches_per_epoch=2)),
            "unetsegmenter__validation_data",
        ),
    ):
        for data in ((low, high), ([low], [high])):
            model = WeaklySupervisedSegmenter(segmenter, LABELER).fit(*data, **{name: held_out})
            last = getattr(model.segmenter_, "steps", [(None, model.segmenter_)])[-1][1]
            assert "valid_loss" in last.history_[0]


def test_scikit_learn_manners():
    model = WeaklySupervisedSegmenter(tiny_unet(), LABELER)
    model.set_params(segmenter__max_epochs=5)
    assert clone(model).get_params()["segmenter__max_epochs"] == 5
    before = model.segmenter
    model.set_params(segmenter__max_epochs=1).fit(*two_resolutions(0))
    assert model.segmenter is before
    assert not hasattr(before, "module_")
    with pytest.raises(ValueError, match="not fitted"):
        clone(model).predict(two_resolutions(0)[0])


def test_only_what_the_segmenter_can():
    class Plain(ClassifierMixin, BaseEstimator):
        pass

    model = WeaklySupervisedSegmenter(Plain(), LABELER)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_fraction")


def test_grids_that_do_not_fit_are_refused():
    low, high = two_resolutions(0)
    with pytest.raises(ValueError, match="labels that labeler makes of high"):
        WeaklySupervisedSegmenter(tiny_unet(), LABELER).fit(low[:2], high)
    with pytest.raises(ValueError, match="both"):
        WeaklySupervisedSegmenter(tiny_unet(), LABELER).fit([low], high)
    with pytest.raises(ValueError, match="low holds 1 stacks, but high holds 2"):
        WeaklySupervisedSegmenter(tiny_unet(), LABELER).fit([low], [high, high])


def test_parameters_of_fit_need_the_prefix_of_the_last_step():
    low, high = two_resolutions(0)
    model = WeaklySupervisedSegmenter(make_pipeline(Brighter(), tiny_unet()), LABELER)
    with pytest.raises(ValueError, match="start with 'unetsegmenter__'"):
        model.fit([low], [high], validation_data=None)
