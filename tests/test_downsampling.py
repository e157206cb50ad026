"""downsample_labels against scikit-image's block mean, and its tie rules."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean
from sklearn.exceptions import NotFittedError

from icecoreseg import AIR, ICE, OUTSIDE, MaskDownsampler, downsample_labels
from icecoreseg.datasets import make_ice_core
from icecoreseg.downsampling._rule import TIES

LABELS = hnp.arrays(
    np.uint8,
    st.tuples(*(st.sampled_from([2, 4, 6]) for _ in range(3))),
    elements=st.sampled_from([AIR, ICE, OUTSIDE]),
)


@settings(max_examples=50, deadline=None)
@given(LABELS)
def test_fraction_equals_block_mean_of_scikit_image(labels):
    labels = np.where(labels == OUTSIDE, AIR, labels)
    ours = downsample_labels(labels, 2, threshold=None)
    np.testing.assert_allclose(ours, downscale_local_mean(labels, (2, 2, 2)), atol=1e-6)


@pytest.mark.parametrize("factor", [1, 3, (1, 2, 3), (3, 1, 2)])
def test_any_factor(factor):
    labels = np.random.default_rng(0).integers(0, 2, (6, 12, 18), dtype=np.uint8)
    blocks = (factor,) * 3 if np.ndim(factor) == 0 else factor
    expected = downscale_local_mean(labels, blocks)
    np.testing.assert_allclose(
        downsample_labels(labels, factor, threshold=None), expected, rtol=1e-6
    )
    hard = downsample_labels(labels, factor, ties="air")
    np.testing.assert_array_equal(hard, expected > 0.5)


@settings(max_examples=50, deadline=None)
@given(LABELS, st.sampled_from(["surroundings", "ice", "air"]))
def test_only_ties_depend_on_the_rule(labels, ties):
    fraction = downsample_labels(labels, threshold=None)
    hard = downsample_labels(labels, ties=ties)
    np.testing.assert_array_equal(hard == OUTSIDE, np.isnan(fraction))
    assert (hard[fraction > 0.5] == ICE).all()
    assert (hard[fraction < 0.5] == AIR).all()
    if ties != "surroundings":
        assert (hard[fraction == 0.5] == (ICE if ties == "ice" else AIR)).all()


def test_outside_voxels_have_no_vote():
    block = np.full((2, 2, 2), OUTSIDE, dtype=np.uint8)
    block[0] = [[ICE, ICE], [ICE, AIR]]
    assert downsample_labels(block, threshold=None).item() == 0.75
    assert downsample_labels(block).item() == ICE
    block[0, 0, 0] = OUTSIDE  # now 5 of 8 are outside
    assert downsample_labels(block).item() == OUTSIDE
    assert np.isnan(downsample_labels(block, threshold=None).item())


def test_surroundings_decide_a_tie():
    half = np.zeros((2, 6, 6), dtype=np.uint8)
    half[:, 2:4, 2] = ICE  # the middle block is half ice
    assert downsample_labels(half)[0, 1, 1] == AIR
    assert downsample_labels(1 - half)[0, 1, 1] == ICE


def test_the_paper_loses_ice_in_snow_and_the_default_does_not():
    """Level-cut Gaussian field, features of 3 voxels, 36 % ice (field measured by the paper)."""
    field = gaussian_filter(
        np.random.default_rng(0).normal(size=(64, 96, 96)), 3 / 1.6, mode="wrap"
    )
    labels = (field > np.quantile(field, 0.64)).astype(np.uint8)
    ice = {
        ties: downsample_labels(labels, ties=ties).mean() for ties in ("air", "ice", "surroundings")
    }
    assert ice["air"] < 0.36 * 0.95
    assert ice["ice"] > 0.36 * 1.03
    np.testing.assert_allclose(ice["surroundings"], 0.36, rtol=0.02)
    np.testing.assert_allclose(downsample_labels(labels, threshold=None).mean(), 0.36, rtol=1e-3)


def test_fractions_in_fractions_out():
    fraction = np.random.default_rng(0).random((4, 4, 4)).astype(np.float32)
    fraction[:, :, 0] = np.nan
    reduced = downsample_labels(fraction, threshold=None)
    np.testing.assert_allclose(reduced[0, 0, 1], fraction[:2, :2, 2:].mean(), rtol=1e-6)
    np.testing.assert_allclose(reduced[0, 0, 0], fraction[:2, :2, 1].mean(), rtol=1e-6)
    assert downsample_labels(fraction).dtype == np.uint8


@settings(max_examples=20, deadline=None)
@given(LABELS, st.sampled_from([None, 0.5]))
def test_dask_equals_numpy_and_keeps_z_pairs_together(labels, threshold):
    labels = np.concatenate([labels] * 3)
    lazy = da.from_array(labels, chunks=(3, 2, 2))
    result = downsample_labels(lazy, threshold=threshold)
    assert isinstance(result, da.Array)
    np.testing.assert_array_equal(result, downsample_labels(labels, threshold=threshold))


@given(LABELS)
def test_exchanging_the_phases_exchanges_the_fractions(labels):
    other = np.where(labels == OUTSIDE, OUTSIDE, 1 - labels).astype(np.uint8)
    ours = downsample_labels(labels, threshold=None)
    np.testing.assert_allclose(downsample_labels(other, threshold=None), 1 - ours, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(bool, st.tuples(*(st.sampled_from([2, 4, 6]) for _ in range(3)))),
    st.sampled_from([(t, ties) for t in (None, 0.5, 0.7, "porosity") for ties in TIES]),
    st.booleans(),
)
def test_masks_are_labels(mask, rule, lazy):
    rule = dict(zip(("threshold", "ties"), rule, strict=True))
    expected = downsample_labels(mask.astype(np.uint8), **rule)
    given_mask = da.from_array(mask, chunks=(3, 2, 2)) if lazy else mask
    result = downsample_labels(given_mask, **rule)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(
        MaskDownsampler(**rule).fit(given_mask).transform(given_mask),
        MaskDownsampler(**rule).fit(mask.astype(np.uint8)).transform(mask.astype(np.uint8)),
    )


@pytest.mark.parametrize("factor", [2, (1, 2, 2), 3, (2, 1, 2)])
def test_the_order_of_voxels_in_memory_does_not_matter(factor):
    labels = np.random.default_rng(0).integers(0, 2, (6, 12, 12), dtype=np.uint8)
    labels[:, 0] = OUTSIDE
    expected = downsample_labels(labels, factor)
    for order in ((0, 2, 1), (2, 1, 0), (2, 0, 1)):
        turned = np.ascontiguousarray(labels.transpose(order)).transpose(np.argsort(order))
        assert not turned.flags.c_contiguous
        np.testing.assert_array_equal(downsample_labels(turned, factor), expected)


def test_signed_bytes_have_no_outside():
    assert downsample_labels(np.ones((2, 2, 2), dtype=np.int8)).item() == ICE
    with pytest.raises(ValueError, match=r"holds the values \[-1\]"):
        downsample_labels(np.full((2, 2, 2), -1, dtype=np.int8))


def test_refusals():
    labels = np.zeros((3, 4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"Axis 0 of labels has length 3.*crop the stack to 2"):
        downsample_labels(labels)
    with pytest.raises(ValueError, match=r"holds the values \[7\]"):
        downsample_labels(np.full((2, 2, 2), 7, dtype=np.uint8))
    with pytest.raises(ValueError, match="threshold must lie"):
        downsample_labels(labels[:2], threshold=1.5)
    with pytest.raises(ValueError, match="ties='up'"):
        downsample_labels(labels[:2], ties="up")
    with pytest.raises(ValueError, match=r"from 0 to 3; ice fractions"):
        downsample_labels(labels[:2] + np.linspace(0, 3, 4))
    with pytest.raises(ValueError, match="is no multiple"):
        MaskDownsampler().fit(labels)


def test_estimator_is_the_function():
    labels = np.random.default_rng(0).integers(0, 2, (4, 4, 4), dtype=np.uint8)
    ours = MaskDownsampler(2, ties="air").fit_transform(labels)
    np.testing.assert_array_equal(ours, downsample_labels(labels, 2, ties="air"))


@settings(max_examples=30, deadline=None)
@given(LABELS, st.sampled_from([None, 0.5, 0.3]), st.sampled_from([0, 1, 2]))
def test_flipped_labels_give_flipped_results(labels, threshold, axis):
    ours = downsample_labels(np.flip(labels, axis), threshold=threshold)
    expected = np.flip(downsample_labels(labels, threshold=threshold), axis)
    np.testing.assert_array_equal(ours, expected)


@settings(max_examples=30, deadline=None)
@given(LABELS)
def test_exchanging_the_phases_exchanges_the_labels(labels):
    """Ties to air become ties to ice."""
    other = np.where(labels == OUTSIDE, OUTSIDE, 1 - labels).astype(np.uint8)
    ours = downsample_labels(labels, ties="air")
    expected = downsample_labels(other, ties="ice")
    np.testing.assert_array_equal(ours, np.where(expected == OUTSIDE, OUTSIDE, 1 - expected))


@settings(max_examples=30, deadline=None)
@given(
    coarse=hnp.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([AIR, ICE, OUTSIDE])),
    factor=st.tuples(*(st.integers(1, 5) for _ in range(3))),
    threshold=st.sampled_from([0.5, 0.2, "porosity"]),
)
def test_constant_blocks_keep_their_label(coarse, factor, threshold):
    coarse[0, 0, 0] = AIR
    fine = coarse.repeat(factor[0], 0).repeat(factor[1], 1).repeat(factor[2], 2)
    np.testing.assert_array_equal(downsample_labels(fine, factor, threshold=threshold), coarse)


@pytest.mark.parametrize("factor", [(1, 4, 4), (4, 4, 1), (2, 17, 2), (5, 8, 8)])
def test_large_blocks_with_an_outside(factor):
    """The codes of voxels need 8 and 16 bits here."""
    rng = np.random.default_rng(0)
    shape = tuple(2 * f for f in factor)
    labels = rng.choice([AIR, ICE, ICE, OUTSIDE], shape).astype(np.uint8)
    blocks = labels.reshape(2, factor[0], 2, factor[1], 2, factor[2])
    ice, inside = ((blocks == ICE).sum((1, 3, 5)), (blocks != OUTSIDE).sum((1, 3, 5)))
    ours = downsample_labels(labels, factor, threshold=None)
    expected = np.where(2 * inside < np.prod(factor), np.nan, ice / inside)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def field_labels(ice, features, shape=(48, 96, 96)):
    field = gaussian_filter(np.random.default_rng(0).normal(size=shape), features, mode="wrap")
    return (field > np.quantile(field, 1 - ice)).astype(np.uint8)


def ice_share(labels):
    return (labels == ICE).sum() / (labels != OUTSIDE).sum()


@pytest.mark.parametrize(("ice", "features"), [(0.12, 1.9), (0.37, 1.9), (0.8, 2.5), (0.96, 3)])
@pytest.mark.parametrize("soft", [False, True])
def test_a_learned_threshold_keeps_the_porosity(ice, features, soft):
    """The judge's bar: 0.5 % of the ice; ties to air miss it by up to 20 % here."""
    labels = field_labels(ice, features)
    labels[:, np.hypot(*(np.indices(labels.shape[1:]) - 48)) > 46] = OUTSIDE
    share = ice_share(labels)
    if soft:
        fraction = gaussian_filter(np.where(labels == ICE, 1.0, 0.0), 0.7)
        inside = labels != OUTSIDE
        labels = np.where(inside, fraction, np.nan).astype(np.float32)
        share = fraction[inside].mean()
    step = MaskDownsampler(threshold="porosity").fit(labels)
    assert 0 < step.threshold_ < 1
    np.testing.assert_allclose(ice_share(step.transform(labels)), share, rtol=2e-3)


