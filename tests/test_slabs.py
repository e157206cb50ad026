"""Slabs: every slice once, in order, with the neighbours that were asked for."""

import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icecoreseg import _slab_stream, _slabs
from icecoreseg._slabs import iterate_slabs, iterate_with_halo, map_slabs, slab_bounds

SMALL = {"multiple": 1, "at_least": 1, "slab_voxels": 24}


@pytest.fixture
def _small_slabs(monkeypatch):
    monkeypatch.setattr(_slabs, "SLAB_VOXELS", 24)
    monkeypatch.setattr(_slabs.slab_bounds, "__kwdefaults__", SMALL)


def stack_of(n_slices):
    return np.arange(n_slices * 6, dtype=np.float32).reshape(n_slices, 2, 3)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 4), st.integers(1, 300))
def test_bounds_cover_the_stack_once(n_slices, voxels, multiple, slab_voxels):
    bounds = list(slab_bounds(n_slices, voxels, multiple=multiple, slab_voxels=slab_voxels))
    covered = [z for start, stop in bounds for z in range(start, stop)]
    assert covered == list(range(n_slices))
    assert all((stop - start) % multiple == 0 for start, stop in bounds[:-1])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 5), st.booleans())
def test_halo_shows_the_neighbours(n_slices, halo, chunk, lazy):
    X = stack_of(n_slices)
    source = da.from_array(X, chunks=(chunk, 2, 3)) if lazy else X
    seen = 0
    for start, slab, inner in iterate_with_halo(source, halo):
        first = max(0, start - halo)
        assert start == seen == first + inner.start
        stop = start + len(slab[inner])
        np.testing.assert_array_equal(slab, X[first : stop + halo])
        seen = stop
    assert seen == n_slices


