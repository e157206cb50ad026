"""The slices that are trained on, decoded once and kept where the training runs.

Slices lie one after another in flat tensors, in their own number format, so that patches of
any place, turn and core are picked out by one list of positions. What lies together is a
*pack*. On a GPU a pack is as large as its memory allows, at best all cores together; on the
CPU it is a core in memory, as it stands, or a slab of a lazy one.
"""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from icecoreseg._slabs import iterate_slabs, slab_bounds
from icecoreseg._validation import is_lazy
from icecoreseg.segmentation._device import as_tensor, to_device
from icecoreseg.segmentation._survey import ice_target, labels_to_keep

_PACKS = 8
"""Packs that share a GPU's memory if it cannot hold all slices."""


@dataclass(frozen=True)
class _Run:
    """Neighbouring slices of a core: labels of start to stop, grey values of first to last."""

    core: int
    first: int
    start: int
    stop: int
    last: int


class SliceStore:
    """Packs of slices, of which those used last are kept as long as there is room.

    Parameters
    ----------
    Xs, ys : lists of arrays of shape (n_slices, n_rows, n_columns)
        Grey stacks and labels or fractions, one per core, numpy or dask.
    device : torch.device
    budget : int
        Bytes that packs may take; what is in memory anyway costs nothing.
    join : bool
        Whether to copy slices together: into one pack, or else into a few that share the budget.
    halo : int
        A run of slices is kept with so many of its neighbours on either side.

    Attributes
    ----------
    shapes : array of shape (n_cores, 3)
    core, z : arrays of shape (n,)
        Core of every slice, and its number in the core.
    pack, grey_at, labels_at : arrays of shape (n,)
        Pack of every slice, and where in the pack's two tensors the slice begins.
    """

    def __init__(self, Xs, ys, *, device, budget, join, halo=0):
        self._Xs, self._ys, self.device, self._halo, self._join = Xs, ys, device, halo, join
        self._budget, self._kept, self._lock = budget, OrderedDict(), threading.Lock()
        self._formats = _formats(Xs, ys, common=join)
        self.shapes = np.array([X.shape for X in Xs])
        lengths = self.shapes[:, 0]
        self._begins = np.cumsum(lengths) - lengths
        self.core = np.repeat(np.arange(len(Xs)), lengths)
        self.z = np.arange(len(self.core)) - self._begins[self.core]
        self.pack, self.grey_at, self.labels_at = np.zeros((3, len(self.core)), dtype=np.int64)
        self._packs = self._packed()
        self._sizes = [self._enter(pack) for pack in range(len(self._packs))]
        whole = sum(map(self.n_bytes, range(len(self._packs)))) <= budget
        self._takes = whole and (join or halo == 0)

    def put(self, core, start, X, y):
        """Take a slab that was read for another reason, if all slabs have room.

        Parameters
        ----------
        core, start : int
            Core of the slab, and its first slice.
        X, y : arrays of shape (n_slices, n_rows, n_columns)
            Cut where `iterate_slabs` cuts.
        """
        if not self._takes or self._stands(core):
            return
        first = self._begins[core] + start
        pack = int(self.pack[first])
        if pack not in self._kept:
            self._kept[pack] = Future()
            self._kept[pack].set_result(self._empty(pack))
        grey, labels = self._kept[pack].result()
        self._write(grey, self.grey_at[first], X, self._formats[core][0])
        self._write(labels, self.labels_at[first], *self._target(core, y))

    def tensors(self, pack):
        """Grey values and labels of a pack, flat; whoever asks first reads it for all."""
        with self._lock:
            mine = pack not in self._kept
            if mine:
                self._make_room(pack)
                self._kept[pack] = Future()
            self._kept.move_to_end(pack)
            result = self._kept[pack]
        if mine:
            try:
                result.set_result(self._read(pack))
            except BaseException as error:
                result.set_exception(error)
        return result.result()

    def windows(self, slices, rng):
        """Rank of each slice in reading order, and the packs of every rank.

        Packs come in random order, as many at a time as fill half of the room: the other
        half is for those that come next.
        """
        ranks, windows, used = np.zeros(len(self._packs), dtype=int), [[]], 0
        for pack in rng.permutation(np.unique(self.pack[slices])).tolist():
            used += self.n_bytes(pack)
            if windows[-1] and used > self._budget // 2:
                windows.append([])
                used = self.n_bytes(pack)
            windows[-1].append(pack)
            ranks[pack] = len(windows) - 1
        return ranks[self.pack[slices]], windows

    def next_packs(self, windows, now):
        """The packs of the window after this one, if they fit beside those of this one."""
        later = windows[now + 1] if now + 1 < len(windows) else []
        fits = sum(map(self.n_bytes, [*windows[now], *later])) <= self._budget
        return later if fits else []

    def n_bytes(self, pack):
        """Memory that keeping a pack takes."""
        if self._stands(self._packs[pack][0].core):
            return 0
        formats = self._formats[self._packs[pack][0].core]
        return sum(n * f.itemsize for n, f in zip(self._sizes[pack], formats, strict=True))

    def _stands(self, core):
        """Whether a core is in memory just as it is needed."""
        X, y = self._Xs[core], self._ys[core]
        if self._join or is_lazy(X) or is_lazy(y):
            return False
        same = (X.dtype, y.dtype) == self._formats[core]
        return same and X.flags.c_contiguous and y.flags.c_contiguous

    def _packed(self):
        """Lists of runs: of one each, or joined to as few as the budget allows."""
        runs = [run for core in range(len(self._Xs)) for run in self._runs(core)]
        if not self._join:
            return [[run] for run in runs]
        whole = self._joined(runs)
        if sum(map(self._run_bytes, whole)) <= self._budget:
            return [whole]
        packs, used = [[]], 0
        for run in runs:
            used += self._run_bytes(run)
            if packs[-1] and used > self._budget // _PACKS:
                packs.append([])
                used = self._run_bytes(run)
            packs[-1].append(run)
        return [self._joined(runs) for runs in packs]

    def _runs(self, core):
        """The slabs in which a core is read: at the chunks of a lazy stack."""
        X, y = self._Xs[core], self._ys[core]
        lazy = next((stack for stack in (X, y) if is_lazy(stack)), None)
        if lazy is not None:
            bounds = pairwise(np.cumsum((0, *lazy.chunks[0])).tolist())
        elif self._stands(core):
            bounds = [(0, X.shape[0])]
        else:
            bounds = slab_bounds(X.shape[0], X.shape[1] * X.shape[2])
        return [self._run(core, start, stop) for start, stop in bounds]

    def _run(self, core, start, stop):
        n_slices = self._Xs[core].shape[0]
        return _Run(core, max(0, start - self._halo), start, stop, min(stop + self._halo, n_slices))

    def _joined(self, runs):
        """Runs that follow each other are one: their halos are there anyway."""
        joined = []
        for run in runs:
            if joined and joined[-1].core == run.core:
                run = self._run(run.core, joined.pop().start, run.stop)
            joined.append(run)
        return joined

    def _run_sizes(self, run):
        """Numbers of grey values and of labels."""
        n = self._Xs[run.core].shape[1] * self._Xs[run.core].shape[2]
        return n * (run.last - run.first), n * (run.stop - run.start)

    def _run_bytes(self, run):
        formats = self._formats[run.core]
        return sum(n * f.itemsize for n, f in zip(self._run_sizes(run), formats, strict=True))

    def _enter(self, pack):
        """Write down where the slices of a pack begin; return the sizes of its tensors."""
        grey_at, labels_at = 0, 0
        for run in self._packs[pack]:
            n = self._Xs[run.core].shape[1] * self._Xs[run.core].shape[2]
            z = np.arange(run.start, run.stop)
            entries = self._begins[run.core] + z
            self.pack[entries] = pack
            self.grey_at[entries] = grey_at + n * (z - run.first)
            self.labels_at[entries] = labels_at + n * (z - run.start)
            n_grey, n_labels = self._run_sizes(run)
            grey_at, labels_at = grey_at + n_grey, labels_at + n_labels
        return grey_at, labels_at

    def _make_room(self, pack):
        """Let go of what was used least recently, until the pack fits in."""
        used = self.n_bytes(pack) + sum(map(self.n_bytes, self._kept))
        while self._kept and used > self._budget:
            used -= self.n_bytes(self._kept.popitem(last=False)[0])

    def _read(self, pack):
        runs = self._packs[pack]
        if self._stands(runs[0].core):
            return tuple(as_tensor(s[runs[0].core]).view(-1) for s in (self._Xs, self._ys))
        grey, labels = self._empty(pack)
        grey_at, labels_at = 0, 0
        for run in runs:
            X = self._Xs[run.core][run.first : run.last]
            y = self._ys[run.core][run.start : run.stop]
            for _, slab in iterate_slabs(X, verbose=False):
                grey_at = self._write(grey, grey_at, slab, self._formats[run.core][0])
            for _, slab in iterate_slabs(y, verbose=False):
                labels_at = self._write(labels, labels_at, *self._target(run.core, slab))
        return grey, labels

    def _empty(self, pack):
        formats = self._formats[self._packs[pack][0].core]
        return tuple(
            torch.empty(n, dtype=as_tensor(np.empty(0, f)).dtype, device=self.device)
            for n, f in zip(self._sizes[pack], formats, strict=True)
        )

    def _target(self, core, y):
        """Labels or fractions in the format in which they are kept, and that format."""
        number_format = self._formats[core][1]
        return ice_target(y) if number_format == np.float32 else y, number_format

    def _write(self, flat, at, slab, number_format):
        """Put a slab into a flat tensor; return where it ends."""
        values = to_device(slab.astype(number_format, copy=False), self.device).view(-1)
        flat[at : at + len(values)] = values
        return at + len(values)


def _formats(Xs, ys, *, common):
    """Number formats in which grey values and labels are kept, for every core."""
    greys = [X.dtype for X in Xs]
    labels = [labels_to_keep(np.empty(0, y.dtype)).dtype for y in ys]
    if common:
        greys, labels = [np.result_type(*greys)] * len(Xs), [np.result_type(*labels)] * len(ys)
    return list(zip(greys, labels, strict=True))
