"""
The main job, end to end
========================

Three cores - snow, firn and bubbly ice - are scanned at two resolutions. The fine scans are
labelled without supervision, the labels are averaged onto the coarse grid, a U-Net learns coarse
scan -> label on the upper 80 % of every core, and segments the lower 20 %. Everything is scored
against the exact truth of the generated cores, next to Otsu's threshold and the Gaussian mixture
on the coarse scan, in a table like Table II of the paper (doi:10.1109/TGRS.2023.3334867).

Run it with ``nox -s demo``, or ``python examples/main_job.py [--fast] [--output FOLDER]``. It
writes scans, labels, per-slice metrics (CSV), the model and figures.
"""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from icecoreseg import (
    CoreMasker,
    GMMLabeler,
    MaskDownsampler,
    MicrostructureMetrics,
    ThresholdLabeler,
    UNetSegmenter,
    open_stack,
    write_stack,
)
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import SegmentationDisplay, TrainingDisplay
from icecoreseg.metrics import mass_error, score_table
from icecoreseg.microstructure import ice_mass

KINDS = ("snow", "firn", "ice")
FULL = {"n_slices": 40, "n_columns": 192, "max_epochs": 8, "batches_per_epoch": None}
FAST = {"n_slices": 20, "n_columns": 96, "max_epochs": 4, "batches_per_epoch": 40}


def scan_cores(folder, n_slices, n_columns):
    """Generate the cores and write their raw scans, as a scanner would: PNG slices."""
    cores = {}
    for seed, kind in enumerate(KINDS):
        core = make_ice_core(kind, n_slices=n_slices, n_columns=n_columns, random_state=seed)
        for name in ("low", "high"):
            write_stack(core[name], folder / "scans" / kind / name, format="png", overwrite=True)
        cores[kind] = core
    return cores


def label_core(folder, kind):
    """Steps 1 and 2: open the raw scans, mask the specimen, label it, average the labels.

    Stacks are lazy: `write_stack` pulls them through slab by slab, so that nothing here
    grows with the length of the core. What several steps read is written first.
    """
    files = {name: folder / "labels" / f"{kind}_{name}.npy" for name in ("low", "high", "fraction")}
    for name in ("low", "high"):
        scan = open_stack(folder / "scans" / kind / name)
        write_stack(CoreMasker().fit_transform(scan), files[name], overwrite=True)
    reference = make_pipeline(
        GMMLabeler(output="fraction"), MaskDownsampler(factor=2, threshold=None)
    )
    fraction = reference.fit_transform(open_stack(files["high"]))
    write_stack(fraction, files["fraction"], overwrite=True)
    return SimpleNamespace(
        grey=open_stack(files["low"]).compute(), fraction=open_stack(files["fraction"]).compute()
    )


def split(stack):
    """Upper 80 % for training - its lowest eighth to watch it -, lower 20 % for the test."""
    n_slices = len(stack)
    watch, test = round(0.7 * n_slices), round(0.8 * n_slices)
    return stack[:watch], stack[watch:test], stack[test:]


def train(cores, max_epochs, batches_per_epoch):
    """Step 3: one U-Net for all cores."""
    grey, fraction = (
        [split(getattr(core, name)) for core in cores.values()] for name in ("grey", "fraction")
    )
    model = UNetSegmenter(
        max_epochs=max_epochs, batches_per_epoch=batches_per_epoch, random_state=0, verbose=1
    )
    return model.fit(
        [parts[0] for parts in grey],
        [parts[0] for parts in fraction],
        validation_data=([parts[1] for parts in grey], [parts[1] for parts in fraction]),
    )


def methods(model):
    """The rows of the table: name, and a function grey stack -> (labels, fractions or None).

    The baselines label every slice of the low-resolution scan alone, as in the paper; the
    last of them with our own sharpened smoothing instead of the paper's 5 x 5 Gaussian.
    """
    alone = {"anchor_strength": 0, "tol": 1e-3, "prior": "mixture"}
    labelers = {
        "Otsu": ThresholdLabeler("otsu"),
        "GMM": GMMLabeler(smoothing=None, **alone),
        "GMM, smoothed": GMMLabeler(smoothing=(0, 1.1, 1.1), sharpening=0, **alone),
        "GMM, sharpened": GMMLabeler(smoothing=(0, 1, 1), **alone),
    }
    rows = {
        name: lambda X, labeler=labeler: (labeler.fit_transform(X), None)
        for name, labeler in labelers.items()
    }
    rows["U-Net"] = lambda X: (model.predict(X), model.predict_fraction(X))
    return rows


