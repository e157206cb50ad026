"""Random changes of a patch that leave its labels right."""

import numpy as np


def augment(rng, x, target, *, gain=0.05, offset=0.05, noise=0.0):
    """Flip, turn and re-light a patch.

    Cores are round and lie in the scanner at any angle, so the eight symmetries of the
    square cost nothing. Gain, offset and noise stand for other tube settings and other
    cores; they are in units of the grey values' standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    x : array of shape (size, size) or (n_channels, size, size)
        Network input (float32), NaN where void. Neighbouring slices are channels; they are
        changed alike, and half of the time they change sides: a core has no up and down.
    target : array of shape (size, size)
        Ice fraction, NaN where void.
    gain, offset, noise : float
        Standard deviations of the logarithm of a factor, of a shift, and (as the upper
        end of a uniform draw) of white noise.

    Returns
    -------
    x, target : arrays of the same shapes

    Examples
    --------
    >>> x = np.arange(4, dtype=np.float32).reshape(2, 2)
    >>> seen = {augment(np.random.default_rng(seed), x, x, gain=0, offset=0)[0].tobytes()
    ...         for seed in range(200)}
    >>> len(seen)  # the eight symmetries
    8
    """
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    x, target = (np.rot90(patch, turns, axes=(-2, -1)) for patch in (x, target))
    if flip:
        x, target = x[..., ::-1], target[:, ::-1]
    if x.ndim == 3 and len(x) > 1 and rng.integers(2):
        x = x[::-1]
    x = x * np.float32(np.exp(gain * rng.standard_normal()))
    x += np.float32(offset * rng.standard_normal())
    if noise:
        sd = np.float32(noise * rng.random())
        x += sd * rng.standard_normal(x.shape, dtype=np.float32)
    return x, target
