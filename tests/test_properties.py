"""What holds for any stack: sizes from one voxel, one phase, all outside, any dtype, any chunks.

The values are checked elsewhere, against other libraries and analytic shapes. Here functions
either answer or refuse, and the answer does not depend on how the stack is handed over.
"""

import warnings

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from icecoreseg import (
    AIR,
    ICE,
    OUTSIDE,
    BrightnessNormalizer,
    ChanVeseLabeler,
    CoreMasker,
    GMMLabeler,
    GraphCutLabeler,
    LocalThresholdLabeler,
    MassThresholdLabeler,
    RandomWalkerLabeler,
    SequentialLabeler,
    SpeckleFilter,
    SuperpixelLabeler,
    ThresholdLabeler,
    WatershedLabeler,
    downsample_labels,
    metrics,
    open_stack,
    write_stack,
)
from icecoreseg import microstructure as micro

VOXEL = (60, 50, 40)
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)
FILLS = [[AIR], [ICE], [OUTSIDE], [AIR, ICE], [AIR, ICE, OUTSIDE], [ICE, OUTSIDE]]


@st.composite
def label_stacks(draw, shape=SHAPES):
    """Labels of one phase, two, or with an outside; uint8, int64 or bool."""
    fill = draw(st.sampled_from(FILLS))
    y = draw(hnp.arrays(np.uint8, draw(shape), elements=st.sampled_from(fill)))
    if OUTSIDE not in fill and draw(st.booleans()):
        return y.astype(bool)
    return y.astype(draw(st.sampled_from([np.uint8, np.int64])))


def grey_stacks():
    """Few grey levels, so that slices of one level and ties are frequent."""
    return hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 1, 30, 31, 110, 255]))


@st.composite
def chunked(draw, X):
    """The stack as a dask array of any chunks, along all axes."""
    return da.from_array(X, chunks=tuple(draw(st.integers(1, n)) for n in X.shape))


