"""Random patches from cores of any size, in memory or not.

An epoch is planned first (which slices, in which order) and drawn then, batch by batch.
Both depend on nothing but the seed and the place in the epoch, so a run that was stopped
can go on in the middle of an epoch as if nothing had happened.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from icecoreseg.segmentation._ahead import N_AHEAD, in_order
from icecoreseg.segmentation._augment import Augmentation, draw_changes, relit
from icecoreseg.segmentation._context import neighbours
from icecoreseg.segmentation._device import for_threads, to_device
from icecoreseg.segmentation._patches import Places, cut

_TRIES = 4


class PatchSampler:
    """Draw batches of patches with the specimen's voxels as evenly as slices allow.

    Parameters
    ----------
    store : SliceStore
        The slices; patches are made on its device.
    found : Survey
        Where the specimen lies in them; see `survey`.
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
    augmentation : Augmentation
    """

    def __init__(
        self,
        store,
        found,
        *,
        patch_size,
        batch_size,
        n_batches,
        seed,
        share=(0, 1),
        context_slices=0,
        augmentation=Augmentation(),  # noqa: B008
    ):
        self.scale, self.patch_size, self.seed = found.grey, patch_size, seed
        self.batch_size, self.n_batches, self.share = batch_size, n_batches, share
        self.context_slices, self.augmentation, self._store = context_slices, augmentation, store
        self._boxes = np.concatenate(found.boxes)
        weights = np.concatenate(found.n_valid).astype(float)
        self._weights = weights / weights.sum()

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
        picks, ranks, windows = self._plan(np.random.default_rng([self.seed, epoch]))
        reader, asked = ThreadPoolExecutor(1), set()
        read = for_threads(self._store.tensors, self._store.device)

        def draw(batch):
            members = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
            drawn = self._draw(np.random.default_rng([self.seed, epoch, batch]), picks[members])
            window = ranks[members].min()
            if window not in asked:  # what it needs was used just now, and is not let go of
                asked.add(window)
                for pack in self._store.next_packs(windows, window):
                    reader.submit(read, pack)
            return drawn

        try:
            draw = for_threads(draw, self._store.device)
            batches = range(start, self.n_batches)
            yield from in_order(draw, batches, n_ahead=N_AHEAD if ahead else 0)
        finally:
            reader.shutdown(cancel_futures=True)

    def _plan(self, rng):
        """Slices of an epoch, ordered so that each slab of a lazy stack is read once."""
        n_patches = self.batch_size * self.n_batches
        picks = rng.choice(self._weights.size, size=n_patches, p=self._weights)
        order = rng.random(n_patches)
        ranks, windows = self._store.windows(picks, rng)
        order = np.lexsort((order, ranks))
        return picks[order], ranks[order], windows

    def _draw(self, rng, picks):
        """A batch, or this process's share of it; all processes draw the same numbers."""
        shape = len(picks), 1 + 2 * self.context_slices, self.patch_size, self.patch_size
        tries = self._tries(rng, picks)
        changes = draw_changes(rng, shape, self.augmentation)
        mine = slice(self.share[0], None, self.share[1])
        picks, tries, changes = picks[mine], tries[mine], changes.of(mine)
        packs = self._store.pack[picks]
        members = [np.flatnonzero(packs == pack) for pack in dict.fromkeys(packs.tolist())]
        parts = [self._cut(picks[some], tries[some], changes.of(some)) for some in members]
        if len(parts) > 1:
            order = to_device(np.argsort(np.concatenate(members)), self._store.device)
            parts = [tuple(torch.cat(stack)[order] for stack in zip(*parts, strict=True))]
        x, target = parts[0]
        return relit(x, changes), target

    def _tries(self, rng, picks):
        """Random places (n, 2 * n_tries) that overlap the specimen's box by at least half."""
        size, quarter = self.patch_size, self.patch_size // 4
        first, stop = np.moveaxis(self._boxes[picks].reshape(-1, 1, 2, 2), 3, 0)
        last = np.maximum(self._store.shapes[self._store.core[picks], np.newaxis, 1:] - size, 0)
        ends = np.clip(first - quarter, 0, last), np.clip(stop - size + quarter, 0, last)
        low, high = np.minimum(*ends), np.maximum(*ends)
        tries = rng.integers(low, high + 1, size=(len(picks), _TRIES, 2))
        return tries.reshape(len(picks), -1)

    def _cut(self, picks, tries, changes):
        """Patches of slices that lie in one pack."""
        store = self._store
        core, z = store.core[picks], store.z[picks]
        n_slices, n_rows, n_columns = store.shapes[core].T
        steps = neighbours(z, n_slices, self.context_slices) - z[:, np.newaxis]
        steps = np.where(changes.upside_down[:, np.newaxis], steps[:, ::-1], steps)
        grey_at = store.grey_at[picks, np.newaxis] + steps * (n_rows * n_columns)[:, np.newaxis]
        places = Places(
            store.labels_at[picks, np.newaxis],
            grey_at,
            store.shapes[core, 1:],
            tries,
            changes.flips,
            min(n_rows.min(), n_columns.min()) < self.patch_size,
        ).on(self._store.device)
        tensors = store.tensors(int(store.pack[picks[0]]))
        return cut(*tensors, places, size=self.patch_size, scale=self.scale)
