"""Damaged files: readers raise what they document, at once, and in bounded memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is bounded by Linux"
)


def offences(*wanted, seed=0):
    """Lines of the worker, one per file that was not answered by a documented error."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_worker", str(seed), *wanted],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout.splitlines()


def test_damaged_stacks():
    assert not offences("png:200", "folder:60")


def test_damaged_model_files():
    assert not offences("model:100", "published:100", "checkpoint:40")
