"""The ONNX file gives what the segmenter gives, run by onnx's own reference implementation."""

import json
import sys

import numpy as np
import pytest

from icecoreseg import UNetSegmenter
from tests.segmentation.conftest import make_core, tiny_unet


def windows(X, context_slices):
    """Every slice between its neighbours, the first and last standing in for missing ones."""
    n = len(X)
    steps = np.arange(-context_slices, context_slices + 1)
    return X[np.clip(np.arange(n)[:, np.newaxis] + steps, 0, n - 1)].astype(np.float32)


@pytest.mark.parametrize(("context_slices", "outside"), [(0, 0), (1, np.nan)])
def test_reference_runtime_agrees(tmp_path, context_slices, outside):
    """Any number of slices, any multiple of the stride, outside values of both kinds."""
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    X, y = make_core(seed=0)
    X = np.where(X == 0, np.float32(outside), X)
    model = tiny_unet(batches_per_epoch=5, context_slices=context_slices, outside=outside)
    path = tmp_path / "new" / "model.onnx"
    model.fit(X, y).export_onnx(path)
    session = reference.ReferenceEvaluator(str(path))
    for stack in (X, make_core(seed=1, shape=(1, 16, 64))[0]):
        (fraction,) = session.run(None, {"grey": windows(stack, context_slices)})
        expected = model.predict_fraction(stack.astype(np.float32))
        np.testing.assert_allclose(fraction[:, 0], expected, atol=1e-5)
    metadata = {entry.key: entry.value for entry in session.proto_.metadata_props}
    assert json.loads(metadata["icecoreseg"])["grey_scale"]["mean"] == model.grey_scale_.mean
    assert json.loads(metadata["classes"]) == {"air": 0, "ice": 1}
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


def test_without_the_exporter_it_is_said(fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"pip install 'icecoreseg\[onnx\]'"):
        fitted.export_onnx(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not fitted"):
        UNetSegmenter().export_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
