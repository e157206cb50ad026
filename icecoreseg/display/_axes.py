"""Where a Display draws: the only place that imports matplotlib."""


def get_axes(ax=None, *, n_columns=1, size=(4.5, 4.0)):
    """Axes to draw on: those given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of Axes or None
        None makes a new figure with `n_columns` panels.
    n_columns : int
        Panels that the display needs.
    size : (float, float)
        Width and height of one panel in inches.

    Returns
    -------
    list of matplotlib Axes
        `n_columns` of them.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If another number of axes is given.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install 'icecoreseg[plot]', or pip install matplotlib."
        ) from error
    if ax is None:
        width, height = size
        _, axes = plt.subplots(
            1, n_columns, squeeze=False, figsize=(width * n_columns, height), layout="constrained"
        )
        return list(axes[0])
    axes = list(ax) if isinstance(ax, list | tuple) or hasattr(ax, "shape") else [ax]
    if len(axes) != n_columns:
        raise ValueError(f"This display draws on {n_columns} axes, got {len(axes)}.")
    return axes
