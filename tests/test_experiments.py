"""The script that compares ways of training runs, resumes, and prints what it found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "experiment_unet.py"
VARIANTS = ("default", "batch normalisation", "half-resolution stem, 32-64-96-128-128")


def run(*options):
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not SCRIPT.exists(), reason="benchmarks are not part of the wheel")
def test_experiments_resume(tmp_path):
    results = tmp_path / "results.jsonl"
    options = (results, "--fast", "--steps", "1", "--seeds", "0", "--variants")
    run(*options, *VARIANTS[:2])
    whole = results.read_text()
    results.write_text(whole + '{"variant": "half')  # killed while writing
    printed = run(*options, *VARIANTS)
    assert printed.split("\n")[0].startswith(VARIANTS[2])  # nothing is done twice
    lines = results.read_text().splitlines()
    assert [json.loads(line)["variant"] for line in lines[:5]][3:] == list(VARIANTS[:2])
    table = run(results, "--table")
    assert all(f"* - {name}\n" in table for name in VARIANTS[:2])
