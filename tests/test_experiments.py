"""The script that compares ways of training runs, resumes, and prints what it found."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
VARIANTS = ["light", "batch normalisation", "loss: focal", "patches with more of the rarer class"]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    yield importlib.import_module("experiment_unet")
    for name in ("experiment_unet", "_variants"):
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore:.*slices:UserWarning")  # these cores are very small
@pytest.mark.filterwarnings("ignore:Structures are so thin:UserWarning")
def test_experiments_resume(script, tmp_path, capsys):
    results = tmp_path / "new" / "results.jsonl"
    options = [str(results), "--fast", "--steps", "1", "--seeds", "0", "--variants"]
    script.main([*options, *VARIANTS[:2]])
    with results.open("a") as file:
        file.write('{"variant": "loss')  # killed while writing
    capsys.readouterr()
    script.main([*options, *VARIANTS])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" 0 ")[0] for line in printed] == VARIANTS[2:]  # nothing is done twice
    lines = script.read(results)
    assert [line["variant"] for line in lines] == [*script.REFERENCES, *VARIANTS]
    script.main([str(results), "--table"])
    table = capsys.readouterr().out
    assert all(f"* - {name}\n" in table for name in VARIANTS)
    with pytest.raises(ValueError, match="other sizes or steps"):
        script.main([str(results), "--fast", "--steps", "2"])


def test_scores_are_those_of_the_paper(script):
    """By hand: of four voxels one is outside, one wrong; the ice weighs 1.75 in truth."""
    truth = script.np.array([[[1.0, 0.75, 0.0, script.np.nan]]], dtype="float32")
    found = script.np.array([[[0.9, 0.25, 0.1, script.np.nan]]], dtype="float32")
    score = script.score(truth, found)
    assert score["f1_ice"] == pytest.approx(2 / 3)
    assert score["f1_air"] == pytest.approx(2 / 3)
    assert score["mass_labels"] == pytest.approx(100 * (1 / 1.75 - 1))
    assert score["mass_fraction"] == pytest.approx(100 * (1.25 / 1.75 - 1))
    assert json.dumps(score)
