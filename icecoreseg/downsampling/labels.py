r"""From labels of the fine scan to labels of the coarse one.

The low-resolution scan of the paper comes from projections averaged 2 x 2, so that
one of its voxels covers exactly ``2 x 2 x 2`` voxels of the high-resolution scan. The
mean of their labels is the *ice fraction* of the coarse voxel; compared with 0.5 it
is a label again [1]_.

An exact half - 4 of 8 voxels - is common in snow: 3 to 6 % of the voxels. The paper
sends such ties to air and so loses 4 to 9 % of the ice [2]_; sending them to ice gains about
as much. What surrounds the block in its own slices is a better judge.

References
----------
.. [1] Bagherzadeh et al. (2023), section III-B, doi:10.1109/TGRS.2023.3334867
.. [2] Measured on level-cut Gaussian fields; see the user guide, "Downsampling".
"""

import numpy as np

from icecoreseg._slabs import map_slabs
from icecoreseg._typing import Stack
from icecoreseg._validation import (
    check_choice,
    check_positive_int,
    check_stack,
)
from icecoreseg.downsampling._blocks import fractions
from icecoreseg.downsampling._rule import TIES, Rule, balance_ties, keep_porosity


def downsample_labels(
    labels: Stack,
    factor: int | tuple[int, int, int] = 2,
    *,
    threshold=0.5,
    ties: str = "surroundings",
):
    """Average labels (or ice fractions) over blocks, and label the means.

    Parameters
    ----------
    labels : array of shape (n_slices, n_rows, n_columns)
        Labels (AIR, ICE, OUTSIDE) or ice fractions in [0, 1] with NaN outside; every
        axis a multiple of its factor. numpy or dask.
    factor : int or (int, int, int)
        Voxels per block along (z, y, x).
    threshold : float, "porosity" or None
        A block is ice where its ice fraction exceeds the threshold. "porosity" looks for
        the threshold that keeps the stack's ice fraction (see `MaskDownsampler`, which also
        keeps it for other stacks); lazy labels are computed for that. None
        returns the fractions themselves: soft labels, which lose no mass.
    ties : {"surroundings", "balanced", "ice", "air"}
        What happens to a block whose fraction equals the threshold. "air" is the
        paper's rule. "surroundings" asks the block together with the voxels that touch
        it in the same slices (a tie there goes to ice). "balanced" makes as many ties ice as
        keep the stack's ice fraction, those with most ice around them (see
        `MaskDownsampler`, which also does it for other stacks).

    Returns
    -------
    array of shape (n_slices // fz, n_rows // fy, n_columns // fx)
        uint8 labels, or float32 fractions with NaN outside. A block is OUTSIDE if more
        than half of its voxels are; else the fraction is taken over those inside.

    Raises
    ------
    ValueError
        If an axis is no multiple of its factor, if the threshold is not in (0, 1), or if
        labels hold other values.

    Examples
    --------
    The mean of the fractions is the mean of the labels: no ice is lost.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, size=(4, 6, 8), dtype=np.uint8)
    >>> fraction = downsample_labels(labels, threshold=None)
    >>> fraction.shape, bool(np.isclose(fraction.mean(), labels.mean()))
    ((2, 3, 4), True)
    """
    labels = as_stack(labels)
    factor = check_factor(factor, labels.shape)
    check_rule(threshold, ties)
    if threshold is None:
        return _map(lambda piece: fractions(piece, factor), labels, factor, np.float32)
    rule = Rule(threshold, ties)
    if threshold == "porosity" or ties == "balanced":
        rule = learn_rule(labels, factor, threshold, ties)
    return apply_rule(labels, factor, rule)


def learn_rule(labels, factor, threshold, ties):
    """The rule that keeps the ice fraction of a checked stack, by its threshold or its ties."""
    if threshold == "porosity":
        return keep_porosity(labels, factor, ties)
    return balance_ties(labels, factor, threshold)


def apply_rule(labels, factor, rule):
    """Labels of the blocks of a checked stack."""
    return _map(lambda piece: rule.label(piece, factor), labels, factor, np.uint8)


def _map(reduce, labels, factor, dtype):
    """Apply a function to the fine slices of every coarse slice."""
    tail = tuple(n // f for n, f in zip(labels.shape[1:], factor[1:], strict=True))

    def work(slab):
        coarse = [reduce(piece) for piece in np.split(slab, len(slab) // factor[0])]
        return np.stack(coarse) if len(coarse) > 1 else coarse[0][np.newaxis]  # not a copy

    return map_slabs(work, labels, dtype=dtype, tail=tail, factor=factor[0])


def as_stack(labels):
    """Labels or fractions as a 3-D array; their values are checked where they are added."""
    labels = check_stack(labels, name="labels", kinds="ufib")
    return labels.astype(np.int16) if labels.dtype == np.int8 else labels  # which holds OUTSIDE


def check_factor(factor, shape):
    """Voxels per block as (z, y, x), or a ValueError if they do not fit the shape."""
    factors = (factor,) * 3 if np.ndim(factor) == 0 else tuple(factor)
    if len(factors) != 3:
        raise ValueError(f"factor must be one integer or three (z, y, x), got {factor!r}.")
    for axis, (n, f) in enumerate(zip(shape, factors, strict=True)):
        check_positive_int(f, name="factor")
        if n % f:
            raise ValueError(
                f"Axis {axis} of labels has length {n}, which is no multiple of factor {f}; "
                f"crop the stack to {n // f * f}."
            )
    return factors


def check_rule(threshold, ties):
    """Raise ValueError for an unknown threshold or tie rule."""
    check_choice(ties, TIES, name="ties")
    if threshold is None or (isinstance(threshold, str) and threshold == "porosity"):
        return
    if isinstance(threshold, str) or not 0 < threshold < 1:
        raise ValueError(
            f'threshold must lie in (0, 1), or be "porosity" or None; got {threshold!r}.'
        )
