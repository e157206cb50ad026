"""Ice fraction, density, mass; the density of ice; mass budget; close-off."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from icecoreseg import ICE, OUTSIDE
from icecoreseg.microstructure import (
    close_off_density,
    density,
    goujon_closed_porosity,
    ice_density,
    ice_fraction,
    ice_mass,
    mass_budget,
    porosity,
)

# IAPWS R10-06(2009), as computed by the Gibbs-SeaWater library (gsw.rho_ice).
IAPWS = {0: 916.72, -5: 917.45, -10: 918.17, -15: 918.87, -20: 919.57, -30: 920.92, -40: 922.22}
IAPWS |= {-50: 923.47, -55: 924.07}


@pytest.mark.parametrize(("temperature", "expected"), IAPWS.items())
def test_ice_density_is_iapws(temperature, expected):
    assert ice_density(temperature) == pytest.approx(expected, abs=0.006)


def test_ice_density_at_the_check_point_of_the_release():
    """Table 6 of the release: dg/dp = 0.109084388214e-2 m3/kg at 273.152519 K, 101325 Pa."""
    assert ice_density(273.152519 - 273.15) == pytest.approx(1 / 0.109084388214e-2, rel=1e-9)


@pytest.mark.parametrize("temperature", [258.15, 1.0, np.nan, -300])
def test_temperatures_that_ice_cannot_have(temperature):
    with pytest.raises(ValueError, match="degrees Celsius"):
        ice_density(temperature)


@pytest.mark.filterwarnings("ignore:The labels hold AIR")
@settings(deadline=None, max_examples=30)
@given(arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 255])))
def test_fractions_of_labels_agree_with_numpy(y):
    inside = y != OUTSIDE
    if not inside.any():
        assert np.isnan(ice_fraction(y))
        return
    assert ice_fraction(y) == pytest.approx((y[inside] == ICE).mean())
    soft = np.where(inside, y, np.nan).astype(np.float32)
    assert ice_fraction(soft) == ice_fraction(y)
    assert porosity(da.from_array(y, chunks=(2, 4, 5))) == pytest.approx(1 - ice_fraction(y))
    np.testing.assert_array_equal(
        ice_fraction(y, per_slice=True),
        [ice_fraction(image[np.newaxis]) for image in y],
    )


def test_mass_of_the_paper_specimens_has_the_right_size():
    """Table I of the paper: geometry and weight give 337 kg m-3 for the snow core."""
    volume_m3 = np.pi / 4 * 0.1**2 * 0.15
    ice = 397.1e-3 / volume_m3 / ice_density(-15)
    y = np.full((50, 60, 60), ice)
    edge_um = 1e6 * (volume_m3 / y.size) ** (1 / 3)
    assert ice_mass(y, edge_um) == pytest.approx(397.1)
    assert density(y) == pytest.approx(337, abs=0.5)


def test_per_slice_masses_add_up():
    y = np.random.default_rng(0).integers(0, 2, (5, 6, 7), dtype=np.uint8)
    masses = ice_mass(y, (50, 30, 30), per_slice=True)
    assert masses.sum() == pytest.approx(ice_mass(y, (50, 30, 30)))


def test_interface_offset_of_a_ball_made_too_large():
    """A ball of radius 20.5 for one of 20: half a voxel too thick."""
    place = np.stack(np.meshgrid(*[np.arange(-25, 26)] * 3))
    y = ((place**2).sum(axis=0) < 20.5**2).astype(np.uint8)
    weighed = 4 / 3 * np.pi * 20**3 * 1e-9 * 0.06**3 / 0.06**3 * 917e3 * 0.06**3
    budget = mass_budget(y, weighed, 60, ice_density_kg_m3=917, balance_error_g=1e-6)
    assert budget["interface_offset_voxels"] == pytest.approx(0.5, rel=0.05)
    assert budget["interface_offset_um"] == pytest.approx(30, rel=0.05)
    assert budget["mass_error_percent"] == pytest.approx(100 * (20.5**3 / 20**3 - 1), rel=0.02)
    assert budget["u_segmentation_percent"] == pytest.approx(100 * 3 * 0.1 / 20, rel=0.1)
    parts = [v for k, v in budget.items() if k.startswith("u_") and "total" not in k]
    assert budget["u_total_percent"] == pytest.approx(np.sqrt(np.sum(np.square(parts))))


def test_close_off_reference_values():
    """218.65 K -> 834, 242 K -> 823, 250 K -> 819 kg m-3 with 917 for ice (firn models)."""
    kelvin = np.array([218.65, 242, 250])
    np.testing.assert_allclose(close_off_density(kelvin - 273.15), [834, 823, 819], atol=0.6)
    phi = np.linspace(0.02, 0.4, 50)
    closed = goujon_closed_porosity(phi, 0.1)
    assert (closed <= phi).all()
    np.testing.assert_array_equal(closed[phi < 0.085], phi[phi < 0.085])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full((1, 2, 2), 3, np.uint8), r"\[3\]"),
        (np.full((1, 2, 2), 1.5), "fractions"),
        (np.zeros((2, 2), np.uint8), "single slice"),
        (da.full((2, 2, 2), 7, chunks=1, dtype=np.uint8), r"\[7\]"),
    ],
)
def test_refused_stacks(y, message):
    with pytest.raises(ValueError, match=message):
        ice_fraction(y)


@pytest.mark.parametrize("voxel_size_um", [0, -1, (1, 2), "60 um", None])
def test_refused_voxel_sizes(voxel_size_um):
    with pytest.raises(ValueError, match="voxel_size_um"):
        ice_mass(np.ones((1, 2, 2), np.uint8), voxel_size_um)


def test_refused_ice_density():
    with pytest.raises(ValueError, match="ice_density_kg_m3"):
        density(np.ones((1, 2, 2), np.uint8), ice_density_kg_m3=-1)
