"""The page of the guide shows what a run wrote: tables from its CSV files, its figures, small."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "reproduce"
GUIDE = ROOT / "docs" / "user_guide"

if not (SCRIPTS.is_dir() and GUIDE.is_dir()):
    pytest.skip("the examples are not part of this installation", allow_module_level=True)

sys.path.insert(0, str(SCRIPTS))

import page  # noqa: E402
from reproduction.engine import MANIFEST  # noqa: E402
from reproduction.figures import FIGURES  # noqa: E402
from reproduction.schedule import KINDS  # noqa: E402

SCORED = {"f1_ice": 98.765, "f1_air": 70.0, "iou_ice": 90.0, "iou_air": 50.0, "accuracy": 95.0}
ERRORS = {"mass_error": 3.0, "mass_error_soft": -0.44, "ssa_error": 12.34}
CSV = {
    "table_1": "core,source,name,depth_m,height_mm,diameter_mm,mass_g,density_kg_m3,porosity\n"
    "snow,published,Core_1,0.5,150.0,97.5,400.0,336.9,0.6333\nsnow,snow_0,,,1.7,,0.02,340.0,0.63",
    "table_2": "core,recipe,reference,mass_error_labels,mass_error_network,f1_ice,iou_ice,"
    "accuracy,f1_ice_slice_mean,accuracy_paper_style,f1_air,iou_air,f1_ice_lower,f1_ice_upper\n"
    "ice,published,labels,0.5,-0.8,83.22,81.56,97.01,,,,,,\n"
    "ice,ours,truth,-0.44,1.25,99.126,98.3,98.0,99.1,99.0,70.5,54.4,98.9,99.2",
}


@pytest.fixture
def results(tmp_path):
    """A folder as a run leaves it."""
    (tmp_path / "tables").mkdir()
    for name, text in CSV.items():
        (tmp_path / "tables" / f"{name}.csv").write_text(text)
    spread = {f"{name}_sd": 0.126 for name in (*SCORED, *ERRORS)}
    bubbles = {"bubbles_found": 71.4, "bubbles_false": 8.6}
    pairs = [{"kind": kind} for kind in KINDS]
    between = [{"labels": a, "architecture": b} for a, b in page.BETWEEN]
    tests = [{"test": "as trained", "method": "GMM"}, {"test": "noise x 2", "method": "GMM"}]
    more = {
        "methods_unseen": [{"method": method, **spread, **bubbles} for method in page.METHODS],
        "ablation": between,
        "generalisation": [{"test": "kind not trained on", "method": page.LEFT_OUT}, *tests],
    }
    for name, rows in more.items():
        rows = [{**row, **pair, **SCORED, **ERRORS} for row in rows for pair in pairs]
        pd.DataFrame(rows).to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    step = {"seconds": 90.0, "finished": "2026-01-31T01:02:03Z", "versions": {"numpy": "2.0"}}
    steps = {name: step for name in ("cores/a", "train/a", "train/b", "tables")}
    (tmp_path / MANIFEST).write_text(json.dumps({"steps": steps}))
    (tmp_path / "figures").mkdir()
    Image.new("RGBA", (130, 65), "red").save(tmp_path / "figures" / "figure_04.png")
    return tmp_path


def cells(text):
    """Rows of a ``list-table``."""
    assert text.startswith(".. list-table::\n   :header-rows: 1\n\n   * - ")
    rows = re.split(r"^   \* ", text, flags=re.M)[1:]
    return [[item[2:].strip() for item in re.split(r"\n     (?=-)", row)] for row in rows]


def test_a_table_is_written_as_the_page_has_it(results):
    assert (
        page.table_1(results)
        == r""".. list-table::
   :header-rows: 1

   * - specimen
     - depth
     - height, diameter
     - mass
     - density
     - porosity
   * - Core_1, sintered snow
     - 0.50 m
     - 150, 97.5 mm
     - 400.0 g
     - 337 kg m\ :sup:`-3`
     - 0.633"""
    )


def test_limits_follow_a_score_and_what_was_not_published_is_empty(results):
    _, published, ours = cells(page.table_2(results))
    assert published == [
        "bubbly ice", "published", "+0.5", "-0.8", "83.22", "81.56", "97.01", "", "", "", "",
    ]  # fmt: skip
    assert ours[:5] == [
        "bubbly ice",
        "ours, against truth",
        "-0.4",
        "+1.2",
        "99.13 (98.90 to 99.20)",
    ]
    assert ours[-2:] == ["70.50", "54.40"]


def test_spread_follows_a_mean_and_bubbles_are_those_of_ice(results):
    expected = ["**ours**", "98.77 ± 0.13", "70.00 ± 0.13", "90.00 ± 0.13", "50.00 ± 0.13"]
    expected += ["95.00 ± 0.13", "-0.4 ± 0.1", "+12.3 ± 0.1"]
    assert cells(page.methods(results, "firn"))[-1] == expected
    head, *_, last = cells(page.methods(results, "ice"))
    assert last == [*expected, "71", "9"]
    assert len(head) == len(last)


def test_kinds_stand_side_by_side(results):
    three = ["98.77 / 70.00 (-0.4)"] * 3
    assert cells(page.ablation(results))[1:] == [
        [*titles, *three] for titles in page.BETWEEN.values()
    ]
    assert cells(page.generalisation(results)) == [
        ["test", "method", "snow", "firn", "bubbly ice"],
        ["noise as trained", "**ours**, trained on the other two kinds", *three],
        ["noise as trained", "mixture, coarse scan", *three],
        ["noise times 2", "mixture, coarse scan", *three],
    ]


def test_one_command_writes_all_that_the_page_includes(results, tmp_path):
    page.main(results, tmp_path / "docs")
    written = (tmp_path / "docs").rglob("*.*")
    assert sorted(path.relative_to(tmp_path / "docs").as_posix() for path in written) == sorted(
        ["_static/paper/figure_04.png", *(f"user_guide/{name}" for name in included())]
    )
    facts = (tmp_path / "docs/user_guide/paper_tables/facts.inc").read_text()
    assert "finished on 2026-01-31, with numpy 2.0." in facts
    assert (
        "2 networks took 90 to 90 seconds each; all of it, with 1 cores, took 6 minutes." in facts
    )


def included():
    """Files that the page includes, in their order."""
    return re.findall(r"^\.\. include:: (.+)$", (GUIDE / "paper.rst").read_text(), flags=re.M)


def test_the_page_has_every_table_and_figure():
    assert sorted(included()) == sorted(f"paper_tables/{name}.inc" for name in page.PIECES)
    there = {path.name for path in (GUIDE / "paper_tables").iterdir()}
    assert there == {Path(name).name for name in included()}
    shown = re.findall(r"^\.\. figure:: (.+)$", (GUIDE / "paper.rst").read_text(), flags=re.M)
    assert shown == [f"../_static/paper/{name}.png" for name in FIGURES]
    assert all((GUIDE / name).is_file() for name in shown)


def test_figures_become_small_and_keep_their_colours(results):
    page.write_small(results / "figures" / "figure_04.png", results / "small.png")
    with Image.open(results / "small.png") as small:
        assert (small.size, small.mode) == ((100, 50), "P")
        assert np.unique(small.convert("RGB"), axis=None).tolist() == [0, 255]
        assert small.convert("RGB").getpixel((50, 25)) == (255, 0, 0)
