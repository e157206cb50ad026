"""Manners of all estimators: scikit-learn's data-free checks, and a battery of our own.

scikit-learn's full battery feeds 2-D tables, which stack estimators refuse; the checks that need
no data are called directly, and the rest is said here on stacks.
"""

import pickle

import dask.array as da
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

import icecoreseg
from icecoreseg import (
    AIR,
    ICE,
    OUTSIDE,
    BrightnessNormalizer,
    ChanVeseLabeler,
    CoreMasker,
    EnsembleSegmenter,
    GMMLabeler,
    GraphCutLabeler,
    LocalThresholdLabeler,
    MaskDownsampler,
    MassCalibratedSegmenter,
    MassThresholdLabeler,
    MicrostructureMetrics,
    RandomWalkerLabeler,
    SequentialLabeler,
    SpeckleFilter,
    SuperpixelLabeler,
    ThresholdLabeler,
    UNetSegmenter,
    WatershedLabeler,
    WeaklySupervisedSegmenter,
)
from icecoreseg.datasets import make_ice_core
from icecoreseg.model_selection import DepthSplit

TINY = {"widths": (4, 4), "max_epochs": 1, "patch_size": 32, "batches_per_epoch": 4}
ON_GREY = [
    CoreMasker(),
    SpeckleFilter(),
    BrightnessNormalizer(),
    GMMLabeler(),
    ThresholdLabeler(),
    LocalThresholdLabeler(block_size=31),
    MassThresholdLabeler(1e-6, voxel_size_um=60),
    ChanVeseLabeler(),
    GraphCutLabeler(),
    RandomWalkerLabeler(),
    SequentialLabeler(),
    SuperpixelLabeler(),
    WatershedLabeler(),
    UNetSegmenter(**TINY, random_state=0),
]
ON_LABELS = [MaskDownsampler(), MicrostructureMetrics(voxel_size_um=60)]
UNET = UNetSegmenter(**TINY)
WRAPPED = [
    EnsembleSegmenter(UNET),
    MassCalibratedSegmenter(UNET, voxel_size_um=60),
    WeaklySupervisedSegmenter(UNET, MaskDownsampler(threshold=None)),
]

CUTS = {
    "one slice": np.s_[1:2],
    "odd edges": np.s_[:3, :37, :29],
    "one row": np.s_[:, 24:25],
    "two columns": np.s_[:, :, 30:32],
}

DATA_FREE = [
    checks.check_estimator_cloneable,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_estimator_repr,
    checks.check_no_attributes_set_in_init,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_mixin_order,
    checks.check_do_not_raise_errors_in_init_or_set_params,
]


def by_name(estimator):
    return type(estimator).__name__


@pytest.fixture(scope="module")
def core():
    return make_ice_core("firn", n_slices=4, n_columns=48, random_state=0)


@pytest.fixture
def grey(core):
    return np.where(core.mask_low, core.low, np.nan).astype(np.float32)


@pytest.fixture
def labels(core):
    return core.labels_low.copy()


def data_for(estimator, core, grey, labels):
    if isinstance(estimator, CoreMasker):
        return core.low
    return labels if by_name(estimator) in {by_name(e) for e in ON_LABELS} else grey


def results(estimator, X):
    names = [n for n in ("predict", "predict_proba", "transform") if hasattr(estimator, n)]
    return {name: np.asarray(getattr(estimator, name)(X)) for name in names}


def fitted(estimator, X, y):
    return results(clone(estimator).fit(X, y), X).items()


def assert_same(ours, theirs):
    for name, result in ours.items():
        np.testing.assert_array_equal(result, theirs[name], err_msg=name)


def test_no_estimator_is_forgotten():
    public = {name for name in icecoreseg.__all__ if hasattr(getattr(icecoreseg, name), "fit")}
    assert {by_name(estimator) for estimator in ON_GREY + ON_LABELS + WRAPPED} == public


@pytest.mark.parametrize("check", DATA_FREE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ON_GREY + ON_LABELS + WRAPPED, ids=by_name)
def test_checks_of_scikit_learn_that_need_no_data(estimator, check):
    check(by_name(estimator), clone(estimator))


