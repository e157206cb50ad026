"""Damaged files: readers raise what they document, at once, and in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from icecoreseg import open_stack, read_metadata, write_stack

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
    assert not offences("png:150", "folder:40", "tiff:250", "npy:150", "raw:150")


def test_damaged_folders_and_stores():
    assert not offences("written:100", "zarr:60")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("unclosed.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<u2', ("),
        ("negative.mha", b"DimSize = 2 -2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"),
    ],
)
def test_found_by_fuzzing(tmp_path, name, header):
    (tmp_path / name).write_bytes(header)
    with pytest.raises((OSError, ValueError), match=name):
        open_stack(tmp_path / name)


def test_a_manifest_of_another_shape(tmp_path):
    write_stack(np.zeros((2, 3, 4), np.uint8), tmp_path)
    path = tmp_path / "stack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run": 3}))
    with pytest.raises(OSError, match=r"stack\.json is no manifest"):
        read_metadata(tmp_path)


def test_a_scale_that_asks_for_memory(tmp_path):
    write_stack(np.zeros((2, 3, 4)), tmp_path, as_type="uint8")
    path = tmp_path / "stack.json"
    path.write_text(path.read_text().replace('"nan": 255', '"nan": 1000000000000'))
    with pytest.raises(ValueError, match="unknown or damaged"):
        open_stack(tmp_path, as_type="float32")


def test_damaged_model_files():
    assert not offences("model:100", "published:100", "checkpoint:40")