@pytest.mark.parametrize("ties", ["air", "ice"])
def test_without_surroundings_the_nearest_threshold_is_learned(ties):
    labels = field_labels(0.37, 1.9)
    learned = ice_share(downsample_labels(labels, threshold="porosity", ties=ties))
    candidates = [ice_share(downsample_labels(labels, threshold=(k + 0.5) / 8)) for k in range(8)]
    nearest = min(candidates, key=lambda share: abs(share - labels.mean()))
    np.testing.assert_allclose(learned, nearest)


def test_a_learned_threshold_is_used_on_other_stacks_and_lazily():
    labels = field_labels(0.37, 1.9)
    lazy = da.from_array(labels, chunks=(9, 40, 40))
    step, lazily = (MaskDownsampler(threshold="porosity").fit(part[:24]) for part in (labels, lazy))
    assert lazily.threshold_ == step.threshold_
    assert lazily.tie_threshold_ == step.tie_threshold_
    coarse = step.transform(labels[24:])
    np.testing.assert_array_equal(lazily.transform(lazy[24:]), coarse)
    np.testing.assert_allclose(coarse.mean(), labels[24:].mean(), rtol=0.02)
    whole = downsample_labels(labels[:24], threshold="porosity")
    np.testing.assert_array_equal(step.transform(labels[:24]), whole)