@pytest.mark.parametrize("estimator", ON_GREY + ON_LABELS, ids=by_name)
class TestManners:
    def test_fit_returns_self_and_leaves_parameters_and_data_alone(
        self, estimator, core, grey, labels
    ):
        X, model = data_for(estimator, core, grey, labels), clone(estimator)
        before, parameters = X.copy(), repr(model.get_params())
        X.flags.writeable = False
        assert model.fit(X, labels) is model
        results(model, X)
        X.flags.writeable = True
        np.testing.assert_array_equal(X, before)
        assert repr(model.get_params()) == parameters

    def test_same_seed_same_result_and_refit_forgets(self, estimator, core, grey, labels):
        X = data_for(estimator, core, grey, labels)
        once = results(clone(estimator).fit(X, labels), X)
        again = clone(estimator).fit(X[:2], labels[:2]).fit(X, labels)
        assert_same(once, results(again, X))

    def test_pickle_keeps_the_results(self, estimator, core, grey, labels):
        X = data_for(estimator, core, grey, labels)
        model = clone(estimator).fit(X, labels)
        assert_same(results(model, X), results(pickle.loads(pickle.dumps(model)), X))

    def test_memory_order_and_byte_order_do_not_matter(self, estimator, core, grey, labels):
        X = data_for(estimator, core, grey, labels)
        model = clone(estimator).fit(X, labels)
        assert_same(results(model, X), results(model, np.asfortranarray(X)))

    def test_a_memory_map_is_read(self, estimator, core, grey, labels, tmp_path):
        X = data_for(estimator, core, grey, labels)
        np.save(tmp_path / "stack.npy", X)
        mapped = np.load(tmp_path / "stack.npy", mmap_mode="r")
        expected = results(clone(estimator).fit(X, labels), X)
        assert_same(expected, results(clone(estimator).fit(mapped, labels), mapped))

    def test_one_slice_is_refused_with_advice(self, estimator, core, grey, labels):
        X = data_for(estimator, core, grey, labels)
        with pytest.raises(ValueError, match=r"\[np\.newaxis\]"):
            results(clone(estimator).fit(X[0], labels), X[0])

    def test_complex_and_text_are_refused(self, estimator, core, grey, labels):
        X = data_for(estimator, core, grey, labels)
        for strange in (X.astype(complex), X.astype(str)):
            with pytest.raises(ValueError, match="dtype"):
                results(clone(estimator).fit(strange, labels), strange)

    def test_html_repr(self, estimator, core, grey, labels):
        assert by_name(estimator) in estimator._repr_html_()

    @pytest.mark.filterwarnings("ignore::UserWarning")  # a row is no core, as CoreMasker says
    @pytest.mark.parametrize("cut", CUTS)
    def test_small_and_odd_stacks(self, estimator, cut, core, grey, labels):
        X = data_for(estimator, core, grey, labels)[CUTS[cut]]
        model = clone(estimator)
        if by_name(estimator) == "MaskDownsampler":
            model.set_params(factor=(1, 1, 1))
        for name, result in results(model.fit(X, labels[CUTS[cut]]), X).items():
            assert len(result) == len(X)
            if name == "predict":
                np.testing.assert_array_equal(result == OUTSIDE, np.isnan(X))

    def test_a_slice_without_specimen(self, estimator, core, grey, labels):
        if isinstance(estimator, CoreMasker):
            pytest.skip("takes raw scans, in which nothing is outside yet")
        X = data_for(estimator, core, grey, labels)
        X[1], labels[1] = OUTSIDE if X.dtype == np.uint8 else np.nan, OUTSIDE
        if by_name(estimator) == "MaskDownsampler":
            X[0] = OUTSIDE
        for name, result in fitted(estimator, X, labels):
            empty = result[0 if len(result) == 2 else 1]
            if isinstance(estimator, MicrostructureMetrics):  # area and mass 0, ratios NaN
                empty = np.where(empty == 0, np.nan, empty)
            assert (np.isnan(empty) if empty.dtype.kind == "f" else empty == OUTSIDE).all(), name

    def test_set_output_leaves_stacks_alone_and_names_columns(self, estimator, core, grey, labels):
        if not hasattr(estimator, "set_output"):
            pytest.skip("no transformer")
        X = data_for(estimator, core, grey, labels)
        result = clone(estimator).set_output(transform="pandas").fit(X, labels).transform(X)
        if isinstance(estimator, MicrostructureMetrics):
            assert result.columns.tolist() == estimator.fit().get_feature_names_out().tolist()
        else:
            assert isinstance(result, np.ndarray)


