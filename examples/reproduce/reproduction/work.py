"""What the steps do. Each function gets an empty folder, and the root with the steps before."""

import numpy as np
import pandas as pd

from icecoreseg import OUTSIDE, UNetSegmenter, write_stack
from reproduction import cores as rooms
from reproduction.measure import bubble_row, slice_table
from reproduction.recipes import LABELS, LOW_RESOLUTION, NETWORKS, make_network

HARD = {"paper": "paper", "ours": "ours, hard", "ours, hard": "ours, hard"}
"""Labels that a network is held against, as in the paper, when it learned fractions."""


def make_core(folder, *, root, kind, n_slices, n_columns, noise, seed):
    """Generate a core."""
    rooms.generate(folder, kind, n_slices, n_columns, noise, seed)


def take_core(folder, *, root, data, kind):
    """Take a specimen of the published data set."""
    rooms.take_published(folder, data, kind)


def make_labels(folder, *, root, core):
    """Label the high-resolution scan by every recipe."""
    rooms.label(folder, root / "cores" / core, LABELS)


def train(folder, *, root, network, cores, seed, schedule):
    """Train a network; its checkpoint outlives a kill, beside the folder of the step."""
    label_name = NETWORKS[network][0]
    parts = {"train": ([], []), "validation": ([], [])}
    for core in cores.values():
        grey = rooms.read(root / "cores" / core / "low.npy")
        target = rooms.read(root / "labels" / core / f"{label_name}.npy")
        slices = rooms.SPLIT.parts(grey)
        for name, (Xs, ys) in parts.items():
            chosen = getattr(slices, name)
            run = slice(int(chosen[0]), int(chosen[-1]) + 1)
            Xs.append(grey[run])
            ys.append(target[run])
    checkpoint = folder.with_name(f"{folder.name}.checkpoint")
    model = make_network(network, schedule, seed=seed, checkpoint=checkpoint)
    try:
        model.fit(*parts["train"], validation_data=parts["validation"])
    except ValueError as error:
        if "of another training" not in str(error):
            raise
        checkpoint.unlink()  # of an earlier run, whose labels were others
        model.fit(*parts["train"], validation_data=parts["validation"])
    model.save(folder / "unet.safetensors")
    pd.DataFrame(model.history_).to_csv(folder / "history.csv", index=False)
    checkpoint.unlink(missing_ok=True)


def test_network(folder, *, root, model, network, method, cores):
    """Predict whole cores; scores against the truth, and against the labels as in the paper."""
    segmenter = UNetSegmenter.load(root / model / "unet.safetensors")
    tables = []
    for kind, core in cores.items():
        grey = rooms.read(root / "cores" / core / "low.npy")
        write_stack(segmenter.predict_fraction(grey), folder / f"{core}_fraction.npy")
        write_stack(segmenter.predict(grey), folder / f"{core}.npy")
        labels, fraction = (rooms.read(folder / f"{core}{s}.npy") for s in ("", "_fraction"))
        own = HARD[NETWORKS[network][0]]
        tables += _score(root, kind, core, method, labels, fraction, own)
    pd.concat(tables).to_csv(folder / "slices.csv", index=False)
    _bubbles(root, folder, method, cores, {core: folder / f"{core}.npy" for core in cores.values()})


def test_labelers(folder, *, root, cores):
    """Methods that look at the low-resolution scan alone, and the labels themselves."""
    tables = []
    for kind, core in cores.items():
        grey = rooms.read(root / "cores" / core / "low.npy")
        for method, labeler in LOW_RESOLUTION.items():
            write_stack(labeler.fit_transform(grey), folder / f"{core}_{method}.npy")
            labels = rooms.read(folder / f"{core}_{method}.npy")
            tables += _score(root, kind, core, method, labels, None, "paper")
        for name in LABELS:
            labels = rooms.read(root / "labels" / core / f"{name}.npy")
            fraction = labels if labels.dtype.kind == "f" else None
            labels = _hard(labels)
            tables += _score(root, kind, core, f"labels: {name}", labels, fraction, "paper")
    pd.concat(tables).to_csv(folder / "slices.csv", index=False)
    for method in LOW_RESOLUTION:
        files = {core: folder / f"{core}_{method}.npy" for core in cores.values()}
        _bubbles(root, folder, method, cores, files)
    for name in LABELS:
        files = {core: root / "labels" / core / f"{name}.npy" for core in cores.values()}
        _bubbles(root, folder, f"labels: {name}", cores, files)


def _hard(labels):
    """Labels of ice fractions: ice from one half on."""
    if labels.dtype.kind != "f":
        return labels
    if hasattr(labels, "map_blocks"):  # of a published core: 44 GB
        return labels.map_blocks(_hard, dtype=np.uint8)
    return np.where(np.isnan(labels), OUTSIDE, labels >= 0.5).astype(np.uint8)


def _score(root, kind, core, method, labels, fraction, own):
    """Tables of one core: against the truth if it is known, and against labels."""
    place = root / "cores" / core
    voxel_size_um = rooms.card_of(place)["voxel_size_um"]
    references = {}
    if (place / "truth.npy").is_file():
        exact = rooms.read(place / "truth_fraction.npy")
        references["truth"] = (rooms.read(place / "truth.npy"), exact)
    label_file = root / "labels" / core / f"{own}.npy"
    if label_file.is_file():
        references["labels"] = (rooms.read(label_file), None)
    tables = []
    for name, (truth, exact) in references.items():
        table = slice_table(truth, labels, fraction, exact=exact, voxel_size_um=voxel_size_um)
        extra = {"kind": kind, "core": core, "method": method, "reference": name}
        table = table.assign(**extra, part=rooms.parts_of(len(table)))
        tables.append(table)
    return tables


def _bubbles(root, folder, method, cores, files):
    """Bubbles found in the bubbly ice, appended to the table of the step."""
    core = cores.get("ice")
    if core is None or not (root / "cores" / core / "truth.npy").is_file():
        return
    truth = rooms.read(root / "cores" / core / "truth.npy")
    voxel_size_um = rooms.card_of(root / "cores" / core)["voxel_size_um"]
    row = bubble_row(truth, _hard(rooms.read(files[core])), voxel_size_um)
    table = folder / "bubbles.csv"
    line = pd.DataFrame([{"core": core, "method": method, **row}])
    line.to_csv(table, mode="a", index=False, header=not table.exists())
