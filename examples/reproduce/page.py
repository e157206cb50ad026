"""
The page of the guide
=====================

Puts a run on the page :doc:`../../user_guide/paper`: its tables as reStructuredText, which the page
includes, and its figures as small pictures. After ``nox -s reproduce -- --quick``::

    python examples/reproduce/page.py results/reproduce-quick docs

The sentences between the tables are written by hand: read them again.
"""

import json
import sys
from functools import partial
from pathlib import Path

import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from reproduction.engine import MANIFEST
from reproduction.schedule import KINDS
from reproduction.tables import LEFT_OUT

TITLES = {"snow": "snow", "firn": "firn", "ice": "bubbly ice"}

METHODS = {
    "Otsu": "Otsu, coarse scan",
    "GMM": "mixture, coarse scan",
    "GMM, smoothed": "the same, smoothed",
    "labels: paper": "paper's labels (fine scan)",
    "labels: ours": "our labels (fine scan)",
    "network: paper": "**paper's recipe**",
    "network: ours": "**ours**",
}
"""The methods that are compared, and what the page calls them."""

BETWEEN = {
    ("paper", "bagherzadeh2023"): ["paper's, hard", "paper's"],
    ("paper", "unet"): ["paper's, hard", "ours"],
    ("ours", "bagherzadeh2023"): ["ours, fractions", "paper's"],
    ("ours, hard", "unet"): ["ours, hard", "ours"],
    ("ours", "unet"): ["ours, fractions", "ours"],
}
"""Labels and architecture, from the paper's recipe to ours."""

SCORES = {
    "F1 ice": "f1_ice",
    "F1 air": "f1_air",
    "IoU ice": "iou_ice",
    "IoU air": "iou_air",
    "accuracy": "accuracy",
}
TABLE_2_SCORES = {
    "F1 ice": "f1_ice",
    "IoU ice": "iou_ice",
    "accuracy": "accuracy",
    "F1 ice, mean of slices": "f1_ice_slice_mean",
    "accuracy, whole picture": "accuracy_paper_style",
    "F1 air": "f1_air",
    "IoU air": "iou_air",
}
"""Heads of columns -> columns of the CSV files."""


def list_table(head, rows):
    """A table as reStructuredText.

    Examples
    --------
    >>> print(list_table(["core", "F1"], [["snow", "95.0"], ["firn", ""]]))
    .. list-table::
       :header-rows: 1
    <BLANKLINE>
       * - core
         - F1
       * - snow
         - 95.0
       * - firn
         -
    """
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [head, *rows]:
        items = [f"- {cell}".rstrip() for cell in row]
        lines += [f"   * {items[0]}", *(f"     {item}" for item in items[1:])]
    return "\n".join(lines)


def number(row, name, form=".2f"):
    """A value, with its spread or limits where the table has any; empty where it has none."""
    if pd.isna(row[name]):
        return ""
    text = f"{row[name]:{form}}"
    if f"{name}_sd" in row:
        text += f" ± {row[f'{name}_sd']:{form.lstrip('+')}}"
    if not pd.isna(row.get(f"{name}_lower")):
        text += f" ({row[f'{name}_lower']:{form}} to {row[f'{name}_upper']:{form}})"
    return text


def facts(root):
    """What a run was done with, and how long it took."""
    steps = json.loads((root / MANIFEST).read_text())["steps"]
    seconds = {name: step["seconds"] for name, step in steps.items()}
    training = [seconds[name] for name in seconds if name.startswith("train/")]
    n_cores = sum(name.startswith("cores/") for name in seconds)
    last = steps["tables"]
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    return (
        f"The run was finished on {last['finished'][:10]}, with {versions}. Its\n"
        f"{len(training)} networks took {min(training):.0f} to {max(training):.0f} seconds each; "
        f"all of it, with {n_cores} cores, took {sum(seconds.values()) / 60:.0f} minutes."
    )


def table_1(root):
    """The published specimens."""
    table = pd.read_csv(root / "tables" / "table_1.csv")
    names = {**TITLES, "snow": "sintered snow"}
    rows = [
        [
            f"{row['name']}, {names[row['core']]}",
            f"{row['depth_m']:.2f} m",
            f"{row['height_mm']:g}, {row['diameter_mm']:g} mm",
            f"{row['mass_g']:.1f} g",
            rf"{row['density_kg_m3']:.0f} kg m\ :sup:`-3`",
            f"{row['porosity']:.3f}",
        ]
        for _, row in table[table["source"] == "published"].iterrows()
    ]
    head = ["specimen", "depth", "height, diameter", "mass", "density", "porosity"]
    return list_table(head, rows)


