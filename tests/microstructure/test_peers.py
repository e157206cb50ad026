"""Other libraries on the same volumes, where they are installed."""

import warnings

import numpy as np
import pytest
from analytic_shapes import gaussian_field

from icecoreseg import AIR, OUTSIDE
from icecoreseg.microstructure import local_thickness, permeability


def test_local_thickness_is_that_of_porespy():
    """PoreSpy rounds radii down to whole voxels: half a voxel of radius on average."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        porespy = pytest.importorskip("porespy")
        y = (gaussian_field((60, 60, 60), 3, seed=1) > 0.2).astype(np.uint8)
        radius = porespy.filters.local_thickness_dt(y.astype(bool), sizes=np.arange(1, 15))
    theirs = 2 * np.asarray(radius)[y == 1] + 1
    assert local_thickness(y, 1000)[y == 1].mean() == pytest.approx(theirs.mean(), rel=0.03)


def _tube(radius, axis, shift=(0.2, 0.4)):
    place = np.moveaxis(np.mgrid[:40, :40], 0, -1) - 19.5 - shift
    tube = ((place**2).sum(axis=-1) >= radius**2).astype(np.uint8)  # air in ice
    return np.moveaxis(np.broadcast_to(tube, (50, 40, 40)), 0, axis)


def test_permeability_of_a_tube_is_that_of_hagen_poiseuille():
    """K = pi r^4 / (8 A), in any direction and unit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("porespy")
        pytest.importorskip("openpnm")
        for axis, radius in ((0, 12), (2, 16)):
            exact = np.pi * radius**4 / 8 / 40**2 * 50e-6**2
            found = permeability(_tube(radius, axis), 50, axis=axis)
            assert found == pytest.approx(exact, rel=0.12)


def test_permeability_needs_its_libraries_and_a_box():
    assert permeability(_tube(6, 0), 50, axis=1) == 0
    outside = np.where(_tube(6, 0) == AIR, AIR, OUTSIDE).astype(np.uint8)
    with pytest.raises(ValueError, match="inside the specimen"):
        permeability(outside, 50)
    try:
        import openpnm  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pip install porespy openpnm"):
            permeability(_tube(6, 0), 50)