def score(core, labels, fraction, voxel_size_um):
    """One row of the table: scores and mass errors against the exact truth of the test part."""
    truth, exact = split(core.labels_low)[2], split(core.fraction_low)[2]
    weighed = ice_mass(exact, voxel_size_um)
    table = score_table(truth, labels)
    row = {
        "mass error %": mass_error(labels, weighed, voxel_size_um=voxel_size_um),
        "soft mass error %": np.nan,
        "F1 ice %": 100 * table["dice_ice"],
        "F1 air %": 100 * table["dice_air"],
        "accuracy %": 100 * table["accuracy"],
        "IoU ice %": 100 * table["jaccard_ice"],
        "IoU air %": 100 * table["jaccard_air"],
    }
    if fraction is not None:
        error = mass_error(fraction, weighed, voxel_size_um=voxel_size_um)
        row["soft mass error %"] = error
    return row


def evaluate(cores, labelled, model, folder):
    """Step 4: segment the lower 20 % of every core, score, measure, draw."""
    rows, tables = [], []
    for kind, core in cores.items():
        grey = split(labelled[kind].grey)[2]
        for method, segment in methods(model).items():
            labels, fraction = segment(grey)
            scores = score(core, labels, fraction, core.voxel_size_um)
            rows.append({"core": kind, "method": method, **scores})
        write_stack(labels, folder / "labels" / f"{kind}_unet", format="png", overwrite=True)
        tables.append(measure(kind, labels, core.voxel_size_um))
        draw(kind, grey, labels, split(core.labels_low)[2], folder / "figures")
    pd.concat(tables).to_csv(folder / "metrics_per_slice.csv", index=False)
    return pd.DataFrame(rows)


def measure(kind, labels, voxel_size_um):
    """Microstructure of every slice."""
    metrics = MicrostructureMetrics(voxel_size_um=voxel_size_um)
    table = metrics.set_output(transform="pandas").fit_transform(labels)
    table.insert(0, "core", kind)
    table.insert(1, "slice", np.arange(len(table)))
    return table


def draw(kind, grey, labels, truth, folder):
    """Outlines of prediction and truth on the middle slice of the test part (Fig. 11)."""
    title = f"{kind}: U-Net (red) over truth (green)"
    display = SegmentationDisplay.from_predictions(grey, labels, truth, title=title).plot()
    display.figure_.savefig(folder / f"outlines_{kind}.png", dpi=150)


def report(table):
    """Print the table; True if the U-Net wins every core in F1 of ice and of air.

    It is held against the baselines of the paper: Otsu, and the mixture with and without
    smoothing. The sharpened mixture is ours, and stands in the table for comparison.
    """
    print(table.round(2).to_string(index=False))
    best = table.set_index(["core", "method"])[["F1 ice %", "F1 air %"]]
    unet = best.xs("U-Net", level="method")
    others = best.drop(["U-Net", "GMM, sharpened"], level="method").groupby("core").max()
    lead = (unet - others).loc[list(KINDS)]
    print("\nLead of the U-Net over the best of Otsu and GMM (percentage points):")
    print(lead.round(2).to_string())
    return bool((lead > 0).all(axis=None))


def main(arguments=None):
    """Run everything; returns the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--fast", action="store_true", help="small cores, short training")
    parser.add_argument("--output", type=Path, default=Path("results/main_job"))
    options = parser.parse_args(arguments)
    size = FAST if options.fast else FULL
    folder = options.output
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()

    def say(text):
        print(f"[{time.perf_counter() - started:5.0f} s] {text}", flush=True)

    say("scanning three cores at two resolutions")
    cores = scan_cores(folder, size["n_slices"], size["n_columns"])
    say("masking and labelling the fine scans, averaging the labels")
    labelled = {kind: label_core(folder, kind) for kind in KINDS}
    say("training the U-Net on the upper part of every core")
    model = train(labelled, size["max_epochs"], size["batches_per_epoch"])
    model.save(folder / "unet.safetensors")
    TrainingDisplay.from_estimator(model).plot().figure_.savefig(folder / "figures/training.png")
    say("segmenting and measuring the lower 20 % of every core")
    table = evaluate(cores, labelled, model, folder)
    table.to_csv(folder / "table_2.csv", index=False)
    wins = report(table)
    verdict = "beats" if wins else "DOES NOT beat"
    say(f"the U-Net {verdict} Otsu and GMM in every core; results in {folder}")
    return table


if __name__ == "__main__":
    main()
