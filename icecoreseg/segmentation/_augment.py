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
    x, target : arrays of shape (size, size)
        Network input (float32) and ice fraction; NaN where void.
    gain, offset, noise : float
        Standard deviations of the logarithm of a factor, of a shift, and (as the upper
        end of a uniform draw) of white noise.

    Returns
    -------
    x, target : arrays of shape (size, size)

    Examples
    --------
    >>> x = np.arange(4, dtype=np.float32).reshape(2, 2)
    >>> seen = {augment(np.random.default_rng(seed), x, x, gain=0, offset=0)[0].tobytes()
    ...         for seed in range(200)}
    >>> len(seen)  # the eight symmetries
    8
    """
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    x, target = (np.rot90(patch, turns) for patch in (x, target))
    if flip:
        x, target = x[:, ::-1], target[:, ::-1]
    x = x * np.float32(np.exp(gain * rng.standard_normal()))
    x += np.float32(offset * rng.standard_normal())
    if noise:
        sd = np.float32(noise * rng.random())
        x += sd * rng.standard_normal(x.shape, dtype=np.float32)
    return x, target
