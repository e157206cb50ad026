"""How much is computed: the quick schedule, the full one, and a tiny one for tests."""

from dataclasses import dataclass

KINDS = ("snow", "firn", "ice")
NOISE = {"snow": 0.06, "firn": 0.09, "ice": 0.08}
"""Of the generated cores by kind: the defaults of `make_ice_core`."""


@dataclass(frozen=True)
class Schedule:
    """Sizes and lengths of a run.

    Attributes
    ----------
    seeds : tuple of int
        Each has cores and networks of its own.
    n_slices, n_columns : int
        Of the generated low-resolution scans, those trained on.
    n_unseen : int
        Slices of the cores that no network was trained on.
    max_epochs, batches_per_epoch, batch_size, patch_size
        Of the training, see `UNetSegmenter`.
    widths : tuple or None
        None for the paper's.
    noise_factors : tuple of float
        Noise of further unseen cores, relative to that of the training.
    ablation_seeds : tuple of int
        Seeds for which the networks between the paper's and ours are trained too.
    """

    seeds: tuple = (0, 1, 2)
    n_slices: int = 30
    n_columns: int = 128
    n_unseen: int = 16
    max_epochs: int = 5
    batches_per_epoch: int | None = 40
    batch_size: int = 8
    patch_size: int = 64
    widths: tuple | None = None
    noise_factors: tuple = (0.5, 2.0)
    ablation_seeds: tuple = (0,)

    def network(self):
        """Parameters of every network."""
        names = ("max_epochs", "batches_per_epoch", "batch_size", "patch_size", "widths")
        return {name: getattr(self, name) for name in names}


QUICK = Schedule()
FULL = Schedule(
    seeds=(0, 1, 2, 3, 4),
    n_slices=128,
    n_columns=384,
    n_unseen=64,
    max_epochs=15,
    batches_per_epoch=None,
    patch_size=128,
    ablation_seeds=(0, 1, 2, 3, 4),
)
TINY = Schedule(
    seeds=(0,),
    n_slices=8,
    n_columns=40,
    n_unseen=4,
    max_epochs=2,
    batches_per_epoch=4,
    patch_size=16,
    widths=(4, 4),
    noise_factors=(2.0,),
)
