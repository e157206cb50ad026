"""Progress: slices per second and time left, only where somebody looks, off by one switch."""

import sys
from functools import partial

import dask.array as da
import numpy as np
import pytest
from tqdm import tqdm

from icecoreseg import MaskDownsampler, MicrostructureMetrics, ThresholdLabeler, write_stack
from icecoreseg._progress import SWITCH, progress_bars

RNG = np.random.default_rng(0)
SCAN = RNG.choice(np.array([60, 160], np.uint8), (6, 20, 20))
LABELS = (SCAN > 110).astype(np.uint8)
LAZY = da.from_array(LABELS, chunks=(2, -1, -1))

CALLS = {
    "fit": lambda folder: ThresholdLabeler().fit(SCAN),
    "predict": lambda folder: ThresholdLabeler().fit(SCAN).predict(SCAN),
    "transform": lambda folder: MaskDownsampler().fit_transform(LABELS),
    "measure": lambda folder: MicrostructureMetrics(60).fit_transform(LAZY),
    "folder": lambda folder: write_stack(LAZY, folder / "core"),
    "file": lambda folder: write_stack(LAZY, folder / "core.tif"),
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("icecoreseg._progress._PATIENCE", 1e-9)
    monkeypatch.setattr("icecoreseg._progress.tqdm", partial(tqdm, mininterval=0))
    monkeypatch.delenv(SWITCH, raising=False)


@pytest.mark.parametrize("name", CALLS)
def test_one_switch(tmp_path, capsys, name):
    """Nothing in a script whose output goes to a file; a bar on demand; nothing when off."""
    CALLS[name](tmp_path / "a")
    assert capsys.readouterr().err == ""
    with progress_bars(True):
        CALLS[name](tmp_path / "b")
    shown = capsys.readouterr().err
    assert "6/6" in shown
    assert "slice/s" in shown


def test_a_terminal_sees_bars_unless_they_are_off(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    CALLS["measure"](tmp_path)
    assert "slice/s" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bars(False):
        CALLS["measure"](tmp_path)
        CALLS["folder"](tmp_path)
    assert capsys.readouterr().err == ""


def test_short_calls_draw_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("icecoreseg._progress._PATIENCE", 1000.0)
    with progress_bars(True):
        CALLS["measure"](tmp_path)
    assert capsys.readouterr().err == ""
