"""Active contours without edges, by morphology, within a mask.

scikit-image's ``morphological_chan_vese`` knows no mask, and alternates its two smoothing
operators in a global state, so that its result depends on what was called before.
"""

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

_LINES = [
    np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=bool),
    np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=bool),
    np.eye(3, dtype=bool),
    np.fliplr(np.eye(3, dtype=bool)),
]


def move_contour(image, inside, ice, n_iterations, n_smoothings):
    """Move the border of a region until its two sides are as uniform as they can be.

    Parameters
    ----------
    image : array of shape (n_rows, n_columns)
        What shall be uniform; finite everywhere.
    inside : array of the same shape, bool
        The voxels whose values count in the means of the two sides.
    ice : array of the same shape, bool
        The region to begin with.
    n_iterations, n_smoothings : int
        Steps, and morphological smoothings in every step.

    Returns
    -------
    array of the same shape, bool
        The region at the end.

    References
    ----------
    Marquez-Neila et al. (2014), doi:10.1109/TPAMI.2013.106, equations (34)-(37).

    Examples
    --------
    The border moves to the step of the image, and a lonely voxel is smoothed away:

    >>> import numpy as np
    >>> image = np.tile(np.arange(8.0) > 4, (8, 1)).astype(float)
    >>> start = np.tile(np.arange(8) > 5, (8, 1))
    >>> start[4, 1] = True
    >>> (move_contour(image, start | True, start, 2, 1) == image).all()
    np.True_
    """
    operators = [_close_lines, _open_lines]
    ice = ice.copy()
    for _ in range(n_iterations):
        ice = _step(image, inside, ice)
        for _ in range(n_smoothings):
            first, second = operators
            ice = second(first(ice))
            operators.reverse()
    return ice


def _step(image, inside, ice):
    """Give every voxel at the border to the side whose mean is nearer."""
    if ice[inside].all() or not ice[inside].any():
        return ice
    mean_ice, mean_air = image[inside & ice].mean(), image[inside & ~ice].mean()
    pull = (image - mean_air) ** 2 - (image - mean_ice) ** 2
    padded = np.pad(ice.astype(float), 1, mode="edge")  # a gradient needs two voxels a side
    border = np.abs(np.gradient(padded)).sum(axis=0)[1:-1, 1:-1] > 0
    return np.where(border & (pull != 0), pull > 0, ice)


def _open_lines(region):
    """Union of the erosions by lines of three voxels: takes sharp tips away."""
    return np.any([binary_erosion(region, line, border_value=1) for line in _LINES], axis=0)


def _close_lines(region):
    """Intersection of the dilations by the same lines: fills sharp notches."""
    return np.all([binary_dilation(region, line) for line in _LINES], axis=0)
