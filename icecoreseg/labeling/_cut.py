"""The cheapest labelling of a slice: a minimum cut, of no more of the slice than needs it.

The energy is a sum over voxels (the log-odds against the label) and over neighbouring
pairs (a cost where their labels differ). For two labels its minimum is a minimum cut of a
graph [1]_. Most voxels are so clear that no neighbourhood could change them; they are fixed
first, which changes their neighbours' odds and fixes some of those too. The flow is
computed for the rest, exactly.

References
----------
.. [1] Greig, Porteous and Seheult (1989), doi:10.1111/j.2517-6161.1989.tb01764.x;
   Boykov and Kolmogorov (2003), doi:10.1109/ICCV.2003.1238310, for the weights.
"""

import numpy as np
from scipy.ndimage import convolve
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
_UNITS = 1000  # of the integer capacities that the flow needs, per nat


def minimum_cut(log_odds, inside, smoothness):
    """Labels of least energy of one slice.

    Parameters
    ----------
    log_odds : array of shape (n_rows, n_columns)
        Logarithm of the odds of ice; read inside only.
    inside : array of the same shape, bool
        True inside the specimen; no pair reaches across its rim.
    smoothness : float
        Cost of two neighbours of different labels, in nats; diagonal pairs, being
        farther apart, cost 1/sqrt(2) of it.

    Returns
    -------
    array of the same shape, bool
        True where ice; False outside.

    Examples
    --------
    Three voxels of ice outvote a faint one of air between them, but not a clear one:

    >>> import numpy as np
    >>> row = np.array([[3.0, -1.0, 3.0, 3.0, -9.0, 3.0]])
    >>> minimum_cut(row, np.ones((1, 6), bool), smoothness=1.0).astype(int)
    array([[1, 1, 1, 1, 0, 1]])
    """
    kernel = smoothness * np.array([[0.5**0.5, 1, 0.5**0.5], [1, 0, 1], [0.5**0.5, 1, 0.5**0.5]])
    odds = np.where(inside, log_odds, 0.0).astype(float)
    sign, odds = _fix_the_clear(odds, inside, kernel)
    unknown = inside & (sign == 0)
    ice = sign > 0
    if unknown.any():
        ice[unknown] = _cut(odds, unknown, smoothness)
    return ice


def _fix_the_clear(odds, inside, kernel):
    """Labels (+1 ice, -1 air, 0 open) that hold in every minimum, and the odds of the rest.

    A voxel is fixed when its own odds and its fixed neighbours outweigh all open ones.
    """
    sign = np.zeros(odds.shape)
    while True:
        biased = odds + convolve(sign, kernel, mode="constant")
        unknown = inside & (sign == 0)
        slack = convolve(unknown.astype(float), kernel, mode="constant")
        clear = unknown & (np.abs(biased) > slack)
        if not clear.any():
            return sign, biased
        sign[clear] = np.sign(biased[clear])


def _cut(odds, unknown, smoothness):
    """Side of the cut of the open voxels: True with the source, which is ice."""
    n = np.count_nonzero(unknown)
    source, sink = n, n + 1
    tails, heads, weights = _pairs(unknown, smoothness)
    pull = odds[unknown]
    ice, air = np.flatnonzero(pull > 0), np.flatnonzero(pull < 0)
    tails = np.concatenate([tails, heads, np.full(ice.size, source), air])
    heads = np.concatenate([heads, tails[: heads.size], ice, np.full(air.size, sink)])
    weights = np.concatenate([weights, weights, pull[ice], -pull[air]])
    capacity = np.rint(weights * _UNITS).astype(np.int32)
    ends = tails.astype(np.int32), heads.astype(np.int32)  # maximum_flow of SciPy 1.13 wants these
    graph = csr_array(coo_array((capacity, ends), shape=(n + 2, n + 2)))
    rest = graph - maximum_flow(graph, source, sink).flow
    rest.eliminate_zeros()
    reached = np.zeros(n + 2, dtype=bool)
    reached[breadth_first_order(rest, source, return_predecessors=False)] = True
    return reached[:n]


def _pairs(unknown, smoothness):
    """Neighbouring pairs of open voxels, by their number, and what each pair costs."""
    number = np.full(np.add(unknown.shape, (1, 2)), -1)  # a margin, so that steps stay inside
    number[:-1, 1:-1][unknown] = np.arange(np.count_nonzero(unknown))
    n_rows, n_columns = unknown.shape
    here = number[:-1, 1:-1]
    tails, heads, weights = [], [], []
    for down, right in _STEPS:
        there = number[down : down + n_rows, 1 + right : 1 + right + n_columns]
        both = (here >= 0) & (there >= 0)
        tails.append(here[both])
        heads.append(there[both])
        weights.append(np.full(tails[-1].size, smoothness / np.hypot(down, right)))
    return np.concatenate(tails), np.concatenate(heads), np.concatenate(weights)
