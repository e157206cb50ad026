"""Two scans of one slice side by side: what the lower resolution loses."""

import numpy as np

from icecoreseg._validation import check_stack
from icecoreseg.display._axes import get_axes


class ResolutionDisplay:
    """A fine scan averaged to coarse voxels beside the coarse scan, as Fig. 4 of the paper.

    Parameters
    ----------
    reduced, low : array of shape (n_rows, n_columns)
        The same place in the fine scan, averaged, and in the coarse scan.
    title : str, optional
        Before the titles of both panels.

    Attributes
    ----------
    sharpness_ratio_ : float
        Root-mean-square step between neighbouring pixels, of `reduced` over `low`: above 1
        where the fine scan is the sharper (or the noisier) one.
    ax_ : list of two matplotlib Axes
        There after `plot`.
    figure_ : matplotlib Figure
        That holds them.

    References
    ----------
    Bagherzadeh et al. (2023), Fig. 4, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> high = np.zeros((2, 8, 8), np.uint8)
    >>> high[:, :, 4:] = 100
    >>> low = np.full((1, 4, 4), 50, np.uint8)
    >>> low[..., 0], low[..., 3] = 0, 100
    >>> display = ResolutionDisplay.from_scans(low, high)
    >>> display.reduced[0].tolist(), round(display.sharpness_ratio_, 2)
    ([0.0, 0.0, 100.0, 100.0], 1.41)
    """

    def __init__(self, reduced, low, *, title=None):
        self.reduced = reduced
        self.low = low
        self.title = title
        self.sharpness_ratio_ = float(_roughness(reduced) / _roughness(low))

    @classmethod
    def from_scans(cls, low, high, *, slice_index=None, window=None, title=None):
        """Take one slice of two scans of a core.

        Parameters
        ----------
        low : array of shape (n_slices, n_rows, n_columns)
            Coarse scan, numpy or dask (one slice is computed).
        high : array of twice that shape
            Fine scan.
        slice_index : int, optional
            Coarse slice; default the middle one.
        window : int, optional
            Edge of the square that is shown, in coarse pixels around the middle; default all.
        title : str, optional

        Returns
        -------
        ResolutionDisplay

        Raises
        ------
        ValueError
            If `high` does not have twice the shape of `low`.
        """
        low, high = check_stack(low, name="low"), check_stack(high, name="high")
        if high.shape != tuple(2 * n for n in low.shape):
            raise ValueError(
                f"high has shape {high.shape}; twice that of low, {low.shape}, is expected."
            )
        z = low.shape[0] // 2 if slice_index is None else slice_index
        rows, columns = (_middle(n, window) for n in low.shape[1:])
        image = np.asarray(low[z, rows, columns], dtype=np.float32)
        fine = np.asarray(high[2 * z : 2 * z + 2, _twice(rows), _twice(columns)], np.float32)
        n_rows, n_columns = image.shape
        reduced = fine.reshape(2, n_rows, 2, n_columns, 2).mean(axis=(0, 2, 4))
        return cls(reduced, image, title=title)

    def plot(self, ax=None):
        """Draw both panels with one range of greys.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes, optional
            Default: a new figure.

        Returns
        -------
        ResolutionDisplay
            The display itself.
        """
        axes = get_axes(ax, n_columns=2)
        both = np.concatenate([self.reduced.ravel(), self.low.ravel()])
        low, high = np.nanpercentile(both, [0.5, 99.5])
        head = f"{self.title}: " if self.title else ""
        panels = (self.reduced, "resized fine scan"), (self.low, "coarse scan")
        for axis, (image, name) in zip(axes, panels, strict=True):
            axis.imshow(image, cmap="gray", interpolation="nearest", vmin=low, vmax=high)
            axis.set_title(head + name, fontsize="medium")
            axis.set_axis_off()
        self.ax_, self.figure_ = axes, axes[0].figure
        return self


def _roughness(image):
    """Root-mean-square difference of neighbours along rows and columns, NaN left out."""
    image = np.asarray(image, dtype=np.float32)
    steps = np.concatenate([np.diff(image, axis=axis).ravel() for axis in (0, 1)])
    return np.sqrt(np.nanmean(steps**2))


def _middle(length, window):
    if window is None or window >= length:
        return slice(0, length)
    start = (length - window) // 2
    return slice(start, start + window)


def _twice(part):
    return slice(2 * part.start, 2 * part.stop)