def answer(call, *args):
    """The result as a flat dict of arrays, or the text of the refusal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # other warnings stay errors
        try:
            result = call(*args)
        except ValueError as error:
            return {"refused": str(error)}
    if hasattr(result, "columns"):
        result = {name: result[name] for name in result.columns}
    if not isinstance(result, dict):
        result = dict(enumerate(result if isinstance(result, tuple) else (result,)))
    return {key: np.asarray(value) for key, value in result.items()}


def assert_same(ours, theirs, **tolerance):
    assert ours.keys() == theirs.keys(), (ours, theirs)
    for key, value in ours.items():
        if key != "refused" and value.dtype.kind in "fc":
            np.testing.assert_allclose(value, theirs[key], err_msg=str(key), **tolerance)
        elif key != "refused":
            np.testing.assert_array_equal(value, theirs[key], err_msg=str(key))


FAMILIES = ("amount", "intercept", "topology", "pores")
OF_LABELS = {
    "boundary_length": lambda y: micro.boundary_length(y, VOXEL),
    "bubble_table": lambda y: micro.bubble_table(y, VOXEL, min_voxels=1),
    "bubble_number_density": lambda y: micro.bubble_number_density(y, VOXEL, min_voxels=1),
    "chord_length_distribution": lambda y: micro.chord_length_distribution(y, VOXEL),
    "connectivity_index": micro.connectivity_index,
    "correlation_length": lambda y: micro.correlation_length(y, VOXEL),
    "density": lambda y: micro.density(y, per_slice=True),
    "depth_profile": lambda y: micro.depth_profile(y, VOXEL, slab_mm=0.12, families=FAMILIES),
    "euler_density": lambda y: micro.euler_density(y, VOXEL),
    "ice_fraction": micro.ice_fraction,
    "ice_mass": lambda y: micro.ice_mass(y, VOXEL),
    "intercept_tensor": lambda y: micro.intercept_tensor(y, VOXEL),
    "local_thickness": lambda y: micro.local_thickness(y, 60),
    "mean_intercept_length": lambda y: micro.mean_intercept_length(y, VOXEL, axis=2),
    "metrics": micro.MicrostructureMetrics(VOXEL).fit_transform,
    "percolates": micro.percolates,
    "perimeter_density": lambda y: micro.perimeter_density(y, VOXEL),
    "pore_closure": micro.pore_closure,
    "ssa_2d": lambda y: micro.ssa_2d(y, VOXEL),
    "structure_thickness": lambda y: micro.structure_thickness(y, 60),
    # The correction of orientation samples the normals within slabs: it is checked elsewhere.
    "surface_density": lambda y: micro.surface_density(y, VOXEL, correct_orientation=False),
    "two_point_correlation": lambda y: micro.two_point_correlation(y, VOXEL),
    "volume_metrics": lambda y: micro.volume_metrics(y, VOXEL, families=FAMILIES),
}


@pytest.mark.parametrize("name", OF_LABELS)
@settings(deadline=None, max_examples=12)
@given(data=st.data(), y=label_stacks())
def test_measuring_any_labels(name, data, y):
    """Answers or refuses; dtype and chunks make no difference, and the input stays as it is."""
    before = y.copy()
    expected = answer(OF_LABELS[name], y)
    np.testing.assert_array_equal(y, before)
    plain = np.where(y == OUTSIDE, OUTSIDE, y).astype(np.uint8)
    assert_same(expected, answer(OF_LABELS[name], plain), rtol=1e-6)
    assert_same(expected, answer(OF_LABELS[name], data.draw(chunked(y))), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["density", "ice_mass", "metrics", "volume_metrics", "bubble_table"]
)
@settings(deadline=None, max_examples=12)
@given(y=label_stacks())
def test_labels_as_fractions_measure_the_same(name, y):
    y = y.astype(np.uint8)
    fraction = np.where(y == OUTSIDE, np.nan, y).astype(np.float32)
    call = OF_LABELS[name]
    assert_same(answer(call, y), answer(call, fraction), rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(y=label_stacks())
def test_amounts_are_bounded_and_add_up(y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels without ICE look like a 0/255 mask
        ice, pores = micro.ice_fraction(y), micro.porosity(y)
    if (np.asarray(y) == OUTSIDE).all():
        assert np.isnan([ice, pores]).all()
    else:
        assert 0 <= ice <= 1
        assert ice + pores == pytest.approx(1)
        closure = {key: float(value) for key, value in answer(micro.pore_closure, y).items()}
        assert closure["open_porosity"] + closure["closed_porosity"] == pytest.approx(pores)
        assert 0 <= closure["closed_porosity"] <= 1


SCORES = [
    metrics.dice_score,
    metrics.jaccard_score,
    metrics.precision_score,
    metrics.recall_score,
    metrics.voxel_accuracy,
    metrics.matthews_score,
]


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
@settings(deadline=None, max_examples=20)
@given(data=st.data(), shape=SHAPES)
def test_scores_of_any_labels(score, data, shape):
    """In their range or NaN; 1 only for what is right; blind to what is outside; lazy alike."""
    truth = data.draw(label_stacks(st.just(shape))).astype(np.uint8)
    other = data.draw(label_stacks(st.just(shape))).astype(np.uint8)
    other[other == OUTSIDE] = AIR
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # undefined scores are NaN, and say so
        value = score(truth, other)
        right = score(truth, truth)
        filled = score(truth, np.where(truth == OUTSIDE, OUTSIDE, other))
        lazy = score(data.draw(chunked(truth)), data.draw(chunked(other)))
    assert np.isnan(value) or -1 <= value <= 1
    assert np.isnan(right) or right == 1
    np.testing.assert_allclose([filled, lazy], value, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), y=label_stacks(), factor=st.tuples(*[st.integers(1, 3)] * 3))
def test_downsampling_keeps_the_ice(data, y, factor):
    y = y.astype(np.uint8)
    y = np.kron(y, np.ones(factor, np.uint8))  # blocks of one label: nothing is lost
    small = y[:: factor[0], :: factor[1], :: factor[2]]
    np.testing.assert_array_equal(downsample_labels(y, factor), small)
    mixed = data.draw(hnp.arrays(np.uint8, y.shape, elements=st.sampled_from([AIR, ICE])))
    fraction = downsample_labels(mixed, factor, threshold=None)
    assert fraction.mean() == pytest.approx(mixed.mean(), abs=1e-6)
    lazy = downsample_labels(data.draw(chunked(mixed)), factor, threshold=None)
    np.testing.assert_array_equal(np.asarray(lazy), fraction)


GUESS = GMMLabeler(smoothing=None, outside=0, max_iter=30)
LABELERS = [
    GUESS,
    GMMLabeler(outside=0, max_iter=30),
    ThresholdLabeler(outside=0),
    LocalThresholdLabeler(block_size=3, outside=0),
    MassThresholdLabeler(1e-9, voxel_size_um=60, outside=0),
    SequentialLabeler(outside=0),
    RandomWalkerLabeler(GUESS, outside=0),
    WatershedLabeler(GUESS, outside=0),
    ChanVeseLabeler(GUESS, outside=0),
    GraphCutLabeler(GUESS, outside=0),
    SuperpixelLabeler(GUESS, outside=0),
]


@pytest.mark.parametrize("labeler", LABELERS, ids=lambda labeler: type(labeler).__name__)
@settings(deadline=None, max_examples=12)
@given(data=st.data(), X=grey_stacks())
def test_labelling_any_stack(labeler, data, X):
    """Labels or a refusal; outside stays outside; blocks and chunks of slices label alike."""
    labels = answer(lambda X: labeler.fit(X).predict(X), X)
    if "refused" in labels:
        assert not (X != 0).any() or len(np.unique(X[X != 0])) < 2
        return
    labels = labels[0]
    np.testing.assert_array_equal(labels == OUTSIDE, X == 0)
    assert set(np.unique(labels)) <= {AIR, ICE, OUTSIDE}
    lazy = answer(labeler.predict, data.draw(chunked(X)))
    np.testing.assert_array_equal(lazy[0], labels)


@settings(deadline=None, max_examples=30)
@given(data=st.data(), X=grey_stacks())
def test_speckles_of_any_stack(data, X):
    """Only values of the neighbourhood appear; flips commute; outside stays."""
    speckles = SpeckleFilter(threshold=20, outside=0).fit(X)
    clean = speckles.transform(X)
    np.testing.assert_array_equal(clean == 0, X == 0)
    assert clean.dtype == X.dtype
    np.testing.assert_array_equal(speckles.transform(X[:, ::-1, ::-1]), clean[:, ::-1, ::-1])
    np.testing.assert_array_equal(np.asarray(speckles.transform(data.draw(chunked(X)))), clean)


PREPARING = [
    CoreMasker(outside=0),
    CoreMasker(outside=0, margin=1),
    BrightnessNormalizer(outside=0),
]


@pytest.mark.parametrize("step", PREPARING, ids=repr)
@settings(deadline=None, max_examples=20)
@given(data=st.data(), X=grey_stacks())
def test_preparing_any_stack(step, data, X):
    """A stack or a refusal; inside, a mask changes nothing but 0 to 1; chunks alike."""
    ready = answer(lambda X: step.fit(X).transform(X), X)
    if "refused" in ready:
        return
    ready = ready[0]
    assert ready.shape == X.shape
    assert np.isfinite(ready).all()
    if isinstance(step, CoreMasker):
        assert ready.dtype == X.dtype
        np.testing.assert_array_equal(ready[ready != 0], np.maximum(X, 1)[ready != 0])
    else:
        np.testing.assert_array_equal(ready == 0, X == 0)
    lazy = answer(step.transform, data.draw(chunked(X)))
    np.testing.assert_array_equal(lazy[0], ready)


STORED = st.sampled_from([np.uint8, np.uint16, np.float32, np.float64])


@pytest.mark.parametrize("name", ["core", "core.tif", "core.npy", "core.zarr"])
@settings(deadline=None, max_examples=8)
@given(data=st.data(), shape=SHAPES, dtype=STORED, slab=st.integers(1, 7))
def test_what_is_written_is_read(tmp_path_factory, name, data, shape, dtype, slab):
    if name.endswith("zarr"):
        pytest.importorskip("zarr")
    if name == "core" and np.dtype(dtype).kind == "f":
        dtype = np.uint16  # PNG holds no floats
    X = data.draw(hnp.arrays(dtype, shape))
    path = tmp_path_factory.mktemp("stack") / name
    write_stack(data.draw(chunked(X)) if data.draw(st.booleans()) else X, path)
    again = open_stack(path, slab=slab).compute(scheduler="sync")
    assert again.dtype == X.dtype
    np.testing.assert_array_equal(again, X)
