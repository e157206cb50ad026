"""Other libraries on the same volumes, where they are installed."""

import warnings

import numpy as np
import pytest
from analytic_shapes import gaussian_field

from icecoreseg.microstructure import local_thickness


def test_local_thickness_is_that_of_porespy():
    """PoreSpy rounds radii down to whole voxels: half a voxel of radius on average."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        porespy = pytest.importorskip("porespy")
        y = (gaussian_field((60, 60, 60), 3, seed=1) > 0.2).astype(np.uint8)
        radius = porespy.filters.local_thickness_dt(y.astype(bool), sizes=np.arange(1, 15))
    theirs = 2 * np.asarray(radius)[y == 1] + 1
    assert local_thickness(y, 1000)[y == 1].mean() == pytest.approx(theirs.mean(), rel=0.03)
