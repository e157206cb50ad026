"""Tables from the rows per slice that the test steps wrote."""

import numpy as np
import pandas as pd

from icecoreseg.microstructure import block_bootstrap
from reproduction.published import NOTES, TABLE_2
from reproduction.recipes import NETWORKS

LEFT_OUT = "network: not trained on"
"""Method of a network that met the other kinds only."""

COUNTS = ("air_air", "air_ice", "air_outside", "ice_air", "ice_ice", "ice_outside")


def read_slices(root, tested):
    """All rows per slice, with ``seed`` and ``group`` ("", "unseen", "noise2") of the core."""
    tables = [pd.read_csv(root / step / "slices.csv").assign(step=step) for step in tested]
    table = pd.concat(tables, ignore_index=True)
    return _with_seed_and_group(table)


def _with_seed_and_group(table):
    """Names of cores are ``snow`` (published), ``snow_0``, ``snow_0_unseen``, ``snow_0_noise2``."""
    pieces = [[*name.split("_"), "", ""] for name in table["core"]]
    return table.assign(seed=[p[1] or "0" for p in pieces], group=[p[2] for p in pieces])


def scores(counts):
    """Scores in percent from counts: a row of a table, or a whole table.

    Examples
    --------
    >>> import pandas as pd
    >>> row = pd.Series({**dict.fromkeys(COUNTS, 0), "ice_ice": 3, "air_air": 1, "air_ice": 1})
    >>> scores(row)["accuracy"]
    80.0
    """
    ice, air = counts["ice_ice"], counts["air_air"]
    ice_wrong = counts["ice_air"] + counts["ice_outside"] + counts["air_ice"]
    air_wrong = counts["air_ice"] + counts["air_outside"] + counts["ice_air"]
    total = sum(counts[name] for name in COUNTS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "f1_ice": 100 * 2 * ice / (2 * ice + ice_wrong),
            "f1_air": 100 * 2 * air / (2 * air + air_wrong),
            "iou_ice": 100 * ice / (ice + ice_wrong),
            "iou_air": 100 * air / (air + air_wrong),
            "accuracy": 100 * (ice + air) / total,
        }


def summarise(table):
    """One row of scores and errors for the slices of one core and method."""
    sums = table.sum(numeric_only=True)
    true = sums["ice_true"]
    return pd.Series(
        {
            **scores(sums),
            "mass_error": 100 * (sums["ice_labels"] - true) / true,
            "mass_error_soft": 100 * (sums["ice_fraction_sum"] - true) / true,
            "ssa_error": 100 * (table["ssa_2d_mm1"].mean() / table["ssa_2d_mm1_true"].mean() - 1),
        }
    )


def by_core(table):
    """`summarise` of every kind, seed and method."""
    keys = ["kind", "method", "group", "seed"]
    groups = table.groupby(keys, sort=False)
    rows = [dict(zip(keys, key, strict=True)) | summarise(g).to_dict() for key, g in groups]
    return pd.DataFrame(rows)


def mean_and_spread(rows):
    """Over the seeds: mean and standard deviation (n - 1) of every column."""
    numbers = [name for name in rows if name not in ("kind", "method", "group", "seed")]
    groups = rows.groupby(["kind", "method", "group"], sort=False)[numbers]
    mean, spread = groups.mean(), groups.std().add_suffix("_sd")
    columns = [name for pair in zip(mean, spread, strict=True) for name in pair]
    n_seeds = groups.size().rename("n_seeds")
    return pd.concat([n_seeds, mean, spread], axis=1)[["n_seeds", *columns]].reset_index()


def compared(table, *, group):
    """Scores on all slices of the cores of a group; of those trained on, of the test part."""
    chosen = table["group"] == group
    if not group:
        chosen &= table["part"] == "test"
    reference = "truth" if (table["reference"] == "truth").any() else "labels"
    return by_core(table[chosen & (table["reference"] == reference)])


def table_2(table, cards):
    """The paper's Table II, ours below each row of it.

    Scores are those of the lower 20 % of each core; mass errors those of the whole core
    against its weighed mass, computed minus weighed. Scores stand against the truth and, as in
    the paper, against the labels that the network learned from.
    """
    rows = []
    for kind in ("snow", "firn", "ice"):
        printed = TABLE_2.set_index("core").loc[kind].to_dict()
        rows.append({"core": kind, "recipe": "published", "reference": "labels", **printed})
        rows[-1]["note"] = NOTES[kind]
        for recipe in ("paper", "ours"):
            for reference in ("truth", "labels"):
                row = _table_2_row(table, cards, kind, recipe, reference)
                rows += [row] if row else []
    return pd.DataFrame(rows)


def _table_2_row(table, cards, kind, recipe, reference):
    network = table["method"] == f"network: {recipe}"
    here = (table["kind"] == kind) & (table["group"] == "")
    mine = table[here & network & (table["reference"] == reference)]
    if mine.empty:
        return None
    test = mine[mine["part"] == "test"]
    labels = table[here & (table["method"] == f"labels: {recipe}")]
    labels = labels[labels["reference"] == labels["reference"].iloc[0]]
    return {
        "core": kind,
        "recipe": recipe,
        "reference": reference,
        "mass_error_labels": _weighed_error(labels, cards, "ice_fraction_sum"),
        "mass_error_network": _weighed_error(mine, cards, "ice_labels"),
        "mass_error_network_soft": _weighed_error(mine, cards, "ice_fraction_sum"),
        **scores(test.sum(numeric_only=True)),
        **_intervals(test),
        **_slice_means(test),
        **_as_in_the_paper(test),
        "n_slices": len(test),
    }


