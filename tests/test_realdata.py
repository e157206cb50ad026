"""Real scans, where they are: the folder ICECORESEG_REALDATA or ../shared/realdata.

The scans come from public repositories; each folder there tells where from, and what
is exact and what reconstructed. Nothing of them is part of this project.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from icecoreseg import ICE, CoreMasker, GMMLabeler, SpeckleFilter, open_stack
from icecoreseg.preprocessing import core_mask

DEFAULT = Path(__file__).parents[1] / ".." / "shared" / "realdata"
FOLDER = Path(os.environ.get("ICECORESEG_REALDATA") or DEFAULT)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no real scans on this machine"),
]


PAPER = {
    "smoothing": (0, 1.1, 1.1),
    "sharpening": 0,
    "anchor_strength": 0,
    "prior": "mixture",
    "tol": 1e-3,
}


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def firn():
    """A 60 um slice of the paper's firn with core edge, gap and tube, and its labels."""
    return np.load(FOLDER / "awi_firn" / "firn60um.npz")


@pytest.fixture(scope="module")
def sandstone():
    """Ten slices of a rock core in a sleeve, and the classes of nine of them."""
    folder = FOLDER / "sandstone_versa"
    masks = open_stack(folder / "masks" / "*_classes0123.png")
    return open_stack(folder / "images", slab=4), masks


def test_slices_open(sandstone):
    X, classes = sandstone
    assert X.shape == (10, 1024, 996)
    assert X.dtype == np.uint8
    assert classes.shape == (9, 1024, 996)
    slice_ = open_stack(FOLDER / "awi_firn" / "firn60um_gray_inpainted.png")
    assert slice_.shape == (1, 333, 626)
    palette = FOLDER / "snowex_crrel_snow" / "2n13_139-137cm_20um_slice0253_original.png"
    snow = open_stack(palette)[0].compute() > 0
    assert np.array_equal(snow, np.load(FOLDER / "snowex_crrel_snow" / "slice0253.npz")["ice"])


def test_firn_core_is_found(firn):
    """A cut-out with an arc of the edge: inside is specimen, the tube is not."""
    mask = core_mask(firn["gray"][np.newaxis])[0]
    assert overlap(mask, firn["core_region"]) > 0.99
    assert (mask & firn["core_region"]).sum() > 0.999 * firn["core_region"].sum()
    tube = np.zeros_like(mask)
    tube[:, 600:], tube[:180, 570:] = True, True
    assert not (mask & tube).any()


@pytest.mark.parametrize("paper", [True, False], ids=["as in the paper", "default"])
def test_firn_labels_are_the_papers(firn, paper):
    """Against the paper's own GMM mask, where its figure shows both grey value and label."""
    recipe = PAPER if paper else {}
    X = firn["gray"][np.newaxis]
    labels = make_pipeline(CoreMasker(), GMMLabeler(**recipe)).fit(X).transform(X)[0]
    known = firn["core_region"] & ~firn["inpainted"] & ~firn["gmm_undetermined"]
    ice, truth = labels[known] == ICE, firn["mask_gmm"][known]
    assert overlap(ice, truth) > 0.99
    assert overlap(~ice, ~truth) > 0.97


def test_sandstone_core_in_its_sleeve(sandstone):
    """A dark, ragged sleeve and grains brighter than it: the round core is found.

    The slices lie fifty apart, so that each stands for itself: none shows another's outline.
    """
    X, classes = sandstone
    masker = CoreMasker().fit(X)
    alone = [masker.transform(X[n : n + 1]).compute() for n in range(X.shape[0])]
    mask = ~np.isnan(np.concatenate(alone))
    with_classes = np.delete(mask, 4, axis=0)  # the fifth slice has other classes
    rock = classes.compute() > 0
    assert (with_classes & rock).sum() > 0.998 * rock.sum()
    assert rock.sum() > 0.88 * with_classes.sum()
    assert np.ptp(masker.report_["radius"]) < 15


def test_labels_of_bubbly_ice():
    data = np.load(FOLDER / "awi_bubbly_3dunet" / "awi_bubbly_3dunet.npz")
    X, truth = data["slice0_highres60um_gray"], data["slice0_highres60um_mask"] > 0
    known = data["slice0_highres60um_mask_wellposed"] & data["slice0_highres60um_gray_wellposed"]
    labels = GMMLabeler(outside=0).fit_transform(X[np.newaxis])[0]
    assert overlap((labels == ICE)[known], truth[known]) > 0.98
    assert overlap((labels != ICE)[known], ~truth[known]) > 0.96


@pytest.mark.parametrize(
    ("core", "low", "high"),
    [("kohnen_snow", 0.25, 0.45), ("tedrist_firn", 0.72, 0.86), ("exs5_ice", 0.93, 0.999)],
)
def test_panels_of_the_three_cores(core, low, high):
    """Cut-outs of the paper's cores: both resolutions agree, near the cores' ice fractions."""
    fractions = []
    for resolution in ("30um", "60um"):
        path = FOLDER / "awi_firn" / "panels_downsampled" / f"{core}_{resolution}_gray.png"
        X = open_stack(path).compute()
        assert core_mask(X).mean() > 0.99  # all of it is specimen
        fractions.append((GMMLabeler().fit(X).transform(X) == ICE).mean())
    assert low < min(fractions)
    assert max(fractions) < high
    assert abs(fractions[0] - fractions[1]) < 0.02


def test_speckle_filter_leaves_clean_slices_alone(firn, sandstone):
    for X in (firn["gray"][np.newaxis], sandstone[0][:1].compute()):
        filtered = SpeckleFilter().fit_transform(X)
        assert (filtered == X).mean() > 0.999
        salted = X.copy()
        salted[:, 7::40, 7::40] = 255
        dark = X[:, 7::40, 7::40] < 150
        restored = SpeckleFilter().fit_transform(salted)[:, 7::40, 7::40]
        assert np.abs(restored[dark].astype(int) - X[:, 7::40, 7::40][dark]).mean() < 15
