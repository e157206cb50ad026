"""Random changes of a patch that leave its labels right."""

import numpy as np


def augment(rng, x, target, *, gain=0.1, offset=0.1, noise=0.0):
    """Flip, turn and re-light each patch of a batch.

    Cores are round and lie in the scanner at any angle, so the eight symmetries of the
    square cost nothing. Gain, offset and noise stand for other tube settings and other
    cores; they are in units of the grey values' standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    x, target : arrays of shape (n, size, size)
        Network input and ice fraction; NaN where void.
    gain, offset, noise : float
        Standard deviations of the logarithm of a factor, of a shift, and (as the upper
        end of a uniform draw) of white noise.

    Returns
    -------
    x, target : contiguous arrays of shape (n, size, size)

    Examples
    --------
    >>> x = np.arange(4.0, dtype=np.float32).reshape(1, 2, 2)
    >>> seen = {augment(np.random.default_rng(seed), x, x, gain=0, offset=0)[0].tobytes()
    ...         for seed in range(200)}
    >>> len(seen)  # the eight symmetries
    8
    """
    x, target = x.copy(), target.copy()
    for i in range(len(x)):
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        for stack in (x, target):
            patch = np.rot90(stack[i], turns)
            stack[i] = patch[:, ::-1].copy() if flip else patch.copy()
    size = (len(x), 1, 1)
    x *= np.exp(gain * rng.standard_normal(size)).astype(np.float32)
    x += (offset * rng.standard_normal(size)).astype(np.float32)
    if noise:
        sd = (noise * rng.random(size)).astype(np.float32)
        x += sd * rng.standard_normal(x.shape, dtype=np.float32)
    return x, target