def _weighed_error(table, cards, column):
    """Mean over the seeds of the error of whole cores against the balance, percent."""
    errors = []
    for _, run in table.groupby(["step", "core"]):
        card = cards[run["core"].iloc[0]]
        computed = run[column].sum() * (card["voxel_size_um"] * 1e-4) ** 3 * 0.91887  # at -15 C
        errors.append(100 * (computed - card["mass_g"]) / card["mass_g"])
    return float(np.mean(errors))


def _intervals(test):
    """Confidence limits (95 %) of the pooled scores, by blocks of neighbouring slices.

    A pooled score is the mean of the slices' scores weighted by their denominators.
    """
    ice = 2 * test["ice_ice"] + test["ice_air"] + test["ice_outside"] + test["air_ice"]
    air = 2 * test["air_air"] + test["air_ice"] + test["air_outside"] + test["ice_air"]
    limits = {}
    for name, weights in (("f1_ice", ice), ("f1_air", air)):
        values = scores(test)[name].to_numpy()
        row = block_bootstrap(values, weights=weights.to_numpy(), random_state=0)
        limits[f"{name}_lower"] = float(row["lower"].iloc[0])
        limits[f"{name}_upper"] = float(row["upper"].iloc[0])
    return limits


def _slice_means(test):
    """Means of the slices' scores; slices in which a score is undefined are left out."""
    return {f"{name}_slice_mean": float(np.nanmean(v)) for name, v in scores(test).items()}


def _as_in_the_paper(test):
    """Blank slices score 0, and the black outside counts as rightly labelled."""
    per_slice = scores(test)
    inside = sum(test[name] for name in COUNTS)
    right = test["ice_ice"] + test["air_air"] + test["n_frame"] - inside
    return {
        "f1_ice_paper_style": float(np.nan_to_num(per_slice["f1_ice"]).mean()),
        "iou_ice_paper_style": float(np.nan_to_num(per_slice["iou_ice"]).mean()),
        "accuracy_paper_style": float((100 * right / test["n_frame"]).mean()),
    }


def bubble_table(root, tested):
    """Bubbles of the bubbly ice by method and group, summed over the seeds; or None."""
    files = [root / step / "bubbles.csv" for step in tested]
    found = [pd.read_csv(file) for file in files if file.is_file()]
    if not found:
        return None
    table = _with_seed_and_group(pd.concat(found))
    table = table.assign(found=table["detection_rate"] * table["n_reference"])
    keys = ["method", "group"]
    sums = table.groupby(keys, sort=False)[["n_reference", "found", "n_spurious"]].sum()
    return pd.DataFrame(
        {
            "kind": "ice",
            "n_bubbles": sums["n_reference"],
            "bubbles_found": 100 * sums["found"] / sums["n_reference"],
            "bubbles_false": 100 * sums["n_spurious"] / sums["n_reference"],
        }
    ).reset_index()


def generalisation(by_seed):
    """Other ice and other noise than in the training, for the seed that has both.

    Parameters
    ----------
    by_seed : pandas.DataFrame
        `by_core` of all groups of cores that were not trained on.
    """
    seed = by_seed.loc[by_seed["method"] == LEFT_OUT, "seed"].iloc[0]
    mine = by_seed[by_seed["seed"] == seed]
    kept = ("network: ours", "GMM", "GMM, smoothed", "labels: ours")
    known = mine[mine["method"].isin(kept)]
    tests = [mine[mine["method"] == LEFT_OUT].assign(test="kind not trained on")]
    tests += [known[known["group"].isin(["", "unseen"])].assign(test="as trained")]
    for group in known.loc[known["group"].str.startswith("noise"), "group"].unique():
        rows = known[known["group"] == group]
        tests.append(rows.assign(test=f"noise x {group.removeprefix('noise')}"))
    columns = ["test", "kind", "method", "f1_ice", "f1_air", "mass_error", "mass_error_soft"]
    return pd.concat(tests)[[*columns, "ssa_error"]]


def ablation(by_seed):
    """From the paper's recipe to ours: the seeds for which all networks were trained."""
    chosen = by_seed[by_seed["method"].isin([f"network: {name}" for name in NETWORKS])]
    n_methods = chosen.groupby("seed")["method"].nunique()
    seeds = n_methods[n_methods == len(NETWORKS)].index
    table = mean_and_spread(chosen[chosen["seed"].isin(seeds)])
    plan = {f"network: {name}": plan for name, plan in NETWORKS.items()}
    labels, networks = zip(*(plan[method] for method in table["method"]), strict=True)
    table.insert(1, "labels", labels)
    table.insert(2, "architecture", networks)
    return table.drop(columns=["method", "group"])
