"""Patches: where they come from, what they hold, and how lazy stacks are read."""

import threading

import dask
import numpy as np
import pytest
import torch

from icecoreseg import OUTSIDE
from icecoreseg.segmentation._ahead import in_order, read_ahead
from icecoreseg.segmentation._augment import Augmentation, draw_changes
from icecoreseg.segmentation._device import decoded
from icecoreseg.segmentation._sampling import PatchSampler
from icecoreseg.segmentation._store import SliceStore
from icecoreseg.segmentation._survey import survey
from tests.segmentation.conftest import make_core

da = pytest.importorskip("dask.array")


def store(Xs, ys, **options):
    defaults = {"device": torch.device("cpu"), "budget": 2**31, "join": False}
    return SliceStore(Xs, ys, **(defaults | options))


def sampler(Xs, ys, *, context_slices=0, budget=2**31, join=False, **options):
    defaults = {"patch_size": 16, "batch_size": 4, "n_batches": 10, "seed": 0}
    kept = store(Xs, ys, budget=budget, join=join, halo=context_slices)
    options = defaults | options | {"context_slices": context_slices}
    return PatchSampler(kept, survey(Xs, ys, outside=0), **options)


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


def grey_values(X, scale):
    return scale.apply(torch.from_numpy(X)).numpy()


def symmetries(patch):
    for turns in range(4):
        yield np.rot90(patch, turns)
        yield np.rot90(patch, turns)[:, ::-1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("join", [False, True])
def test_patches_are_pieces_of_the_core(core, dtype, join):
    """Turned back, every patch is found in the scan with its own labels beside it."""
    X, y = core[0].astype(dtype) * dtype(200 if dtype == np.uint16 else 1), core[1]
    options = {"batch_size": 5, "n_batches": 20, "augmentation": Augmentation(0, 0)}
    one = sampler([X], [y], join=join, **options)
    grey, truth = grey_values(X, one.scale), np.where(y == OUTSIDE, np.nan, y)
    views = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(grey), (16, 16), axis=(1, 2))
    places = {views[place].tobytes(): place for place in np.ndindex(views.shape[:3])}
    seen = set()
    for x, target in one.batches(0):
        for patch, labels in zip(x[:, 0].numpy(), target.numpy(), strict=True):
            turned = [view.tobytes() for view in symmetries(np.nan_to_num(patch))]
            (way,) = (i for i, view in enumerate(turned) if view in places)
            z, row, column = places[turned[way]]
            seen.add(way)
            expected = truth[z, row : row + 16, column : column + 16]
            np.testing.assert_array_equal(list(symmetries(labels))[way], expected)
    assert len(seen) == 8


def test_patches_are_left_as_they_lie_if_asked():
    changes = draw_changes(np.random.default_rng(0), (40, 3, 8, 8), Augmentation(symmetries=False))
    assert not changes.flips.any()
    assert not changes.upside_down.any()
    assert changes.gain.std() > 0


def test_patches_are_rarely_void(core):
    shares = [
        np.mean(~np.isnan(target.numpy()), axis=(1, 2))
        for _, target in sampler(*map(lambda s: [s], core)).batches(0)
    ]
    assert np.concatenate(shares).min() > 0.3


def test_slices_without_specimen_are_never_drawn(core):
    X, y = core[0].copy(), core[1].copy()
    X[1], y[4] = 0, OUTSIDE
    one = sampler([X], [y])
    picks = [one._plan(np.random.default_rng(epoch))[0] for epoch in range(3)]
    assert set(one._store.z[np.concatenate(picks)]) == {0, 2, 3, 5}


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
    one, read = sampler([X], [y], n_batches=40, budget=2 * (X[:2].nbytes + y[:2].nbytes)), []
    load = one._store._read
    monkeypatch.setattr(one._store, "_read", lambda pack: read.append(pack) or load(pack))
    with dask.config.set(scheduler="synchronous"):
        batches = list(one.batches(0))
        assert sorted(read) == [0, 1, 2]
        assert len(one._store._kept) == 2
    assert len(batches) == 40


def test_what_comes_next_is_read_while_a_batch_is_used(core, monkeypatch):
    """With room for two slabs, the second is read by a thread as soon as the first is asked for."""
    X, y = (da.from_array(stack, chunks=(2, 48, 40)) for stack in core)
    one = sampler([X], [y], n_batches=40, budget=2 * (X[:2].nbytes + y[:2].nbytes))
    second, load, read = threading.Event(), one._store._read, []

    def noted(pack):
        read.append(pack)
        if len(read) == 2:
            second.set()
        return load(pack)

    monkeypatch.setattr(one._store, "_read", noted)
    batches = one.batches(0)
    next(batches)
    assert second.wait(timeout=60)
    batches.close()


