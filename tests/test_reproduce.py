"""The engine of the reproduction: steps are done once, and a killed run goes on."""

import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from icecoreseg.datasets import make_ice_core, write_tgrs2023
from icecoreseg.metrics import score_table

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "reproduce"

if not SCRIPTS.is_dir():
    pytest.skip("the examples are not part of this installation", allow_module_level=True)

sys.path.insert(0, str(SCRIPTS))

import run  # noqa: E402
from reproduction import published, tables, work  # noqa: E402
from reproduction.code import SHOWN, code_digest  # noqa: E402
from reproduction.engine import MANIFEST, Run, Step  # noqa: E402
from reproduction.figures import FIGURES  # noqa: E402
from reproduction.measure import bubble_row, slice_table  # noqa: E402
from reproduction.schedule import FULL, QUICK, TINY  # noqa: E402
from reproduction.steps import make_steps  # noqa: E402


def writer(text):
    return lambda folder: (folder / "out.txt").write_text(text)


def quiet(folder):
    return Run(folder, say=lambda text: None)


def test_steps_are_done_once(tmp_path):
    said = []
    steps = [Step("a/x", writer("1")), Step("b", writer("2"), needs=("a/x",))]
    Run(tmp_path, said.append).do(steps)
    Run(tmp_path, said.append).do(steps)
    assert ["done before" in line for line in said] == [False, False, True, True]
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["steps"]["b"]["needs"] == ["a/x"]
    assert manifest["steps"]["b"]["files"]["out.txt"]["bytes"] == 1
    assert "torch" in manifest["steps"]["b"]["versions"]


def test_a_changed_parameter_repeats_what_depends_on_it(tmp_path):
    done = []

    def steps(value):
        def work(name):
            return lambda folder: done.append(name)

        return [
            Step("first", work("first"), {"value": value}),
            Step("second", work("second"), needs=("first",)),
            Step("other", work("other")),
        ]

    quiet(tmp_path).do(steps(1))
    done.clear()
    quiet(tmp_path).do(steps(2))
    assert done == ["first", "second"]


def test_a_lost_or_cut_file_is_made_again(tmp_path):
    steps = [Step("a", writer("text"))]
    for damage in (Path.unlink, lambda path: path.write_text("t")):
        quiet(tmp_path).do(steps)
        damage(tmp_path / "a" / "out.txt")
        quiet(tmp_path).do(steps)
        assert (tmp_path / "a" / "out.txt").read_text() == "text"


def test_a_failing_step_leaves_nothing_that_looks_done(tmp_path):
    def fail(folder):
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        quiet(tmp_path).do([Step("a", writer("1")), Step("b", fail)])
    assert not (tmp_path / "b").exists()
    quiet(tmp_path).do([Step("a", writer("1")), Step("b", writer("2"))])
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["out.txt"]


def test_needs_come_first(tmp_path):
    with pytest.raises(ValueError, match="Step b comes twice, or before \\['a'\\]"):
        quiet(tmp_path).do([Step("b", writer("2"), needs=("a",))])


@pytest.mark.parametrize("schedule", [QUICK, FULL, TINY])
def test_plans_are_in_order(schedule, tmp_path):
    steps = make_steps(tmp_path, schedule)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    for number, step in enumerate(steps):
        assert set(step.needs) <= set(names[:number])
        json.dumps(step.parameters)


def test_changed_code_is_computed_again(tmp_path):
    """Of the package or of the steps; figures and comments change no network."""
    names = ("package/labels.py", "package/display/plot.py", "steps/work.py", "steps/figures.py")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    places = [tmp_path / "package", tmp_path / "steps"]

    def digests():
        return code_digest(*places), code_digest(*places, without=SHOWN)

    before = digests()
    (tmp_path / names[0]).write_text("# one\nx  =  1\n")
    assert digests() == before
    for name in names:
        (tmp_path / name).write_text("x = 2\n")
        now = digests()
        assert now[0] != before[0]
        assert (now[1] != before[1]) == (name in ("package/labels.py", "steps/work.py"))
        before = now


def test_every_step_knows_its_code(tmp_path):
    steps = make_steps(tmp_path, TINY)
    digests = {step.name.split("/")[0]: step.parameters["code"] for step in steps}
    assert digests["tables"] == digests["figures"] != digests["train"]
    assert digests["cores"] == digests["labels"] == digests["train"] == digests["test"]


KILLED = """
import os, signal, sys
from reproduction.engine import Run, Step

def work(name):
    def do(folder):
        (folder / "out.txt").write_text(name)
        if name == "b" and sys.argv[2] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    return do

Run(sys.argv[1]).do([Step(name, work(name)) for name in "abc"])
"""