def test_every_lazy_chunk_is_computed_once():
    computed = []

    def note(block, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(stack_of(9), chunks=(2, 2, 3))
    X = lazy.map_blocks(note, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    list(iterate_with_halo(X, 3))
    assert sorted(computed) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n_workers", [1, 2, 8])
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_chained_halos_compute_no_chunk_twice_and_none_long_before_it_is_needed(
    n_workers, scheduler
):
    computed = []

    def note(block, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(stack_of(60), chunks=(1, 2, 3))
    X = lazy.map_blocks(note, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    for halo in (3, 1):
        X = map_slabs(moving_sum, X, dtype=np.float32, halo=halo)
    slabs = []
    with dask.config.set(num_workers=n_workers, scheduler=scheduler):
        for start, slab in iterate_slabs(X):
            assert max(computed) <= start + 2 * n_workers + 3 + 1
            slabs.append(slab)
    np.testing.assert_array_equal(np.concatenate(slabs), moving_sum(moving_sum(stack_of(60))))
    assert sorted(computed) == list(range(60))


def test_lazy_stacks_and_stacks_in_memory_are_read_together():
    X, other = stack_of(9), -stack_of(9)
    lazy = da.from_array(X, chunks=(2, 1, 3))
    doubled = da.from_array(2 * X, chunks=(4, 2, 3))
    slabs = list(iterate_slabs(lazy, other, doubled))
    assert [slab[0] for slab in slabs] == [0, 2, 4, 6, 8]
    for read, expected in zip(zip(*slabs, strict=True), (None, X, other, 2 * X), strict=True):
        assert expected is None or np.array_equal(np.concatenate(read), expected)


def test_errors_of_lazy_slabs_are_raised_and_a_reader_may_leave():
    computed, threads = [], set(threading.enumerate())

    def read(block, block_info=None):
        number = block_info[0]["chunk-location"][0]
        computed.append(number)
        if number == 20:
            raise OSError("slice 20 is unreadable")
        return block

    lazy = da.from_array(stack_of(90), chunks=(1, 2, 3))
    X = lazy.map_blocks(read, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    with dask.config.set(num_workers=2):
        for start, _ in iterate_slabs(X):
            if start == 3:
                break
        assert max(computed) < 10
        with pytest.raises(OSError, match="slice 20"):
            list(iterate_slabs(X))
    assert max(computed) < 30
    assert set(threading.enumerate()) <= threads


def test_a_graph_that_needs_the_whole_stack_first_does_not_hold_it(monkeypatch):
    """X / X.max(): all chunks are read for the maximum, and again one by one."""
    held = []
    compute = _slab_stream._Run.compute

    def watch(run, *groups):
        results = compute(run, *groups)
        held.append(sum(getattr(value, "nbytes", 0) for value in run._held.values()))
        return results

    monkeypatch.setattr(_slab_stream._Run, "compute", watch)
    X = stack_of(60)
    lazy = da.from_array(X, chunks=(1, 2, 3)) + 1
    with dask.config.set(num_workers=2):
        slabs = [slab for _, slab in iterate_slabs(lazy / lazy.max())]
    np.testing.assert_allclose(np.concatenate(slabs), (X + 1) / 360, rtol=1e-6)
    assert max(held) <= 5 * X[0].nbytes


def test_leaving_early_begins_no_more_tasks():
    begun = []

    def slow(block):
        if block.size:
            begun.append(len(begun))
            time.sleep(0.05)
        return block

    lazy = da.from_array(stack_of(64), chunks=(1, 2, 3)).map_blocks(slow, dtype=np.float32)
    lazy = lazy.rechunk((16, 2, 3))
    with dask.config.set(num_workers=2):
        next(iterate_slabs(lazy))
    assert len(begun) < 40  # of two groups of 32, the second has hardly begun


@pytest.mark.parametrize("halo", [0, 1, 5])
def test_empty_chunks_are_passed_over(halo):
    X = stack_of(11)
    keep = np.repeat([False, True, False, True, False], (2, 5, 3, 6, 2))
    many = np.empty((18, 2, 3), dtype=X.dtype)
    many[keep] = X
    lazy = da.from_array(many, chunks=(2, 2, 3))[da.from_array(keep, chunks=2)]
    lazy.compute_chunk_sizes()
    assert 0 in lazy.chunks[0]
    slabs = [slices[inner] for _, slices, inner in iterate_with_halo(lazy, halo)]
    np.testing.assert_array_equal(np.concatenate(slabs), X)
    summed = map_slabs(moving_sum, lazy, dtype=X.dtype, halo=max(halo, 1)).compute()
    np.testing.assert_array_equal(summed, moving_sum(X))


def moving_sum(slab, inner=slice(None)):
    padded = np.pad(slab, ((1, 1), (0, 0), (0, 0)))
    return (padded[:-2] + padded[1:-1] + padded[2:])[inner]


@pytest.mark.usefixtures("_small_slabs")
def test_a_function_of_neighbours_gives_the_same_in_slabs_and_lazily():
    X = stack_of(11)
    assert len(list(iterate_slabs(X))) == 3
    whole = moving_sum(X)
    for halo in (1, 4, 20):
        np.testing.assert_array_equal(map_slabs(moving_sum, X, dtype=X.dtype, halo=halo), whole)
        lazy = da.from_array(X, chunks=(3, 2, 3))
        lazy = map_slabs(moving_sum, lazy, dtype=X.dtype, halo=halo)
        np.testing.assert_array_equal(lazy.compute(), whole)


@pytest.mark.usefixtures("_small_slabs")
@pytest.mark.parametrize("tail", [(2, 3), (2, 2, 3), (5,), ()])
def test_results_of_any_shape(tail):
    def work(slab, other):
        return np.broadcast_to(
            (slab + other)[:, 0, 0].reshape(-1, *[1] * len(tail)), (len(slab), *tail)
        )

    X = stack_of(7)
    expected = work(X, X)
    for source in (X, da.from_array(X, chunks=(3, 1, 3))):
        result = map_slabs(work, source, X, dtype=np.float32, tail=tail)
        assert result.shape == (7, *tail)
        np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.mark.usefixtures("_small_slabs")
@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_pairs_of_slices_stay_together(chunk):
    def pairs(slab):
        return slab[::2] + slab[1::2]

    X = stack_of(10)
    lazy = da.from_array(X, chunks=(chunk, 2, 3))
    for source in (X, lazy):
        result = map_slabs(pairs, source, dtype=X.dtype, factor=2)
        np.testing.assert_array_equal(np.asarray(result), pairs(X))


def test_a_single_slab_is_handed_on_as_an_array_of_its_own(tmp_path):
    X = np.memmap(tmp_path / "stack", dtype=np.float32, mode="w+", shape=(2, 3, 4))
    for function in (lambda slab: slab, lambda slab: slab + 1, lambda slab: slab[::-1]):
        result = map_slabs(function, X, dtype=X.dtype)
        assert type(result) is np.ndarray
        assert result.flags.writeable
        assert not np.may_share_memory(result, X)
        np.testing.assert_array_equal(result, function(X))
    one_value = map_slabs(lambda slab: np.broadcast_to(np.float32(7), slab.shape), X, dtype=X.dtype)
    one_value[0, 0, 0] = 8
    assert one_value[1, 2, 3] == 7
