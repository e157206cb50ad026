"""Which way of training a U-Net serves best: one factor at a time, several seeds, exact truth.

Every variant of ``_variants.py`` learns from one generated core each of snow, firn and bubbly
ice, with the labels that users have: a mixture per high-resolution slice, averaged to ice
fractions. It is scored against the exact ice of cores that no variant has seen. The seed
changes training cores, weights and patches; test cores are the same for all. So variants
with the same seed can be compared pair by pair. "Other scanner" means test cores with half as
much noise again and grey values that are 3 % higher.

Every result is one line of a file, and what the file holds is not done again::

    python benchmarks/experiment_unet.py results.jsonl --seeds 0 1 2
    python benchmarks/experiment_unet.py results.jsonl --table
"""

import argparse
import json
import os
import time
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from _variants import BASE, NETWORKS, VARIANTS, gflop

from icecoreseg import GMMLabeler, MaskDownsampler, ThresholdLabeler, UNetSegmenter
from icecoreseg.datasets import make_ice_core
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.metrics import dice_score
from icecoreseg.segmentation._run import TrainingRun

KINDS = ("snow", "firn", "ice")
NOISE = {"snow": 0.06, "firn": 0.09, "ice": 0.08}
SIZE = {"n_slices": 16, "n_columns": 256}
TEST_SEEDS = (1001, 1002, 1003)
N_STEPS, STEP_VOXELS = 400, 4 * 128**2
REFERENCES = ("Otsu", "mixture", "the labels themselves")


