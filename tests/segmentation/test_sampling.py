"""Patches: where they come from, what they hold, and how lazy stacks are read."""

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icecoreseg import OUTSIDE
from icecoreseg.segmentation import _sampling
from icecoreseg.segmentation._augment import augment
from icecoreseg.segmentation._sampling import PatchSampler, in_order
from icecoreseg.segmentation._survey import survey
from tests.segmentation.conftest import make_core

da = pytest.importorskip("dask.array")


def sampler(Xs, ys, **options):
    defaults = {"patch_size": 16, "batch_size": 4, "n_batches": 10, "seed": 0}
    return PatchSampler(Xs, ys, survey(Xs, ys, outside=0), **(defaults | options))


def test_survey_is_that_of_the_pooled_voxels():
    """Mean and standard deviation over all cores at once, void voxels left out."""
    cores = [make_core(0), make_core(1, shape=(3, 32, 64))]
    Xs, ys = (list(stacks) for stacks in zip(*cores, strict=True))
    found = survey([da.from_array(X, chunks=2) for X in Xs], ys, outside=0)
    grey = np.concatenate([X[y != OUTSIDE] for X, y in cores]).astype(float)
    ice = np.concatenate([y[y != OUTSIDE] for _, y in cores])
    assert found.grey.mean == pytest.approx(grey.mean())
    assert found.grey.sd == pytest.approx(grey.std())
    assert found.ice_share == pytest.approx(ice.mean())
    assert [counts.tolist() for counts in found.n_valid] == [
        np.count_nonzero(y != OUTSIDE, axis=(1, 2)).tolist() for y in ys
    ]


def test_patches_are_pieces_of_the_core(core):
    """Turned back, every patch is found in the scan with its own labels beside it."""
    X, y = core
    scale = survey([X], [y], outside=0).grey
    grey = scale.apply(X)
    one = sampler([X], [y], batch_size=1, n_batches=20)
    place = one._patch(np.random.default_rng(0), 0, 3)
    windows = np.lib.stride_tricks.sliding_window_view(grey[3], (16, 16))
    hits = np.argwhere((np.nan_to_num(windows) == np.nan_to_num(place[0])).all(axis=(2, 3)))
    assert len(hits) == 1
    row, column = hits[0]
    truth = np.where(y == OUTSIDE, np.nan, y)[3, row : row + 16, column : column + 16]
    np.testing.assert_array_equal(place[1], truth)


def test_patches_are_rarely_void(core):
    shares = [
        np.mean(~np.isnan(target), axis=(1, 2))
        for _, target in sampler(*map(lambda s: [s], core)).batches(0)
    ]
    assert np.concatenate(shares).min() > 0.3


def test_slices_without_specimen_are_never_drawn(core):
    X, y = core[0].copy(), core[1].copy()
    X[1], y[4] = 0, OUTSIDE
    one = sampler([X], [y])
    drawn = {
        one._slices[pick][1]
        for epoch in range(3)
        for pick in one._plan(np.random.default_rng(epoch))
    }
    assert drawn == {0, 2, 3, 5}


def test_epoch_can_be_entered_in_the_middle(core):
    one = sampler([core[0]], [core[1]])
    whole, rest = list(one.batches(3)), list(one.batches(3, start=6, ahead=True))
    assert len(rest) == 4
    for a, b in zip(whole[6:], rest, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


def test_processes_share_a_batch(core):
    whole = next(sampler([core[0]], [core[1]]).batches(0))
    for rank in (0, 1):
        share = next(sampler([core[0]], [core[1]], share=(rank, 2)).batches(0))
        np.testing.assert_array_equal(share[0], whole[0][rank::2])


def test_slabs_of_lazy_stacks_are_read_once_per_epoch(core, monkeypatch):
    """With room for two slabs of three, an epoch still reads each of them only once."""
    X, y = (da.from_array(stack, chunks=(2, 48, 40)) for stack in core)
    monkeypatch.setattr(_sampling, "CACHE_BYTES", 2 * X[:2].nbytes + 2 * y[:2].nbytes)
    one, read = sampler([X], [y], n_batches=40), []
    load = one._slabs._read
    monkeypatch.setattr(one._slabs, "_read", lambda key: read.append(key) or load(key))
    with dask.config.set(scheduler="synchronous"):
        batches = list(one.batches(0))
        assert sorted(read) == [(0, 0), (0, 1), (0, 2)]
        assert len(one._slabs._kept) <= 2
    assert len(batches) == 40


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_augmentation_keeps_grey_values_and_labels_together(seed):
    """One line maps grey values to grey values, and labels travel with their voxels."""
    rng = np.random.default_rng(1)
    x = rng.permutation(36).reshape(6, 6).astype(np.float32)
    x[2, 3] = np.nan
    target = np.nan_to_num(x, nan=-1.0) * 2
    new_x, new_target = augment(np.random.default_rng(seed), x, target)
    inside = ~np.isnan(new_x)
    assert inside.sum() == 35
    assert new_target[~inside] == -2
    slope, intercept = np.polyfit(new_target[inside] / 2, new_x[inside], 1)
    np.testing.assert_allclose(new_x[inside], slope * new_target[inside] / 2 + intercept, atol=1e-3)
    assert slope > 0


def test_threads_keep_the_order_and_hand_errors_on():
    assert list(in_order(lambda i: i * i, range(50), n_ahead=4)) == [i * i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // i, [1, 0, 1], n_ahead=2))
