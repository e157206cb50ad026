"""Overlap of masks with the shapes that drawn specimens were cut to: the first table of the guide.

The specimens are those of ``tests/test_core_masker_difficult.py``: nine slices, two specimens at
256 and three at 96 pixels. Run ``python benchmarks/outline_table.py [--fast]`` where the tests run.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

from icecoreseg.preprocessing import core_mask

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.test_core_masker_difficult import overlap, scan

SHAPES = {
    "round": "round",
    "touching": "touching the casing",
    "shifted": "off-centre",
    "elliptical": "elliptical",
    "sawn": "sawn off",
    "half": "half a core",
    "broken": "broken edge",
    "chipped": "chipped",
    "wedge": "wedge missing",
    "cracked": "cracked",
    "fragments": "fragments in the gap",
}
KINDS = ("snow", "firn", "ice")
SEEDS = {256: (0, 1), 96: (0, 1, 2)}


def mean_overlap(kind, name, size, n_specimens):
    """IoU of whole stacks, mean over specimens."""
    found = []
    for seed in SEEDS[size][:n_specimens]:
        X, specimen = scan(kind, name, n=size, n_slices=9, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of outlines that change: what they are is measured
            found.append(overlap(core_mask(X), specimen))
    return float(np.mean(found))


def main(fast=False):
    """Print the table as reStructuredText."""
    heads = [f"{kind}, {size}".ljust(9) for size in SEEDS for kind in KINDS]
    rule = "  ".join(["=" * 20, *["=" * 9 for _ in heads]])
    print(rule, "  ".join(["specimen".ljust(20), *heads]).rstrip(), rule, sep="\n")
    for name, title in SHAPES.items():
        cells = [
            f"{mean_overlap(kind, name, size, 1 if fast else None):.3f}".ljust(9)
            for size in SEEDS
            for kind in KINDS
        ]
        print("  ".join([title.ljust(20), *cells]).rstrip(), flush=True)
    print(rule)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fast", action="store_true", help="one specimen of each")
    main(parser.parse_args().fast)