def test_a_killed_run_goes_on(tmp_path):
    """Killed within a step, without warning: the step is done again, those before it are not."""

    def start(how):
        command = [sys.executable, "-c", KILLED, str(tmp_path), how]
        return subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=False)

    assert start("die").returncode == -signal.SIGKILL
    assert (tmp_path / "a" / "out.txt").exists()
    assert not (tmp_path / "b").exists()
    finished = start("live")
    assert finished.returncode == 0, finished.stderr
    said = [line.endswith("done before") for line in finished.stdout.splitlines()]
    assert said == [True, False, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", MANIFEST]


def test_counts_become_the_scores_of_the_package():
    rng = np.random.default_rng(0)
    truth = rng.choice(np.uint8([0, 1, 255]), (3, 20, 20))
    labels = rng.choice(np.uint8([0, 1, 255]), (3, 20, 20))
    table = slice_table(truth, labels, None, voxel_size_um=60)
    ours = tables.scores(table.sum(numeric_only=True))
    expected = score_table(truth, labels)
    for name, theirs in [("f1", "dice"), ("iou", "jaccard")]:
        for phase in ("ice", "air"):
            assert ours[f"{name}_{phase}"] == pytest.approx(100 * expected[f"{theirs}_{phase}"])
    assert ours["accuracy"] == pytest.approx(100 * expected["accuracy"])
    assert table["ice_labels"].tolist() == [(image == 1).sum() for image in labels]


def test_paper_style_lets_blank_slices_score_nothing():
    truth = np.full((2, 8, 8), 255, np.uint8)
    truth[0, 2:6, 2:6] = 1
    table = slice_table(truth, truth, None, voxel_size_um=60)
    style = tables._as_in_the_paper(table)
    assert style == {
        "f1_ice_paper_style": 50.0, "iou_ice_paper_style": 50.0, "accuracy_paper_style": 100.0,
    }  # fmt: skip


def test_generalisation_takes_the_seed_that_has_all():
    """Rows as `compared` gives them, group by group: their indices repeat."""

    def rows(group, methods):
        cells = {"kind": "snow", "group": group, "f1_ice": 90.0, "f1_air": 90.0, "mass_error": 0.0}
        more = {"mass_error_soft": 0.0, "ssa_error": 0.0}
        pairs = [(method, seed) for method in methods for seed in ("0", "1")]
        columns = {"method": [m for m, _ in pairs], "seed": [s for _, s in pairs]}
        return pd.DataFrame(columns).assign(**cells, **more)

    unseen = rows("unseen", ["GMM", "network: ours", tables.LEFT_OUT])
    unseen = unseen[(unseen["method"] != tables.LEFT_OUT) | (unseen["seed"] == "1")]
    table = tables.generalisation(pd.concat([unseen, rows("noise2", ["network: ours"])]))
    assert table["test"].tolist() == [
        "kind not trained on",
        "as trained",
        "as trained",
        "noise x 2",
    ]
    assert table["method"].tolist() == [tables.LEFT_OUT, "GMM", "network: ours", "network: ours"]


def test_fractions_become_labels_lazily():
    """Those of a published core do not fit in memory."""
    fraction = np.float32([[[0.4, 0.5]], [[np.nan, 1]]])
    hard = work._hard(da.from_array(fraction, chunks=1))
    assert isinstance(hard, da.Array)
    for labels in (hard.compute(), work._hard(fraction)):
        assert labels.dtype == np.uint8
        assert labels.tolist() == [[[0, 1]], [[255, 1]]]


def test_published_scores_are_as_inconsistent_as_the_notes_say():
    table = published.TABLE_2.set_index("core")
    iou = table["f1_ice"] / (200 - table["f1_ice"]) * 100
    assert (iou - table["iou_ice"]).abs()["snow":"firn"].max() < 0.05
    assert iou["ice"] == pytest.approx(71.26, abs=0.01)
    images = np.array([500, 600, 500])
    assert np.average(table["f1_ice"], weights=images) == pytest.approx(92.58, abs=0.01)
    assert np.average(table["iou_ice"], weights=images) == pytest.approx(90.03, abs=0.01)
    # 15 % of images at zero and the rest alike give both numbers of the bubbly ice.
    rest = table.loc["ice", ["f1_ice", "iou_ice"]] / 0.85
    assert rest["f1_ice"] == pytest.approx(200 * rest["iou_ice"] / (100 + rest["iou_ice"]), abs=0.1)


def test_bubbles_of_a_perfect_prediction():
    core = make_ice_core("ice", n_slices=8, n_columns=48, random_state=0)
    row = bubble_row(core.labels_low, core.labels_low, core.voxel_size_um)
    assert row["n_reference"] > 0
    assert row["detection_rate"] == 1
    assert row["n_spurious"] == 0


@pytest.mark.filterwarnings("ignore::UserWarning")  # masker and labeler doubt such tiny cores
def test_published_data_runs_through_the_same_steps(tmp_path, monkeypatch, capsys):
    """Generated cores in the layout of the data set; no truth, but weighed masses."""
    data, output = tmp_path / "data", tmp_path / "run"
    kinds = ("snow", "firn", "ice")
    shape = {"n_slices": 8, "n_columns": 40, "noise": 0.02}
    write_tgrs2023([make_ice_core(kind, random_state=0, **shape) for kind in kinds], data)
    options = ["--tiny", "--output", str(output), "--data", str(data), "--until", "figures"]
    run.main(options)
    table = pd.read_csv(output / "tables" / "table_2.csv")
    assert set(table["recipe"]) == {"published", "paper", "ours"}
    assert set(table["reference"]) == {"labels"}
    assert table.loc[table["recipe"] == "ours", "mass_error_labels"].abs().max() < 25
    monkeypatch.chdir(tmp_path)
    _run_scripts(output, monkeypatch)
    assert "KohnenQK_D38_KF540" in capsys.readouterr().out
    drawn = {path.stem: path.stat().st_size for path in tmp_path.glob("figure_*.png")}
    assert set(drawn) == set(FIGURES)
    assert min(drawn.values()) > 10_000


def _run_scripts(output, monkeypatch):
    """Every script that shows a table or a figure."""
    others = {SCRIPTS / "run.py", SCRIPTS / "page.py"}
    scripts = sorted(set(SCRIPTS.glob("*.py")) - others)
    assert len(scripts) > 10
    for script in scripts:
        monkeypatch.setattr(sys, "argv", [script.name, str(output)])
        runpy.run_path(str(script))
