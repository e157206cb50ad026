"""The cores of a run: generated ones, or the published data set; both end as the same files."""

import json
from pathlib import Path

import numpy as np

from icecoreseg import CoreMasker, UNetSegmenter, open_stack, write_stack
from icecoreseg.datasets import load_tgrs2023, make_ice_core, measure_shift
from icecoreseg.microstructure import ice_mass
from icecoreseg.model_selection import DepthSplit
from reproduction.schedule import KINDS

SPLIT = DepthSplit(0.2, validation_size=0.1)
"""Lower 20 % to test as in the paper; the tenth above it chooses the epoch."""

_IN_MEMORY = 2**31


def read(path):
    """A stack of an earlier step: in memory if it is small, else lazy."""
    stack = open_stack(path)
    return stack.compute() if stack.nbytes < _IN_MEMORY else stack


def parts_of(n_slices):
    """Part of every slice of a core: "train", "validation" or "test"."""
    part = np.empty(n_slices, dtype=object)
    for name, slices in SPLIT.parts(range(n_slices))._asdict().items():
        part[slices] = name
    return part


def generate(folder, kind, n_slices, n_columns, noise, seed):
    """Scan a generated core, mask it, and keep its exact ice."""
    core = make_ice_core(
        kind, n_slices=n_slices, n_columns=n_columns, noise=noise, random_state=seed
    )
    write_stack(core.labels_low, folder / "truth.npy")
    write_stack(core.fraction_low, folder / "truth_fraction.npy")
    card = {
        "kind": kind,
        "mass_g": core.mass_g,
        "density_kg_m3": core.density_kg_m3,
        "voxel_size_um": core.voxel_size_um,
        "height_mm": n_slices * core.voxel_size_um * 1e-3,
    }
    _mask(folder, core, card)


def take_published(folder, data, kind):
    """Mask one specimen of the published data set; there is no truth, but a weighed mass."""
    core = load_tgrs2023(data, specimens=[kind])[kind]
    names = ("name", "mass_g", "density_kg_m3", "voxel_size_um", "height_mm", "diameter_mm")
    card = {"kind": kind, **{name: core[name] for name in names}}
    _mask(folder, core, card)


def _mask(folder, core, card):
    shift = measure_shift(core.low, core.high)
    card["shift_voxels"] = [
        [float(row[f"shift_{a}"]) for a in "zyx"] for _, row in shift.iterrows()
    ]
    for name in ("low", "high"):
        write_stack(CoreMasker().fit_transform(core[name]), folder / f"{name}.npy")
    (folder / "card.json").write_text(json.dumps(card, indent=1))


def card_of(folder):
    """Mass, voxel size and shift of a core."""
    return json.loads((folder / "card.json").read_text())


def label(folder, core, labelers):
    """Labels of the high-resolution scan on the low-resolution grid, one file per recipe."""
    high = read(core / "high.npy")
    for name, labeler in labelers.items():
        write_stack(labeler.fit_transform(high), folder / f"{name}.npy")


def true_mass(core, slices):
    """Exact mass of some slices of a generated core, in gram."""
    fraction = read(core / "truth_fraction.npy")[slices]
    return ice_mass(fraction, card_of(core)["voxel_size_um"])


class Results:
    """What the figures are drawn from: cores, labels, predictions and networks of one seed.

    Parameters
    ----------
    root : path
        Folder of a run.
    seed : int

    Attributes
    ----------
    cores : list of str
        Names of the three cores: ``snow_0``..., or ``snow``... of the published data set.
    """

    def __init__(self, root, seed=0):
        self.root, self.seed = Path(root), seed
        published = (self.root / "cores" / KINDS[0]).is_dir()
        self.cores = [kind if published else f"{kind}_{seed}" for kind in KINDS]

    def card(self, core):
        """Mass, voxel size and kind."""
        return card_of(self.root / "cores" / core)

    def scan(self, core, resolution="low"):
        """Masked scan."""
        return read(self.root / "cores" / core / f"{resolution}.npy")

    def truth(self, core):
        """True labels; of published cores, which have none, our labels of the fine scan."""
        path = self.root / "cores" / core / "truth.npy"
        return read(path) if path.is_file() else self.labels(core, "ours, hard")

    def labels(self, core, recipe):
        """Labels of the high-resolution scan on the low-resolution grid."""
        return read(self.root / "labels" / core / f"{recipe}.npy")

    def predicted(self, core, recipe="ours"):
        """Labels of the low-resolution scan by a network."""
        return read(self.root / "test" / f"{recipe}_{self.seed}" / f"{core}.npy")

    def network(self, recipe="ours"):
        """A trained network."""
        return UNetSegmenter.load(
            self.root / "train" / f"{recipe}_{self.seed}" / "unet.safetensors"
        )

    def test_slices(self, core):
        """The lower 20 % of a core."""
        test = SPLIT.parts(self.scan(core)).test
        return slice(int(test[0]), int(test[-1]) + 1)
