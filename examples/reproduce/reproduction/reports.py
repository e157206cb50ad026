"""The last steps: tables (CSV) and figures (PNG)."""

import matplotlib.pyplot as plt
import pandas as pd

from icecoreseg.datasets import published_specimens
from reproduction import cores as rooms
from reproduction import tables
from reproduction.figures import FIGURES
from reproduction.published import GENERAL_NOTES


def write_tables(folder, *, root, tested):
    """Tables I and II, the comparison of methods, what made the difference, generalisation."""
    slices = tables.read_slices(root, tested)
    cards = {core: rooms.card_of(root / "cores" / core) for core in slices["core"].unique()}
    bubbles = tables.bubble_table(root, tested)
    written = {"table_1": table_1(cards), "table_2": tables.table_2(slices, cards)}
    by_seed = {group: tables.compared(slices, group=group) for group in slices["group"].unique()}
    for group, rows in by_seed.items():
        table = tables.mean_and_spread(rows)
        if bubbles is not None:
            table = table.merge(bubbles, how="left", on=["kind", "method", "group"])
        written[f"methods_{group or 'test_part'}"] = table
    written["methods_by_seed"] = pd.concat(by_seed.values())
    unseen = [rows for group, rows in by_seed.items() if group] or list(by_seed.values())
    written["generalisation"] = tables.generalisation(pd.concat(unseen))
    written["ablation"] = tables.ablation(unseen[0])
    for name, table in written.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f")
    (folder / "table_2_notes.txt").write_text("\n".join(GENERAL_NOTES) + "\n")


def table_1(cards):
    """Table I, and what the cores of this run have in its place."""
    names = ["name", "depth_m", "height_mm", "diameter_mm", "mass_g", "voxel_size_um"]
    rows = [
        {"core": kind, "source": "published", **{name: core[name] for name in names}}
        | {"density_kg_m3": core.density_kg_m3, "porosity": 1 - core.density_kg_m3 / 918.87}
        for kind, core in published_specimens().items()
    ]
    for core, card in cards.items():
        kept = {name: card.get(name) for name in names if name in card}
        density = card["density_kg_m3"]
        rows.append(
            {"core": card["kind"], "source": core, **kept, "density_kg_m3": density}
            | {"porosity": 1 - density / 918.87}
        )
    return pd.DataFrame(rows)


def write_figures(folder, *, root, seed):
    """Every figure of the paper that holds results, on the cores of one seed."""
    results = rooms.Results(root, seed)
    for name, draw in FIGURES.items():
        figure = draw(results)
        figure.savefig(folder / f"{name}.png", dpi=130)
        plt.close(figure)