def table_2(root):
    """Scores of every specimen: published, and of both recipes."""
    recipes = {"published": "published", "paper": "paper's recipe", "ours": "ours"}
    against = {"truth": "against truth", "labels": "against its labels"}
    rows = []
    for _, row in pd.read_csv(root / "tables" / "table_2.csv").iterrows():
        title = recipes[row["recipe"]]
        if row["recipe"] != "published":
            title += f", {against[row['reference']]}"
        masses = [number(row, f"mass_error_{by}", "+.1f") for by in ("labels", "network")]
        scores = [number(row, name) for name in TABLE_2_SCORES.values()]
        rows.append([TITLES[row["core"]], title, *masses, *scores])
    head = ["core", "", "mass error, labels", "mass error, network", *TABLE_2_SCORES]
    return list_table(head, rows)


def methods(root, kind):
    """All methods on the unseen cores of one kind."""
    table = pd.read_csv(root / "tables" / "methods_unseen.csv")
    table = table[table["kind"] == kind].set_index("method")
    forms = dict.fromkeys(SCORES.values(), ".2f")
    forms |= {"mass_error_soft": "+.1f", "ssa_error": "+.1f"}
    head = [TITLES[kind], *SCORES, "mass error", "SSA error"]
    if kind == "ice":
        forms |= {"bubbles_found": ".0f", "bubbles_false": ".0f"}
        head += ["bubbles found", "false"]
    rows = [
        [title, *(number(table.loc[method], name, form) for name, form in forms.items())]
        for method, title in METHODS.items()
    ]
    return list_table(head, rows)


def by_kind(rows):
    """A cell per kind of core: F1 of ice / of air and the mass error of the fractions."""
    rows = rows.set_index("kind").loc[list(KINDS)]
    triples = zip(rows["f1_ice"], rows["f1_air"], rows["mass_error_soft"], strict=True)
    return [f"{ice:.2f} / {air:.2f} ({mass:+.1f})" for ice, air, mass in triples]


def ablation(root):
    """What lies between the paper's recipe and ours."""
    table = pd.read_csv(root / "tables" / "ablation.csv").set_index(["labels", "architecture"])
    rows = [[*titles, *by_kind(table.loc[[names]])] for names, titles in BETWEEN.items()]
    return list_table(["labels", "network", *TITLES.values()], rows)


def generalisation(root):
    """Other ice and other noise than in the training."""
    table = pd.read_csv(root / "tables" / "generalisation.csv")
    titles = {**METHODS, LEFT_OUT: "**ours**, trained on the other two kinds"}
    tests = {"as trained": "noise as trained", "kind not trained on": "noise as trained"}
    groups = table.groupby(["test", "method"], sort=False)
    rows = [
        [tests.get(test, test.replace(" x ", " times ")), titles[method], *by_kind(group)]
        for (test, method), group in groups
    ]
    return list_table(["test", "method", *TITLES.values()], rows)


PIECES = {
    "facts": facts,
    "table_1": table_1,
    "table_2": table_2,
    **{f"methods_{kind}": partial(methods, kind=kind) for kind in KINDS},
    "ablation": ablation,
    "generalisation": generalisation,
}
"""Name of a file that the page includes -> function that makes its text from a run's folder."""


def write_small(picture, target):
    """A figure in the size of the page: 100 dots per inch instead of 130, 160 colours."""
    with Image.open(picture) as image:
        size = [round(edge / 1.3) for edge in image.size]
        small = image.convert("RGB").resize(size, Image.Resampling.BOX)
    small.quantize(160).save(target, optimize=True)


def main(root="results/reproduce-quick", docs="docs"):
    """Write the tables and figures of a run to where the page has them."""
    root, docs = Path(root), Path(docs)
    for folder in ("user_guide/paper_tables", "_static/paper"):
        (docs / folder).mkdir(parents=True, exist_ok=True)
    for name, piece in PIECES.items():
        text = f".. Written by examples/reproduce/page.py.\n\n{piece(root)}\n"
        (docs / "user_guide" / "paper_tables" / f"{name}.inc").write_text(text)
    for picture in sorted((root / "figures").glob("*.png")):
        write_small(picture, docs / "_static" / "paper" / picture.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
