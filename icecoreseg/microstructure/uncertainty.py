"""How sure is a mean over a core, and how large must a sample be?"""

import numpy as np

from icecoreseg._ice import check_measured, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_positive_int, check_voxel_size
from icecoreseg.microstructure._tables import as_columns, make_table
from icecoreseg.microstructure.density import fraction_of


def block_bootstrap(
    table,
    *,
    weights=None,
    block_length: int | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state=None,
):
    """Confidence interval of the mean of every column, by resampling blocks along z.

    Neighbouring slices are near-copies, so that an ordinary error of the mean is far too
    small. Blocks of neighbours, drawn from the stack closed to a ring, keep their likeness.

    Parameters
    ----------
    table : array of shape (n_rows,) or (n_rows, n_columns), data frame or structured array
        One row per slice or slab, in order of depth. Columns that are not numbers are left
        out, NaN entries too.
    weights : array of shape (n_rows,), optional
        Of each row in the mean, such as its specimen area.
    block_length : int, optional
        Rows per block; default, for each column: (2 r / (1 - r^2))^(2/3) n^(1/3) with r the
        correlation of neighbouring rows (Carlstein 1986).
    n_resamples : int
    confidence : float
        Between 0 and 1.
    random_state : None, int or numpy Generator

    Returns
    -------
    table with one row per column
        ``quantity``, ``mean``, ``lower``, ``upper``, ``standard_error``, ``block_length``,
        ``n_rows``.

    References
    ----------
    Kuensch (1989), doi:10.1214/aos/1176347265; Politis and Romano (1992), circular blocks;
    Carlstein, E. (1986), doi:10.1214/aos/1176350057.

    Examples
    --------
    Rows that come in runs of ten tell less than independent ones:

    >>> import numpy as np
    >>> runs = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    >>> intervals = block_bootstrap(runs, random_state=0)
    >>> single = block_bootstrap(runs, block_length=1, random_state=0)
    >>> bool(intervals["standard_error"][0] > 2 * single["standard_error"][0])
    True
    """
    columns = _numeric_columns(table)
    n_rows = len(next(iter(columns.values())))
    weights = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (n_rows,):
        raise ValueError(f"weights must have shape ({n_rows},), got {weights.shape}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
    check_positive_int(n_resamples, name="n_resamples")
    if block_length is not None:
        check_positive_int(block_length, name="block_length")
    rng = np.random.default_rng(random_state)
    rows = [
        _interval(name, values, weights, block_length, n_resamples, confidence, rng)
        for name, values in columns.items()
    ]
    return make_table({name: [row[name] for row in rows] for name in rows[0]})


def representative_volume(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    quantity=None,
    edges_mm=None,
    max_blocks: int = 64,
    random_state=None,
):
    """Spread of a quantity over cubes of growing edge: how large must a sample be?

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside).
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    quantity : callable, optional
        ``quantity(block) -> float`` of a stack; default: the ice fraction.
    edges_mm : sequence of float, optional
        Edges of the cubes; default: six of equal ratio, up to a third of the shortest side.
    max_blocks : int
        Cubes per edge, drawn at random among those that do not overlap.
    random_state : None, int or numpy Generator

    Returns
    -------
    table with one row per edge
        ``edge_mm``, ``n_blocks``, ``mean``, ``std``, ``coefficient_of_variation``. Cubes
        that are less than 90 % inside the specimen are left out.

    References
    ----------
    Kanit et al. (2003), doi:10.1016/S0020-7683(03)00143-4; density of firn settles at (2.5-5
    mm)^3, connectivity at about 4 cm3 (Freitag et al. 2008, Ann. Glaciol. 49).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).integers(0, 2, (48, 48, 48), dtype=np.uint8)
    >>> table = representative_volume(y, 100, edges_mm=[0.4, 1.6], random_state=0)
    >>> bool(table["std"][0] > 4 * table["std"][1])
    True
    """
    y, edges_um = check_measured(y), check_voxel_size(voxel_size_um)
    quantity = _mean_ice if quantity is None else quantity
    sides_mm = np.multiply(y.shape, edges_um) * 1e-3
    if edges_mm is None:
        edges_mm = np.geomspace(4 * max(edges_um) * 1e-3, sides_mm.min() / 3, 6)
    rng = np.random.default_rng(random_state)
    rows = []
    for edge_mm in edges_mm:
        shape = np.maximum(1, np.round(edge_mm * 1e3 / np.asarray(edges_um))).astype(int)
        values = [quantity(block) for block in _draw_cubes(y, shape, max_blocks, rng)]
        rows.append(_spread(float(edge_mm), np.asarray(values, dtype=float)))
    return make_table({name: [row[name] for row in rows] for name in rows[0]})


def _numeric_columns(table):
    if isinstance(table, np.ndarray) and table.dtype.names is None:
        table = table.reshape(len(table), -1)
        return {f"column_{i}": table[:, i].astype(float) for i in range(table.shape[1])}
    columns = as_columns(table)
    return {
        name: values.astype(float)
        for name, values in columns.items()
        if values.dtype.kind in "iufb"
    }


def _interval(name, values, weights, block_length, n_resamples, confidence, rng):
    kept = ~np.isnan(values) & (weights > 0)
    values, weights = values[kept], weights[kept]
    n = values.size
    row = {"quantity": name, "n_rows": n}
    if n == 0:
        blank = dict.fromkeys(("mean", "lower", "upper", "standard_error"), np.nan)
        return {**row, **blank, "block_length": 0}
    length = min(n, _carlstein_length(values) if block_length is None else block_length)
    means = _resample_means(values, weights, length, n_resamples, rng)
    tail = 50 * (1 - confidence)
    lower, upper = np.percentile(means, [tail, 100 - tail])
    return {
        **row,
        "mean": float(np.average(values, weights=weights)),
        "lower": float(lower),
        "upper": float(upper),
        "standard_error": float(means.std(ddof=1)) if n_resamples > 1 else np.nan,
        "block_length": int(length),
    }


def _resample_means(values, weights, length, n_resamples, rng):
    n = values.size
    starts = rng.integers(0, n, (n_resamples, -(-n // length)))
    ring = np.arange(length)
    sums = np.cumsum(np.concatenate([[0], np.tile(values * weights, 2)]))
    totals = np.cumsum(np.concatenate([[0], np.tile(weights, 2)]))
    ends = starts + ring.size
    top = (sums[ends] - sums[starts]).sum(axis=1)
    return top / (totals[ends] - totals[starts]).sum(axis=1)


def _carlstein_length(values):
    if values.size < 3:
        return 1
    deviation = values - values.mean()
    total = (deviation**2).sum()
    likeness = (deviation[1:] * deviation[:-1]).sum() / total if total > 0 else 0.0
    r = float(np.clip(likeness, 0, 0.999))
    return max(1, round((2 * r / (1 - r**2)) ** (2 / 3) * values.size ** (1 / 3)))


def _mean_ice(block):
    return fraction_of(slice_amounts(block).sum(axis=0))


def _draw_cubes(y, shape, max_blocks, rng):
    places = [np.arange(0, n - size + 1, size) for n, size in zip(y.shape, shape, strict=True)]
    corners = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 3)
    found = 0
    for corner in rng.permutation(corners):
        block = np.asarray(y[tuple(slice(c, c + s) for c, s in zip(corner, shape, strict=True))])
        if slice_amounts(block)[:, 1].sum() >= 0.9 * block.size:
            yield block
            found += 1
        if found == max_blocks:
            return


def _spread(edge_mm, values):
    values = values[~np.isnan(values)]
    mean = values.mean() if values.size else np.nan
    std = values.std(ddof=1) if values.size > 1 else np.nan
    return {
        "edge_mm": edge_mm,
        "n_blocks": values.size,
        "mean": float(mean),
        "std": float(std),
        "coefficient_of_variation": float(std / mean) if mean else np.nan,
    }