def main(arguments=None):
    """Run what is missing, or print the table."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    size = {"n_slices": 8, "n_columns": 64} if options.fast else SIZE
    results = read(options.results)
    if options.table:
        print(as_rst(results))
        print(*differences(results), sep="\n")
        return
    for line in results:
        if line["size"] != size or line.get("steps", options.steps) != options.steps:
            raise ValueError(f"{options.results} holds other sizes or steps; name another file.")
    done = {(line["variant"], line["seed"]) for line in results}
    for name in REFERENCES:
        if (name, 0) not in done:
            scores = reference(name, size)
            write(options.results, {"variant": name, "seed": 0, "size": size, "scores": scores})
    for seed in options.seeds:
        for name in options.variants or VARIANTS:
            if (name, seed) not in done:
                write(options.results, experiment(name, seed, options.steps, size))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, metavar="NAME")
    parser.add_argument("--steps", type=int, default=N_STEPS, help="of four 128 x 128 patches")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fast", action="store_true", help="small cores, to try the script")
    parser.add_argument("--table", action="store_true", help="print what there is")
    return parser.parse_args(arguments)


# --- data -----------------------------------------------------------------------------------


def inside(X, mask):
    """Grey values as float32, NaN outside the specimen, whose outline is taken as known."""
    return np.where(mask, X, np.float32(np.nan))


@cache
def training_core(kind, seed, hard, **size):
    """Low-resolution scan and its labels."""
    core = make_ice_core(kind, random_state=seed, **size)
    labeler = GMMLabeler(output="labels" if hard else "fraction")
    labels = labeler.fit_transform(inside(core.high, core.mask_high))
    down = MaskDownsampler(factor=2, threshold=0.5 if hard else None)
    return inside(core.low, core.mask_low), down.fit_transform(labels)


@cache
def test_cores(kind, other, **size):
    """Scans of specimens never seen, and their exact ice fractions."""
    size = {**size, "n_slices": size["n_slices"] * 3 // 8}
    noise = (1.5 if other else 1.0) * NOISE[kind]
    cores = [make_ice_core(kind, random_state=seed, noise=noise, **size) for seed in TEST_SEEDS]
    return cores[:1] if other else cores


def test_stack(core, other):
    """Grey values of a test core."""
    return inside(core.low, core.mask_low) * np.float32(1.03 if other else 1.0)


# --- one experiment -------------------------------------------------------------------------


def experiment(name, seed, n_steps, size):
    """Train one network, score it; what is written down."""
    variant = VARIANTS[name]
    cores = [training_core(kind, seed, variant.hard, **size) for kind in KINDS]
    change = variant.grey or (lambda X: X)
    model = UNetSegmenter(max_epochs=1, batch_size=4, random_state=seed)
    model.set_params(**variant.parameters)
    voxels = model.batch_size * model.patch_size**2
    model.set_params(batches_per_epoch=max(1, n_steps * variant.steps * STEP_VOXELS // voxels))
    run = TrainingRun(
        model.get_params(),
        [change(X) for X, _ in cores],
        [y for _, y in cores],
        None,
        device=torch.device("cpu"),
    )
    if variant.adapt:
        variant.adapt(run)
    began = time.process_time()
    run.train()
    seconds = time.process_time() - began
    vars(model).update(run.reached())
    return {
        "variant": name,
        "seed": seed,
        "size": size,
        "steps": n_steps,
        "train_loss": model.history_[-1]["train_loss"],
        "train_seconds": round(seconds, 1),
        "n_parameters": sum(weights.numel() for weights in model.module_.parameters()),
        "gflop": round(gflop(model.module_), 1),
        "scores": all_scores(
            lambda core, other: fraction_of(model, change(test_stack(core, other))), size
        ),
    }


def fraction_of(model, X):
    """Ice fractions; a network of an unusual make cannot be run in strips."""
    if hasattr(model.module_, "stem"):
        return model.predict_fraction(X)
    x = model.grey_scale_.apply(torch.from_numpy(X)).nan_to_num()[:, None]
    with torch.inference_mode():
        fraction = torch.cat([model.module_(one[None]) for one in x]).sigmoid()[:, 0].numpy()
    return np.where(np.isnan(X), np.float32(np.nan), fraction)


def reference(name, size):
    """Scores of what needs no network."""
    if name == "the labels themselves":
        return all_scores(lambda core, other: teacher(core), size)
    labeler = ThresholdLabeler("otsu") if name == "Otsu" else GMMLabeler(output="fraction")
    return all_scores(
        lambda core, other: as_fraction(labeler.fit_transform(test_stack(core, other))), size
    )


def all_scores(predict, size):
    """Scores by kind of specimen; "other snow" and so on are those of the other scanner."""
    scores = {}
    for other in (False, True):
        for kind in KINDS:
            cores = test_cores(kind, other, **size)
            found = [predict(core, other) for core in cores]
            truth = np.concatenate([core.fraction_low for core in cores])
            scores[f"other {kind}" if other else kind] = score(truth, np.concatenate(found))
    return scores


def teacher(core):
    """What the training labels would be for a test core."""
    fraction = GMMLabeler(output="fraction").fit_transform(inside(core.high, core.mask_high))
    return MaskDownsampler(factor=2, threshold=None).fit_transform(fraction)


def as_fraction(found):
    """Labels as ice fractions, NaN outside."""
    if found.dtype.kind == "f":
        return found
    return np.where(found == OUTSIDE, np.float32(np.nan), (found == ICE).astype(np.float32))


def score(truth, fraction):
    """F1, and errors of the mass in per cent, of fractions and of the labels that they give."""
    valid = ~np.isnan(truth)
    exact, labels = (
        np.where(valid, np.where(f >= 0.5, ICE, AIR), OUTSIDE).astype(np.uint8)
        for f in (truth, fraction)
    )
    ice = truth[valid].sum(dtype=float)
    return {
        "f1_ice": float(dice_score(exact, labels)),
        "f1_air": float(dice_score(exact, labels, positive=AIR)),
        "mass_labels": 100 * ((labels == ICE).sum() / ice - 1),
        "mass_fraction": 100 * (fraction[valid].sum(dtype=float) / ice - 1),
        "fraction_rmse": float(np.sqrt(np.mean((fraction - truth)[valid] ** 2, dtype=float))),
    }


# --- results --------------------------------------------------------------------------------


def write(path, result):
    """Append one line in one call, so that it is there as a whole or not at all."""
    cut_off = path.exists() and not path.read_text().endswith("\n")
    line = "\n" * cut_off + json.dumps(result) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    print(result["variant"], result["seed"], result.get("train_seconds", ""), flush=True)


def read(path):
    """Results so far; a line that is not whole counts as not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with suppress(json.JSONDecodeError):
            results.append(json.loads(line))
    return results


