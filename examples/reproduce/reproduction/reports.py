"""The last steps: tables (CSV) and figures (PNG)."""

from icecoreseg.datasets import published_specimens
from reproduction import cores as rooms
from reproduction import tables
from reproduction.figures import FIGURES


def write_tables(folder, *, root, tested):
    """Tables I and II, the comparison of methods, what made the difference, generalisation."""
    slices = tables.read_slices(root, tested)
    cards = {core: rooms.card_of(root / "cores" / core) for core in slices["core"].unique()}
    written = {
        "table_1": table_1(cards),
        "table_2": tables.table_2(slices, cards),
    }
    for group in slices["group"].unique():
        rows = tables.compared(slices, group=group)
        name = f"methods_{group}" if group else "methods_test_part"
        written[f"{name}_by_seed"] = rows
        written[name] = tables.mean_and_spread(rows)
    if any((root / step / "bubbles.csv").is_file() for step in tested):
        written["bubbles"] = tables.bubble_table(root, tested)
    for name, table in written.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f")


def table_1(cards):
    """Table I, and what the cores of this run have in its place."""
    import pandas as pd

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


def write_figures(folder, *, root, cores, seed):
    """Every figure of the paper that holds results, on the cores of one seed."""
    import matplotlib.pyplot as plt

    results = rooms.Results(root, cores, seed)
    for name, draw in FIGURES.items():
        figure = draw(results)
        figure.savefig(folder / f"{name}.png", dpi=130)
        plt.close(figure)