def test_cores_in_memory_are_not_copied(core):
    """Read-only ones neither; what is no run of bytes in the order of the slices is copied."""
    X, y = (stack.copy() for stack in core)
    X.setflags(write=False)
    one = store([X, X], [y, np.where(y == OUTSIDE, np.nan, y)])
    for tensor, array in zip(one.tensors(0), (X, y), strict=True):
        assert tensor.data_ptr() == array.ctypes.data
    assert one.n_bytes(0) == 0
    grey, labels = one.tensors(1)
    assert one.n_bytes(1) == 5 * X.size
    np.testing.assert_array_equal(grey, X.ravel())
    np.testing.assert_array_equal(labels, np.where(y == OUTSIDE, np.nan, y).ravel())
    turned = store([X[:, ::-1]], [y])
    np.testing.assert_array_equal(turned.tensors(0)[0], X[:, ::-1].ravel())


@pytest.mark.parametrize("budget", [2**31, 60_000])
@pytest.mark.parametrize("context", [0, 2])
def test_joined_packs_hold_the_same_slices(budget, context):
    """Cores of other sizes, formats and kinds of labels, where they are said to lie."""
    Xs, ys = map(list, zip(make_core(0), make_core(1, shape=(9, 32, 64)), strict=True))
    Xs[1] = Xs[1].astype(np.uint16) * 256
    ys[1] = np.where(ys[1] == OUTSIDE, np.nan, ys[1] / 2)
    Xs[0], ys[0] = (da.from_array(stack, chunks=(4, -1, -1)) for stack in (Xs[0], ys[0]))
    one = store(Xs, ys, budget=budget, join=True, halo=context)
    assert len(one._packs) == (1 if budget == 2**31 else len(np.unique(one.pack)))
    assert (len(one._packs) > 1) == (budget == 60_000)
    for i, (core, z) in enumerate(zip(one.core, one.z, strict=True)):
        X, y = np.asarray(Xs[core]), np.asarray(ys[core])
        grey, labels = one.tensors(int(one.pack[i]))
        found = decoded(grey[one.grey_at[i] :][: X[0].size])
        np.testing.assert_array_equal(found, X[z].ravel())
        expected = np.where(y[z] == OUTSIDE, np.nan, y[z]).ravel()
        np.testing.assert_array_equal(labels[one.labels_at[i] :][: y[0].size], expected)
        for step in range(-context, context + 1):
            if 0 <= z + step < len(X):
                at = one.grey_at[i] + step * X[0].size
                np.testing.assert_array_equal(decoded(grey[at:][: X[0].size]), X[z + step].ravel())


@pytest.mark.parametrize("join", [False, True])
def test_what_the_survey_has_read_is_not_read_again(core, monkeypatch, join):
    """Where all has room; a budget a little smaller leaves it to the sampler."""
    lazy = [da.from_array(stack, chunks=(4, -1, -1)) for stack in core]
    Xs, ys = [lazy[0], core[0]], [lazy[1], np.where(core[1] == OUTSIDE, np.nan, core[1])]
    enough = core[0].size * (2 * 5 if join else 2 + 5)  # all fractions, or labels and fractions
    for budget in (enough, enough - 1):
        one = store(Xs, ys, budget=budget, join=join)
        survey(Xs, ys, outside=0, keep=one.put)
        expected = store(Xs, ys, join=join)
        assert len(one._kept) == (0 if budget < enough else len(one._packs))
        if budget == enough:
            monkeypatch.setattr(one, "_read", None)
        for pack in range(len(expected._packs)) if budget == enough else ():
            for found, wanted in zip(one.tensors(pack), expected.tensors(pack), strict=True):
                torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("context", [0, 1])
def test_where_slices_lie_does_not_matter(context):
    """In memory, lazy, or joined as on a GPU: the same patches, in the order of the batch."""
    Xs, ys = map(list, zip(make_core(0), make_core(1, shape=(9, 12, 64)), strict=True))
    lazy = [[da.from_array(stack, chunks=(2, -1, -1)) for stack in stacks] for stacks in (Xs, ys)]
    options = {"context_slices": context, "n_batches": 5}
    samplers = [sampler(Xs, ys, **options), sampler(*lazy, **options)]
    samplers.append(sampler(Xs, ys, join=True, **options))
    for batches in zip(*(one.batches(0, ahead=True) for one in samplers), strict=True):
        for other in batches[1:]:
            torch.testing.assert_close(other, batches[0], rtol=0, atol=0, equal_nan=True)


def test_threads_keep_the_order_and_hand_errors_on():
    assert list(in_order(lambda i: i * i, range(50), n_ahead=4)) == [i * i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // i, [1, 0, 1], n_ahead=2))


def test_what_is_read_ahead_comes_in_order_with_its_errors():
    """One item is fetched while another is used, and an error comes in its place."""
    fetched = []
    items = read_ahead(fetched.append(i) or 6 // (3 - i) for i in range(9))
    assert [next(items) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert fetched == [0, 1, 2, 3]
