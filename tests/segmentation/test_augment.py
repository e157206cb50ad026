"""Changes of grey values: what they do to one patch of a batch, and to no other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from icecoreseg.segmentation._augment import Augmentation, blurred, draw_changes, relit

ALL = Augmentation(gain=0.1, offset=0.2, gamma=0.1, blur=1.0, noise=0.3)


@pytest.fixture
def x():
    """A batch (3, 2, 12, 12) with a void corner."""
    values = np.random.default_rng(0).normal(size=(3, 2, 12, 12)).astype(np.float32)
    values[:, :, :4, :3] = np.nan
    return torch.from_numpy(values)


def draw(shape, seed=0, **amount):
    none = dict.fromkeys(("gain", "offset", "gamma", "blur", "noise"), 0.0)
    return draw_changes(np.random.default_rng(seed), shape, Augmentation(**(none | amount)))


def test_nothing_asked_nothing_changed(x):
    torch.testing.assert_close(relit(x, draw(x.shape)), x, rtol=0, atol=0, equal_nan=True)


def test_gain_and_offset_are_a_line_per_patch(x):
    changes = draw(x.shape, gain=0.5, offset=0.5)
    found = relit(x, changes).numpy()
    for i in range(3):
        inside = ~np.isnan(x[i].numpy())
        slope, intercept = np.polyfit(x[i].numpy()[inside], found[i][inside], 1)
        assert slope == pytest.approx(changes.gain[i], rel=1e-4)
        assert intercept == pytest.approx(changes.offset[i], abs=1e-4)
    assert len(set(changes.gain)) == len(set(changes.offset)) == 3


def test_gamma_is_a_power_where_grey_values_are_logarithms(x):
    changes = draw(x.shape, gamma=0.2)
    power = changes.gamma.reshape(-1, 1, 1, 1)
    expected = (np.exp(x.numpy()) ** power - 1) / power
    np.testing.assert_allclose(relit(x, changes).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_blur_is_that_of_scipy(x):
    """Over what is not void: both are blurred by scipy, and divided."""
    sigma = np.array([0.6, 1.0, 1.7])
    found = blurred(x, sigma).numpy()
    for i, channel in np.ndindex(3, 2):
        image = x[i, channel].numpy().astype(float)
        inside = ~np.isnan(image)
        options = {"mode": "constant", "radius": int(3 * sigma.max())}
        values, weight = (
            ndimage.gaussian_filter(part, sigma[i], **options)
            for part in (np.where(inside, image, 0.0), inside.astype(float))
        )
        expected = np.where(inside, values / weight, np.nan)
        np.testing.assert_allclose(found[i, channel], expected, rtol=1e-4, atol=1e-5)


def test_noise_has_the_standard_deviation_that_was_drawn():
    x = torch.zeros(4, 1, 64, 64)
    changes = draw(x.shape, noise=0.5)
    found = relit(x, changes).std(dim=(1, 2, 3)).numpy()
    np.testing.assert_allclose(found, changes.noise.std(axis=(1, 2, 3)), rtol=1e-2)
    assert found.max() < 0.55
    assert found.max() > 2 * found.min()


def test_void_stays_void_and_the_input_stays(x):
    before, changes = x.clone(), draw_changes(np.random.default_rng(0), x.shape, ALL)
    found = relit(x, changes)
    assert torch.equal(found.isnan(), x.isnan())
    torch.testing.assert_close(x, before, rtol=0, atol=0, equal_nan=True)


def test_a_share_of_the_batch_is_changed_as_in_the_batch(x):
    """Processes that share a batch draw all of it, and keep their part."""
    changes = draw_changes(np.random.default_rng(0), x.shape, replace(ALL, blur=0.0))
    part = relit(x[1:], changes.of(slice(1, None)))
    torch.testing.assert_close(part, relit(x, changes)[1:], equal_nan=True)
