"""Scores and microstructure of a segmentation, slice by slice, and bubble by bubble."""

import numpy as np
import pandas as pd

from icecoreseg import ICE, OUTSIDE, MicrostructureMetrics
from icecoreseg.metrics import confusion_counts
from icecoreseg.microstructure import detection_limit_mm, match_bubbles, match_summary

QUANTITIES = ("ssa_2d_mm1", "density_kg_m3", "intercept_length_mm")


def slice_table(truth, labels, fraction, *, exact=None, voxel_size_um):
    """One row per slice: counts, amounts of ice, and microstructure of both.

    Parameters
    ----------
    truth, labels : array of shape (n_slices, n_rows, n_columns)
        Labels.
    fraction : array of that shape, or None
        Predicted ice fractions; None where a method has none.
    exact : array of that shape, optional
        True ice fractions.
    voxel_size_um : float

    Returns
    -------
    pandas.DataFrame
        Counts such as ``air_ice`` (air that was labelled as ice), ``n_frame`` (voxels of the
        whole picture), ``ice_labels``, ``ice_fraction_sum``, ``ice_true`` (voxels of ice), and
        each of `QUANTITIES` with ``_true`` and without.
    """
    counts = confusion_counts(truth, labels)
    columns = {
        f"{true}_{said}": counts[:, i, j]
        for i, true in enumerate(("air", "ice"))
        for j, said in enumerate(("air", "ice", "outside"))
    }
    columns |= {
        "n_frame": np.full(len(counts), truth.shape[1] * truth.shape[2]),
        "ice_labels": [_ice_of(image) for image in labels],
        "ice_fraction_sum": [
            _ice_of(image) for image in (labels if fraction is None else fraction)
        ],
        "ice_true": [_ice_of(image) for image in (truth if exact is None else exact)],
    }
    metrics = MicrostructureMetrics(voxel_size_um, quantities=QUANTITIES)
    for suffix, stack in (("_true", truth), ("", labels)):
        values = np.asarray(metrics.fit_transform(stack))
        columns |= {f"{name}{suffix}": values[:, i] for i, name in enumerate(QUANTITIES)}
    table = pd.DataFrame(columns)
    table.insert(0, "slice", np.arange(len(table)))
    return table


def _ice_of(image):
    """Voxels of ice in one slice of labels or fractions."""
    image = np.asarray(image)
    return float(np.nansum(image)) if image.dtype.kind == "f" else int(np.sum(image == ICE))


def bubble_row(truth, labels, voxel_size_um):
    """How many of the true bubbles a segmentation finds, and how many it makes up.

    Both have at least the volume of `detection_limit_mm`, 8 voxels; a true bubble is found if
    a tenth of its volume is air, however the segmentation divides it.
    """
    inside = np.asarray(truth) != OUTSIDE
    labels = np.where(inside, np.where(np.asarray(labels) == OUTSIDE, ICE, labels), OUTSIDE)
    match = match_bubbles(truth, labels.astype(np.uint8), voxel_size_um=voxel_size_um)
    summary = match_summary(match, edges_mm=[detection_limit_mm(voxel_size_um) - 1e-9, np.inf])
    return {name: summary[name].iloc[0] for name in ("n_reference", "detection_rate", "n_spurious")}
