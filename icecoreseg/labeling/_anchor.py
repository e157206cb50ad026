"""What slices borrow from their stack: two phases, where they show only one of their own.

A slice of almost pure ice has no second peak: fitted alone, the mixture splits the ice in the
middle of its noise. A blank slice, or one with a bright artefact, is split in other
wrong places. All slices of a stack come from one scanner, so that the distance of the
two phases and their noise are common; the brightness may drift, from slice to slice by little.
"""

from dataclasses import replace

import numpy as np

from icecoreseg.labeling._quality import LEAST_SEPARATION, smooth_peak
from icecoreseg.labeling.mixture import Mixture

LIKE_CONTRAST = (0.6, 1.6)
"""Distance of the phases of a slice, in that of its stack, within which it is believed."""

NEXT_CONTRAST = (0.8, 1.25)
"""The same, between slices that drift together. Contrast drifts by small steps; slices of hardly
any air, split in the flank of their ice, have 0.3 to 0.6 of the contrast of the next."""

LIKE_POSITION = 0.75
"""How far the middle of the phases may move from slice to stack, in their distance."""

NEAR = 0.2
"""How far the peak of a slice of one phase may lie from that phase in the stack, in contrasts."""

PINNED = 1e6
"""Anchor strength that leaves only the weights of a mixture free."""


def typical_mixture(mixtures):
    """Median of the clear mixtures of a stack, or None if no slice has two clear phases.

    Parameters
    ----------
    mixtures : list of Mixture or None
        Every slice fitted alone. Those whose phases lie at least half as far apart (d') as in
        the clearest tenth count.

    Returns
    -------
    Mixture or None
    """
    clear = [m for m in mixtures if m is not None and m.separation >= LEAST_SEPARATION]
    if not clear:
        return None
    least = np.quantile([m.separation for m in clear], 0.9) / 2
    clear = [m for m in clear if m.separation >= least]
    weights, means, variances = (
        np.median([getattr(m, name) for m in clear], axis=0)
        for name in ("weights", "means", "variances")
    )
    return Mixture(weights / weights.sum(), means, variances)


def agrees(mixture, anchor, like=LIKE_CONTRAST):
    """Whether a slice, fitted alone, shows the two phases of its stack, or of another slice."""
    if mixture is None or mixture.separation < LEAST_SEPARATION:
        return False
    contrast = np.ptp(anchor.means)
    moved = abs(_middle(mixture) - _middle(anchor))
    low, high = like
    return low <= np.ptp(mixture.means) / contrast <= high and moved <= LIKE_POSITION * contrast


def known_phases(mixtures, anchor):
    """Grey levels of air and ice of all slices that show the phases of their stack.

    Parameters
    ----------
    mixtures : list of Mixture or None
        Every slice fitted alone, in the order of the stack.
    anchor : Mixture
        That of the stack.

    Returns
    -------
    array of shape (n_known, 2)
        Slices count that agree with the anchor, or closely with the next slice, up or down the
        core, that counts: brightness and contrast that drift are followed.
    """
    known = [agrees(mixture, anchor) for mixture in mixtures]
    for order in (range(len(mixtures)), range(len(mixtures) - 1, -1, -1)):
        last = anchor
        for k in order:
            known[k] = known[k] or agrees(mixtures[k], last, NEXT_CONTRAST)
            last = mixtures[k] if known[k] else last
    levels = [m.means[[0, -1]] for m, is_known in zip(mixtures, known, strict=True) if is_known]
    return np.array(levels).reshape(-1, 2)


def follow(anchor, alone, phases):
    """The anchor, or it with the known grey levels nearest to a slice: what that agrees with."""
    if agrees(alone, anchor):
        return anchor
    if alone is None or len(phases) == 0:
        return None
    nearest = np.argmin(np.abs(phases - alone.means[[0, -1]]).sum(axis=1))
    moved = _with_phases(anchor, *phases[nearest])
    return moved if agrees(alone, moved) else None


def _with_phases(anchor, air, ice):
    scale = (ice - air) / np.ptp(anchor.means)
    means = air + scale * (anchor.means - anchor.means[0])
    return replace(anchor, means=means, variances=scale**2 * anchor.variances)


def fit_anchored(histogram, alone, anchor, phases, strength, fit):
    """Mixture of a slice that borrows from its stack.

    Parameters
    ----------
    histogram : Histogram
        Grey levels of the slice, not empty.
    alone : Mixture or None
        Fitted to them alone, if that was possible.
    anchor : Mixture
        That of the stack.
    phases : array of shape (n_known, 2)
        See `known_phases`.
    strength : float
        Of the anchor, where the slice shows the same two phases; if not, it is pinned to it.
    fit : callable
        ``fit_mixture`` with its options set.

    Returns
    -------
    mixture : Mixture
    fell_back : bool
        Whether means and variance are the stack's, moved to the peak of the slice.
    """
    near = follow(anchor, alone, phases)
    if near is not None:
        return fit(histogram, anchor=near, anchor_strength=strength, start=alone), False
    anchor = moved_anchor(anchor, phases, histogram)
    return fit(histogram, anchor=anchor, anchor_strength=PINNED, start=anchor), True


def moved_anchor(anchor, phases, histogram):
    """The anchor, moved so that its nearest mean lies on the peak of the slice.

    If none is near, brightness has drifted: known grey levels that are nearer are moved instead.
    """
    peak = smooth_peak(histogram, np.sqrt(anchor.variances.mean()))
    if len(phases) and _offset(anchor, peak) > NEAR * np.ptp(anchor.means):
        nearest = np.argmin(np.abs(phases - peak).min(axis=1))
        anchor = _with_phases(anchor, *phases[nearest])
    offsets = peak - anchor.means[[0, -1]]
    return replace(anchor, means=anchor.means + offsets[np.argmin(np.abs(offsets))])


def _offset(anchor, level):
    return np.abs(level - anchor.means[[0, -1]]).min()


def _middle(mixture):
    return (mixture.means[0] + mixture.means[-1]) / 2
