"""Random patches from cores of any size, in memory or not.

An epoch is planned first (which slices, in which order) and drawn then, batch by batch.
Both depend on nothing but the seed and the place in the epoch, so a run that was stopped
can go on in the middle of an epoch as if nothing had happened.
"""

import threading
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from icecoreseg._validation import is_lazy
from icecoreseg.segmentation._augment import augment
from icecoreseg.segmentation._context import with_neighbours
from icecoreseg.segmentation._survey import ice_target

CACHE_BYTES = 2**31
"""Memory for decoded slabs of lazy stacks, grey values and labels together."""

N_AHEAD = 8
"""Batches that are drawn ahead of a device that is faster than one thread."""

_TRIES = 4
_ENOUGH = 0.3


class PatchSampler:
    """Draw batches of patches with the specimen's voxels as evenly as slices allow.

    Parameters
    ----------
    Xs, ys : lists of arrays of shape (n_slices, n_rows, n_columns)
        Grey stacks and labels or fractions, one per core, numpy or dask.
    found : Survey
        Where the specimen lies; see `survey`.
    patch_size : int
        Edge of the square patches; smaller slices are padded with void.
    batch_size, n_batches : int
        Patches per batch, batches per epoch.
    seed : int
        Seed of all draws.
    share : (int, int)
        Of so many processes that share every batch, the one that this sampler serves.
    context_slices : int
        Neighbouring slices on either side that a patch holds as further channels.

    Attributes
    ----------
    augment : callable
        Of (generator, x, target): what is done to each patch; see `augment`.
    """

    augment = staticmethod(augment)

    def __init__(
        self,
        Xs,
        ys,
        found,
        *,
        patch_size,
        batch_size,
        n_batches,
        seed,
        share=(0, 1),
        context_slices=0,
    ):
        self.found, self.patch_size, self.seed = found, patch_size, seed
        self.batch_size, self.n_batches, self.share = batch_size, n_batches, share
        self.context_slices = context_slices
        self._slabs = _SlabCache(Xs, ys, CACHE_BYTES, halo=context_slices)
        weights = np.concatenate(found.n_valid).astype(float)
        self._weights = weights / weights.sum()
        self._slices = [
            (i, z) for i, counts in enumerate(found.n_valid) for z in range(len(counts))
        ]

    def batches(self, epoch, *, start=0, ahead=False):
        """Yield (x, target), NaN where void; x has an axis of channels behind the first.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        start : int
            Batches to skip, when an interrupted epoch goes on.
        ahead : bool
            Whether threads draw the next batches while the caller works on this one.
        """
        plan = self._plan(np.random.default_rng([self.seed, epoch]))
        rank, n_ranks = self.share

        def draw(batch):
            first, stop = batch * self.batch_size, (batch + 1) * self.batch_size
            patches = [self._draw(epoch, i, plan[i]) for i in range(first + rank, stop, n_ranks)]
            return tuple(np.stack(stack) for stack in zip(*patches, strict=True))

        return in_order(draw, range(start, self.n_batches), n_ahead=N_AHEAD if ahead else 0)

    def _draw(self, epoch, i, pick):
        """Patch i of an epoch; it depends on nothing but the seed and these numbers."""
        rng = np.random.default_rng([self.seed, epoch, i])
        return self.augment(rng, *self._patch(rng, *self._slices[pick]))

    def _plan(self, rng):
        """Slices of an epoch, ordered so that each slab of a lazy stack is read once."""
        n_patches = self.batch_size * self.n_batches
        picks = rng.choice(self._weights.size, size=n_patches, p=self._weights)
        order = rng.random(n_patches)
        windows = self._slabs.windows([self._slices[pick] for pick in picks], rng)
        return picks[np.lexsort((order, windows))]

    def _patch(self, rng, core, z):
        """Cut one patch; of a few places take the first that is not mostly void."""
        x, y, middle = self._slabs.slice(core, z)
        best = None
        for _ in range(_TRIES):
            rows, columns = self._place(rng, y.shape, self.found.boxes[core][z])
            grey = with_neighbours(
                x[:, rows, columns],
                middle,
                context_slices=self.context_slices,
                grey=self.found.grey,
            )
            void = np.isnan(grey[self.context_slices])
            target = np.where(void, np.float32(np.nan), ice_target(y[rows, columns]))
            n_valid = np.count_nonzero(~np.isnan(target))
            if best is None or n_valid > best[0]:
                best = n_valid, grey, target
            if n_valid >= _ENOUGH * target.size:
                break
        return self._filled(best[1]), self._filled(best[2])

    def _place(self, rng, shape, box):
        """Random window that overlaps the specimen's bounding box by at least half."""
        size, place = self.patch_size, []
        for length, first, stop in zip(shape, box[::2], box[1::2], strict=True):
            last = max(length - size, 0)
            low, high = np.clip((first - size // 4, stop - size + size // 4), 0, last)
            start = int(rng.integers(min(low, high), max(low, high) + 1))
            place.append(slice(start, start + size))
        return tuple(place)

    def _filled(self, patch):
        missing = [(0, self.patch_size - length) for length in patch.shape[-2:]]
        if not any(after for _, after in missing):
            return patch
        return np.pad(patch, [(0, 0)] * (patch.ndim - 2) + missing, constant_values=np.nan)


class _SlabCache:
    """Slices of many cores; slabs of lazy ones are computed once and kept while room is left.

    A slab is kept with `halo` slices of its neighbours, whose chunks are computed for it too.
    """

    def __init__(self, Xs, ys, budget, *, halo=0):
        self._Xs, self._ys, self._budget, self._halo = Xs, ys, budget, halo
        self._kept, self._used, self._lock = OrderedDict(), 0, threading.Lock()
        self._edges = [_slab_edges(X, y) for X, y in zip(Xs, ys, strict=True)]

    def slice(self, core, z):
        """Grey slab around a slice, labels of the slice, its number in the slab."""
        X, y = self._Xs[core], self._ys[core]
        if not (is_lazy(X) or is_lazy(y)):
            return X, y[z], z
        slab = self._slab_of(core, z)
        x_slab, y_slab = self._load(core, slab)
        first, start, _, _ = self._bounds(core, slab)
        return x_slab, y_slab[z - start], z - first

    def windows(self, slices, rng):
        """Rank of each slice in reading order: slabs in random order, cut where the room ends."""
        wanted = sorted({(core, self._slab_of(core, z)) for core, z in slices})
        ranks, window, used = {}, 0, 0
        for position in rng.permutation(len(wanted)):
            core, slab = wanted[position]
            used += self._bytes(core, slab)
            if used > self._budget:
                window, used = window + 1, self._bytes(core, slab)
            ranks[core, slab] = window
        return np.array([ranks[core, self._slab_of(core, z)] for core, z in slices])

    def _slab_of(self, core, z):
        return int(np.searchsorted(self._edges[core], z, side="right")) - 1

    def _bytes(self, core, slab):
        """Memory that keeping a slab takes: none if the stack is in memory anyway."""
        X, y = self._Xs[core], self._ys[core]
        if not (is_lazy(X) or is_lazy(y)):
            return 0
        first, _, _, last = self._bounds(core, slab)
        return (last - first) * X.shape[1] * X.shape[2] * (X.dtype.itemsize + y.dtype.itemsize)

    def _bounds(self, core, slab):
        """Bounds of a slab: outside those of its grey values, inside those of its labels."""
        start, stop = (int(edge) for edge in self._edges[core][slab : slab + 2])
        first, last = max(0, start - self._halo), min(stop + self._halo, self._Xs[core].shape[0])
        return first, start, stop, last

    def _load(self, core, slab):
        key = core, slab
        with self._lock:
            if key not in self._kept:
                self._make_room(key)
                self._kept[key] = self._read(key)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _make_room(self, key):
        self._used += self._bytes(*key)
        while self._kept and self._used > self._budget:
            oldest, _ = self._kept.popitem(last=False)
            self._used -= self._bytes(*oldest)

    def _read(self, key):
        core, slab = key
        first, start, stop, last = self._bounds(core, slab)
        return np.asarray(self._Xs[core][first:last]), np.asarray(self._ys[core][start:stop])


def in_order(function, arguments, *, n_ahead):
    """Yield ``function(argument)`` in order, at most `n_ahead` of them worked on by threads.

    Examples
    --------
    >>> list(in_order(abs, [-3, -2, -1], n_ahead=2))
    [3, 2, 1]
    """
    if n_ahead == 0:
        yield from map(function, arguments)
        return
    arguments = iter(arguments)
    with ThreadPoolExecutor(n_ahead) as pool:
        waiting = deque(pool.submit(function, item) for item in islice(arguments, n_ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(arguments, 1))
            yield result


def _slab_edges(X, y):
    """Where slabs begin and end: at the chunks of a lazy stack, else one slab for all."""
    lazy = next((stack for stack in (X, y) if is_lazy(stack)), None)
    chunks = (X.shape[0],) if lazy is None else lazy.chunks[0]
    return np.cumsum((0, *chunks))