@pytest.mark.parametrize(
    "estimator", [e for e in ON_GREY if by_name(e) != "SpeckleFilter"], ids=by_name
)
def test_unfitted_says_so(estimator, core, grey, labels):
    X = data_for(estimator, core, grey, labels)
    method = "predict" if hasattr(estimator, "predict") else "transform"
    with pytest.raises(NotFittedError):
        getattr(clone(estimator), method)(X)


@pytest.mark.parametrize("estimator", ON_GREY[3:], ids=by_name)
def test_labels_are_labels_and_outside_stays_outside(estimator, grey, labels):
    predicted = clone(estimator).fit(grey, labels).predict(grey)
    assert predicted.dtype == np.uint8
    assert predicted.shape == grey.shape
    assert set(np.unique(predicted)) <= {AIR, ICE, OUTSIDE}
    np.testing.assert_array_equal(predicted == OUTSIDE, np.isnan(grey))


@pytest.mark.parametrize("estimator", ON_GREY + ON_LABELS, ids=by_name)
def test_dask_in_dask_out_with_the_same_values(estimator, core, grey, labels):
    X = data_for(estimator, core, grey, labels)
    model = clone(estimator).fit(X, labels)
    lazy = da.from_array(X, chunks=(2, *X.shape[1:]))
    for name in ("predict", "transform"):
        if not hasattr(model, name):
            continue
        result = getattr(model, name)(lazy)
        if not isinstance(estimator, MicrostructureMetrics):
            assert isinstance(result, da.Array)
        if not isinstance(estimator, CoreMasker):  # its smoothing along z sees one slab
            np.testing.assert_allclose(np.asarray(result), getattr(model, name)(X), atol=1e-6)


def test_grid_search_over_a_pipeline(core, labels):
    search = GridSearchCV(
        make_pipeline(CoreMasker(), ThresholdLabeler()),
        {"thresholdlabeler__method": [15.0, "otsu"]},
        cv=DepthSplit(0.5),
    )
    search.fit(core.low, labels)
    assert search.best_params_ == {"thresholdlabeler__method": "otsu"}
    assert search.best_score_ > 0.9


def test_cross_val_score_with_groups(grey, labels):
    stack, truth = np.concatenate([grey, grey]), np.concatenate([labels, labels])
    scores = cross_val_score(
        GMMLabeler(), stack, truth, groups=[0] * 4 + [1] * 4, cv=DepthSplit(0.25)
    )
    assert scores.shape == (1,)
    assert scores[0] > 0.9


def test_routed_metadata_reach_splitter_and_score(grey, labels):
    stack, truth = np.concatenate([grey, grey]), np.concatenate([labels, labels])
    truth[3], weight = ICE, np.array([1, 1, 1, 0] * 2)  # one test slice has a wrong truth
    with config_context(enable_metadata_routing=True):
        scores = {
            weighed: cross_val_score(
                ThresholdLabeler().set_score_request(sample_weight=weighed),
                stack,
                truth,
                params={"groups": [0] * 4 + [1] * 4}
                | ({"sample_weight": weight} if weighed else {}),
                cv=DepthSplit(0.5),
            )
            for weighed in (True, False)
        }
    assert scores[True][0] > 0.9 > scores[False][0]


def test_the_main_pipeline_with_pandas_output(core):
    pytest.importorskip("pandas")
    pipeline = make_pipeline(
        CoreMasker(), GMMLabeler(), MaskDownsampler(2), MicrostructureMetrics(core.voxel_size_um)
    )
    table = pipeline.set_output(transform="pandas").fit_transform(core.high)
    assert len(table) == len(core.low)
    np.testing.assert_allclose(table["ice_fraction"].mean(), core.ice_fraction, rtol=0.03)
