"""What a fit of mixtures says of itself: which slices not to trust."""

import warnings

import numpy as np

LEAST_SEPARATION = 2.0
"""Distance of the phases in standard deviations below which labels are not to be trusted.

On simulated scans, smoothed as by default, slices with two phases have 2.4 and more (3.2 and more
at 96 columns); mixtures that split one phase in the middle of its noise have 0.3 to 1.7.
"""


def warn_of_late(slices, max_iter):
    """Warn of slices (their numbers) whose fit did not converge, if there are any."""
    if slices.size:
        warnings.warn(
            f"The mixture did not converge within {max_iter} steps in the slices "
            f"{_some(slices)}; raise max_iter or tol.",
            stacklevel=4,
        )


def warn_of_overlap(separation):
    """Warn of slices whose phases overlap too much to be told apart.

    Parameters
    ----------
    separation : array of shape (n_slices,)
        Distance of the outer means in standard deviations; NaN where there was no fit.
    """
    doubtful = np.flatnonzero(separation < LEAST_SEPARATION)
    if doubtful.size:
        warnings.warn(
            f"The two phases are less than {LEAST_SEPARATION:g} standard deviations apart in the "
            f"slices {_some(doubtful)} (separation_): their labels may be noise. Is there only one "
            "phase, or too little smoothing?",
            stacklevel=4,
        )


def _some(slices):
    """At most ten numbers, as text."""
    return f"{slices[:10].tolist()}{' ...' if slices.size > 10 else ''}"
