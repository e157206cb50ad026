"""One table of several labelers."""

import sys

import numpy as np
import pytest

from icecoreseg import GMMLabeler, MassThresholdLabeler, ThresholdLabeler, compare_labelers
from icecoreseg.datasets import make_ice_core
from icecoreseg.metrics import dice_score, mass_error, voxel_accuracy


@pytest.fixture(scope="module")
def firn():
    core = make_ice_core("firn", n_slices=2, n_columns=48, random_state=0)
    return core, np.where(core.mask_low, core.low, np.nan).astype(np.float32)


def test_the_table_holds_the_scores_of_each_labeler(firn):
    core, X = firn
    labelers = {"Otsu": ThresholdLabeler(), "mixture": GMMLabeler()}
    table = compare_labelers(labelers, X, core.labels_low)
    assert list(table["labeler"]) == ["Otsu", "mixture"]
    for row, labeler in enumerate(labelers.values()):
        labels = labeler.fit_transform(X)
        for column, score in {
            "accuracy": voxel_accuracy(core.labels_low, labels),
            "dice_ice": dice_score(core.labels_low, labels),
            "dice_air": dice_score(core.labels_low, labels, positive=0),
            "ice_fraction": (labels[core.mask_low] == 1).mean(),
        }.items():
            assert table[column][row] == pytest.approx(score)
        ratio = np.sum(labels == 1) / np.sum(core.labels_low == 1)
        assert table["mass_error_percent"][row] == pytest.approx(100 * (ratio - 1))
        assert table["seconds_per_slice"][row] > 0


def test_the_given_labelers_stay_unfitted(firn):
    labeler = GMMLabeler()
    compare_labelers([labeler], firn[1], firn[0].labels_low)
    assert not hasattr(labeler, "means_")


def test_mass_against_the_balance(firn):
    core, X = firn
    weighed = {"weighed_mass_g": core.mass_g, "voxel_size_um": core.voxel_size_um}
    labeler = MassThresholdLabeler(**weighed)
    table = compare_labelers([labeler, ThresholdLabeler()], X, core.labels_low, **weighed)
    assert table["mass_error_percent"][0] == pytest.approx(labeler.fit(X).mass_error_)
    error = mass_error(
        ThresholdLabeler().fit_transform(X), core.mass_g, voxel_size_um=core.voxel_size_um
    )
    assert table["mass_error_percent"][1] == pytest.approx(error)


def test_without_pandas_it_is_a_structured_array(firn, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = compare_labelers(
        [ThresholdLabeler(), ThresholdLabeler(50.0)], firn[1], firn[0].labels_low
    )
    assert isinstance(table, np.ndarray)
    assert table["labeler"].tolist() == ["ThresholdLabeler()", "ThresholdLabeler(method=50.0)"]


def test_refusals(firn):
    core, X = firn
    with pytest.raises(ValueError, match="at least one labeler"):
        compare_labelers({}, X, core.labels_low)
    with pytest.raises(ValueError, match="given more than once"):
        compare_labelers([GMMLabeler(), GMMLabeler()], X, core.labels_low)
    with pytest.raises(ValueError, match="X has shape"):
        compare_labelers([GMMLabeler()], X[:1], core.labels_low)
    with pytest.raises(ValueError, match="must be given together"):
        compare_labelers([GMMLabeler()], X, core.labels_low, weighed_mass_g=1.0)
