"""Moments, surfaces and edge weights of labelled pieces, all pieces at once."""

import numpy as np
from scipy import ndimage

from icecoreseg.microstructure._directions import direction_weights, step_vectors
from icecoreseg.microstructure._transitions import STEPS_3D, neighbours

BLOCK_VOXELS = 2**22
MASK_VOXELS = 2**20


def cluster_moments(labels, sizes, kept, edges_mm):
    """Centres, lengths of the axes of inertia, and the longest axis, of the pieces in `kept`.

    Parameters
    ----------
    labels : int array of shape (n_slices, n_rows, n_columns)
        Pieces from 1; 0 and -1 elsewhere.
    sizes : array of shape (n_clusters + 1,)
    kept : int array of shape (n_kept,)
    edges_mm : array of shape (3,)

    Returns
    -------
    centres : array of shape (n_kept, 3)
        In mm from the corner of the stack, (z, y, x).
    lengths : array of shape (n_kept, 3)
        Standard deviations along the axes, longest first, in mm; a voxel's own extent is
        added, so that none is zero.
    axes : array of shape (n_kept, 3)
        Unit vectors along the longest axis.
    """
    first, second = _raw_moments(labels, sizes.size)
    n = np.maximum(sizes[kept], 1)[:, np.newaxis]
    mean = first[kept] / n
    covariance = second[kept] / n[..., np.newaxis] - mean[:, :, None] * mean[:, None, :]
    covariance = (covariance + np.eye(3) / 12) * np.outer(edges_mm, edges_mm)
    if len(kept) == 0:
        return np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3))
    variances, vectors = np.linalg.eigh(covariance)
    return (mean + 0.5) * edges_mm, np.sqrt(variances[:, ::-1]), vectors[:, :, -1]


def _raw_moments(labels, n_labels):
    """Sums of the coordinates (in voxels) and of their products, per label."""
    first, second = np.zeros((n_labels, 3)), np.zeros((n_labels, 3, 3))
    step = max(1, BLOCK_VOXELS // labels[0].size)
    for start in range(0, labels.shape[0], step):
        block = labels[start : start + step]
        places = np.nonzero(block > 0)
        which = block[places]
        position = [place.astype(float) for place in places]
        position[0] += start
        for i in range(3):
            first[:, i] += np.bincount(which, position[i], n_labels)
            for j in range(i, 3):
                sums = np.bincount(which, position[i] * position[j], n_labels)
                second[:, i, j] += sums
                second[:, j, i] = second[:, i, j]
    return first, second


def cluster_surfaces(labels, n_labels, edges_um):
    """Surface of each piece in mm2: Crofton's formula in thirteen directions.

    Pairs with a voxel outside the specimen (-1) do not count.
    """
    units, lengths = step_vectors(STEPS_3D, edges_um)
    per_pair = 2 * direction_weights(units) / lengths * np.prod(edges_um) * 1e-9
    surface = np.zeros(n_labels)
    step = max(1, BLOCK_VOXELS // labels[0].size)
    for start in range(0, labels.shape[0], step):
        for offset, area in zip(STEPS_3D, per_pair, strict=True):
            near, far = neighbours(labels[start : start + step + offset[0]], offset)
            differ = near != far
            near, far = near[differ], far[differ]
            inside = (near >= 0) & (far >= 0)
            for side in (near, far):
                surface += area * np.bincount(side[inside], minlength=n_labels)
    return surface


def edge_weights(clusters, kept):
    """Miles' and Lantuejoul's weights: the specimen over the part where a piece fits whole.

    The part is the set of places where the piece's bounding box lies inside without touching
    the edge: a product of lengths for a full box. For other outlines it is counted on a
    coarse mask, with the box shrunk by pi / 4 in the slice, the mean over directions for
    a round outline.
    """
    boxes = ndimage.find_objects(np.maximum(clusters.labels, 0))
    boxes = [boxes[k - 1] for k in kept]
    sizes = np.array([[s.stop - s.start for s in box] for box in boxes]).reshape(-1, 3)
    shape = np.array(clusters.labels.shape)
    if clusters.n_inside == clusters.labels.size:
        free = np.maximum(shape - 1 - sizes, 1)
        return np.prod(shape / free, axis=1)
    return _weights_in_mask(clusters, sizes)


def _weights_in_mask(clusters, sizes):
    stride = max(1, int(np.ceil((clusters.labels.size / MASK_VOXELS) ** (1 / 3))))
    mask = clusters.labels[::stride, ::stride, ::stride] >= 0
    total = np.count_nonzero(mask)
    # A margin of one voxel around the box: pieces that touch the edge do not count.
    reach = (sizes + 2) * [1, np.pi / 4, np.pi / 4] / stride
    reach = np.maximum(1, np.round(reach)).astype(int)
    reach, which = np.unique(reach, axis=0, return_inverse=True)
    free = np.array([_count_free(mask, box) for box in reach])
    return (total / np.maximum(free, 1))[which.reshape(-1)]


def _count_free(mask, box):
    """Places of the mask where a box fits."""
    for axis, size in enumerate(box):
        mask = ndimage.minimum_filter1d(mask, size, axis=axis, mode="constant", cval=0)
    return np.count_nonzero(mask)
