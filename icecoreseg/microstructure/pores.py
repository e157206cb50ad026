"""Pore closure: open and closed porosity, connectivity, percolation.

A pore is *open* if it reaches the surface of the sample: in a small sample, pores that are
closed in the core are cut open at its faces, so that the closed porosity is too small. The
connectivity index suffers least (Burr et al. 2018). What counts as surface is chosen by
`surface`: the first and last slice only (``"ends"``), or also the frame and the specimen's
outline (``"all"``).
"""

from typing import Any

import numpy as np

from icecoreseg._typing import Stack
from icecoreseg._validation import check_choice
from icecoreseg.labels import AIR
from icecoreseg.microstructure._clusters import find_clusters

SURFACES = ("all", "ends")


def pore_closure(y: Stack, *, surface: str = "all", connectivity: int = 6) -> dict[str, Any]:
    """All quantities of pore closure, from one labelling of the pores.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are loaded.
    surface : {"all", "ends"}
        What an open pore must reach: any surface of the sample, or its first or last slice.
    connectivity : {6, 26}
        Neighbours of air; ice has the other number.

    Returns
    -------
    dict
        ``porosity``, ``open_porosity``, ``closed_porosity`` (volumes over the specimen's);
        ``closed_to_total_ratio``; ``connectivity_index``, largest pore over all pores;
        ``percolating_fraction``, share of the pores that connect first and last slice; the
        last three are NaN without air. ``n_pores``.

    References
    ----------
    Burr, A. et al. (2018), The Cryosphere 12, 2481-2500, doi:10.5194/tc-12-2481-2018.

    Examples
    --------
    A tube along z and a closed cavity of the same volume:

    >>> import numpy as np
    >>> y = np.ones((9, 12, 12), np.uint8)
    >>> y[:, 2, 2] = y[3:6, 5:8, 6] = 0
    >>> closure = pore_closure(y)
    >>> closure["closed_to_total_ratio"], closure["percolating_fraction"]
    (0.5, 0.5)
    """
    check_choice(surface, SURFACES, name="surface")
    clusters = find_clusters(y, phase=AIR, connectivity=connectivity)
    ends = clusters.touches_top | clusters.touches_bottom
    is_open = clusters.touches_edge if surface == "all" else ends
    total = int(clusters.sizes.sum())
    volumes = {
        "porosity": total,
        "open_porosity": clusters.sizes[is_open].sum(),
        "closed_porosity": total - clusters.sizes[is_open].sum(),
    }
    spanning = clusters.sizes[clusters.touches_top & clusters.touches_bottom].sum()
    shares = {
        "closed_to_total_ratio": volumes["closed_porosity"],
        "connectivity_index": clusters.sizes.max(),
        "percolating_fraction": spanning,
    }
    return {
        **{name: _share(voxels, clusters.n_inside) for name, voxels in volumes.items()},
        **{name: _share(voxels, total) for name, voxels in shares.items()},
        "n_pores": clusters.sizes.size - 1,
    }


def open_porosity(y: Stack, *, surface: str = "all", connectivity: int = 6):
    """Volume of the pores that reach the sample's surface, over the specimen's volume.

    Parameters and references as in `pore_closure`.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((4, 5, 5), np.uint8)
    >>> y[:, 2, 2] = 0
    >>> open_porosity(y)
    0.04
    """
    return pore_closure(y, surface=surface, connectivity=connectivity)["open_porosity"]


def closed_porosity(y: Stack, *, surface: str = "all", connectivity: int = 6):
    """Volume of the pores that do not reach the sample's surface, over the specimen's volume.

    Parameters and references as in `pore_closure`. Too small for small samples.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((5, 5, 5), np.uint8)
    >>> y[2, 2, 1:4] = 0
    >>> closed_porosity(y)
    0.024
    """
    return pore_closure(y, surface=surface, connectivity=connectivity)["closed_porosity"]


def connectivity_index(y: Stack, *, connectivity: int = 6):
    """Volume of the largest pore over the volume of all pores; 1 if all are connected.

    More robust against the size of the sample than the closed porosity, and a predictor of
    close-off (Burr et al. 2018, doi:10.5194/tc-12-2481-2018).

    Parameters as in `pore_closure`.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((3, 3, 9), np.uint8)
    >>> y[1, 1, 1:4] = y[1, 1, 6] = 0
    >>> connectivity_index(y)
    0.75
    """
    return pore_closure(y, connectivity=connectivity)["connectivity_index"]


def percolates(y: Stack, *, connectivity: int = 6):
    """Whether a pore connects the first slice with the last one.

    Parameters as in `pore_closure`. The critical porosity of gas enclosure is near 0.10,
    whatever the climate (Schaller et al. 2017, doi:10.5194/cp-13-1685-2017).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((4, 5, 5), np.uint8)
    >>> y[:, 2, 2] = 0
    >>> percolates(y)
    True
    """
    return pore_closure(y, connectivity=connectivity)["percolating_fraction"] > 0


def _share(part, whole):
    return float(part / whole) if whole else np.nan
