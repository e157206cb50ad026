"""Connected pieces of a phase, and what of the specimen's surface they touch."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from icecoreseg._ice import as_labels, check_measured
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.microstructure._transitions import neighbours

BLOCK_VOXELS = 2**23


@dataclass
class Clusters:
    """Connected pieces of a phase.

    Attributes
    ----------
    labels : int32 array of shape (n_slices, n_rows, n_columns)
        0 where the phase is not, pieces from 1; -1 outside the specimen.
    sizes : int64 array of shape (n_clusters + 1,)
        Voxels of each piece; entry 0 is 0.
    touches_top, touches_bottom, touches_side : bool arrays of shape (n_clusters + 1,)
        Whether a piece reaches the first slice, the last slice, or the frame or outline in
        the plane of the slices.
    n_inside : int
        Voxels of the specimen.
    """

    labels: np.ndarray
    sizes: np.ndarray
    touches_top: np.ndarray
    touches_bottom: np.ndarray
    touches_side: np.ndarray
    n_inside: int

    @property
    def touches_edge(self):
        """Whether a piece reaches any of them."""
        return self.touches_top | self.touches_bottom | self.touches_side


def find_clusters(y, *, phase=AIR, connectivity=6):
    """Label the connected pieces of a phase.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are loaded.
    phase : {ICE, AIR}
    connectivity : {6, 26}
        Air has 6 neighbours where ice has 26, and the other way round.

    Returns
    -------
    Clusters
    """
    check_choice(phase, (AIR, ICE), name="phase")
    check_choice(connectivity, (6, 26), name="connectivity")
    y = as_labels(np.asarray(check_measured(y)))
    structure = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3)
    labels = np.empty(y.shape, dtype=np.int32)
    n_clusters = ndimage.label(y == phase, structure=structure, output=labels)
    outside = y == OUTSIDE
    n_outside = np.count_nonzero(outside)
    sides = _sides(labels, outside if n_outside else None, n_clusters)
    if n_outside:
        labels[outside] = -1
    return Clusters(
        labels, count_labels(labels, n_clusters), *sides, n_inside=int(y.size - n_outside)
    )


def count_labels(labels, n_clusters):
    """Voxels of each label from 0 to n_clusters; entry 0 is set to 0."""
    sizes = np.zeros(n_clusters + 1, dtype=np.int64)
    flat = labels.reshape(-1)
    for start in range(0, flat.size, BLOCK_VOXELS):
        part = flat[start : start + BLOCK_VOXELS]
        sizes += np.bincount(part[part > 0], minlength=n_clusters + 1)
    return sizes


def _sides(labels, outside, n_clusters):
    """Three masks: pieces at the first slice, at the last slice, at the sides."""
    top, bottom = (_mark([labels[i]], n_clusters) for i in (0, -1))
    side = _mark([labels[:, 0], labels[:, -1], labels[..., 0], labels[..., -1]], n_clusters)
    if outside is None:
        return top, bottom, side
    for step in ((0, 1, 0), (0, 0, 1), (1, 0, 0)):
        near, far = neighbours(labels, step)
        out_near, out_far = neighbours(outside, step)
        side |= _mark([near[out_far], far[out_near]], n_clusters)
    return top, bottom, side


def _mark(parts, n_clusters):
    touched = np.zeros(n_clusters + 1, dtype=bool)
    for part in parts:
        touched[part.reshape(-1)] = True
    touched[0] = False
    return touched
