"""Tables: data frames where pandas is installed, structured arrays where it is not."""

import numpy as np


def make_table(columns):
    """Return a pandas DataFrame, or a structured array if pandas is not there.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of one length; a scalar fills its column.

    Examples
    --------
    >>> table = make_table({"core": "B40", "z_mm": [1.0, 2.0]})
    >>> [float(z) for z in table["z_mm"]]
    [1.0, 2.0]
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    n_rows = max((array.size for array in arrays.values() if array.ndim), default=1)
    arrays = {name: np.broadcast_to(array, (n_rows,)) for name, array in arrays.items()}
    try:
        import pandas as pd
    except ImportError:
        return _structured(arrays, n_rows)
    return pd.DataFrame({name: array.copy() for name, array in arrays.items()})


def _structured(arrays, n_rows):
    table = np.empty(n_rows, dtype=[(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        table[name] = array
    return table


def column_names(table):
    """Names of the columns of either kind of table."""
    return list(table.columns) if hasattr(table, "columns") else list(table.dtype.names)


def as_columns(table):
    """Mapping of column names to arrays, from a data frame, structured array or mapping."""
    if hasattr(table, "items") and not hasattr(table, "columns"):
        return {name: np.asarray(values) for name, values in table.items()}
    return {name: np.asarray(table[name]) for name in column_names(table)}