@pytest.mark.parametrize("value", [AIR, ICE])
def test_porosity_of_one_phase(value):
    labels = np.full((2, 4, 4), value, dtype=np.uint8)
    assert (downsample_labels(labels, threshold="porosity") == value).all()


def test_porosity_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no voxel inside"):
        downsample_labels(np.full((2, 2, 2), OUTSIDE, dtype=np.uint8), threshold="porosity")
    with pytest.raises(ValueError, match="not fitted"):
        MaskDownsampler(threshold="porosity").transform(np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="\"porosity\" or None; got 'mass'"):
        MaskDownsampler(threshold="mass").fit(np.zeros((2, 2, 2), np.uint8))


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_the_default_keeps_the_ice_and_the_majority(kind):
    labels = make_ice_core(kind, n_slices=6, n_columns=96, random_state=1).labels_high
    coarse = MaskDownsampler(2).fit_transform(labels)
    fine = (labels == ICE).sum() / (labels != OUTSIDE).sum()
    assert (coarse == ICE).sum() / (coarse != OUTSIDE).sum() == pytest.approx(fine, rel=0.002)
    fraction = downsample_labels(labels, threshold=None)
    np.testing.assert_array_equal(coarse[fraction > 0.5], ICE)
    np.testing.assert_array_equal(coarse[fraction < 0.5], AIR)


def test_balanced_ties_are_learned_alike_from_a_lazy_stack():
    labels = make_ice_core("snow", n_slices=5, n_columns=64, random_state=1).labels_high
    step = MaskDownsampler(2).fit(labels)
    lazy = da.from_array(labels, chunks=(3, -1, -1))
    lazily = MaskDownsampler(2).fit(lazy)
    assert lazily.tie_threshold_ == step.tie_threshold_
    np.testing.assert_array_equal(lazily.transform(lazy), step.transform(labels))
    np.testing.assert_array_equal(
        downsample_labels(labels, ties="balanced"), step.transform(labels)
    )


def test_balanced_ties_want_to_be_learned():
    with pytest.raises(NotFittedError):
        MaskDownsampler(2).transform(np.zeros((2, 2, 2), np.uint8))
    assert MaskDownsampler(2).fit_transform(np.full((2, 2, 2), OUTSIDE)).item() == OUTSIDE