def as_rst(results):
    """Tables of means, with the standard deviation over seeds in units of the last digit."""
    f1 = partial(scores_cell, measures=("f1_ice", "f1_air"), digits=4)
    mass = partial(scores_cell, measures=("mass_labels", "mass_fraction"), digits=1)
    names = list(dict.fromkeys(line["variant"] for line in results))
    order = sorted(names, key=[*REFERENCES, *VARIANTS].index)
    rows = {name: [line for line in results if line["variant"] == name] for name in order}
    return "\n".join(
        [
            *list_table(rows, {**columns(f1), "seeds": lambda lines: str(len(lines))}),
            *list_table(rows, columns(mass)),
            *list_table(rows, columns(f1, prefix="other ") | COSTS),
        ]
    )


def columns(cell, prefix=""):
    """One column per kind of specimen."""
    return {f"{prefix}{kind}": partial(cell, kind=f"{prefix}{kind}") for kind in KINDS}


def scores_cell(lines, kind, measures, digits):
    """Means of some measures, slash between them."""
    values = ([line["scores"][kind][measure] for line in lines] for measure in measures)
    return " / ".join(with_scatter(found, digits) for found in values)


def with_scatter(values, digits):
    """Mean, and in brackets the standard deviation in units of the last digit.

    >>> with_scatter([0.95, 0.954], 3)
    '0.952(3)'
    """
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean}({10**digits * np.std(values, ddof=1):.0f})"


def mean_cell(lines, key):
    """Mean of a number, or nothing where there is none."""
    values = [line[key] for line in lines if key in line]
    return f"{np.mean(values):.0f}" if values else ""


COSTS = {
    "training, CPU s": partial(mean_cell, key="train_seconds"),
    "prediction, GFLOP": partial(mean_cell, key="gflop"),
}


def list_table(rows, columns):
    """Lines of a list-table."""
    yield from ("", ".. list-table::", "   :header-rows: 1", "")
    for name, cells in [("", list(columns)), *rows_of(rows, columns)]:
        yield f"   * - {name}".rstrip()
        yield from (f"     - {cell}".rstrip() for cell in cells)


def rows_of(rows, columns):
    """Name and cells of each row."""
    return [(name, [cell(lines) for cell in columns.values()]) for name, lines in rows.items()]


def differences(results, digits=4):
    """What each variant gains with the same seed: on "unet" a network, on `BASE` a recipe."""
    by_name = {(line["variant"], line["seed"]): line["scores"] for line in results}
    for name in VARIANTS:
        base = "unet" if name in NETWORKS else BASE
        seeds = [seed for n, seed in by_name if n == name and (base, seed) in by_name]
        pairs = [(by_name[name, seed], by_name[base, seed]) for seed in seeds]
        cells = [gain(pairs, kind, digits) for kind in all_kinds()] if pairs else ["not run"]
        yield f"{name:40s} {len(pairs)} " + " | ".join(cells)


def all_kinds():
    """Kinds of specimen, by both scanners."""
    return [*KINDS, *(f"other {kind}" for kind in KINDS)]


def gain(pairs, kind, digits):
    """Differences of F1 of ice, F1 of air and error of the fractions."""
    measures = ("f1_ice", "f1_air", "fraction_rmse")
    gains = ([new[kind][m] - old[kind][m] for new, old in pairs] for m in measures)
    return " / ".join(with_scatter(values, digits) for values in gains)


if __name__ == "__main__":
    main()
