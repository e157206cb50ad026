"""Pictures of microstructure: parity, scores against structure, profiles, bubble sizes."""

import numpy as np

from icecoreseg._validation import check_choice
from icecoreseg.display._axes import get_axes
from icecoreseg.labels import ICE
from icecoreseg.metrics import dice_score
from icecoreseg.microstructure import MicrostructureMetrics, bubble_size_distribution
from icecoreseg.microstructure._tables import as_columns

QUANTITY_LABELS = {
    "density_kg_m3": "density (kg m$^{-3}$)",
    "ssa_2d_mm1": "2-D SSA (mm$^{-1}$)",
    "ssa_2d_m2_kg": "2-D SSA (m$^2$ kg$^{-1}$)",
    "ssa_m2_kg": "SSA (m$^2$ kg$^{-1}$)",
    "ice_fraction": "ice fraction",
    "porosity": "porosity",
    "intercept_length_mm": "mean intercept length (mm)",
    "air_intercept_length_mm": "mean air intercept length (mm)",
}


def quantity_label(name):
    """Axis label of a column; its name where there is none."""
    return QUANTITY_LABELS.get(name, name.replace("_", " "))


class _Display:
    """What the displays here share: one pair of axes."""

    def _start(self, ax):
        self.ax_ = get_axes(ax)[0]
        self.figure_ = self.ax_.figure
        return self.ax_


class ParityDisplay(_Display):
    """Predicted against true values with the 45-degree line, as Fig. 10 of the paper.

    Parameters
    ----------
    true, predicted : array of shape (n_samples,)
        One quantity, per slice or slab.
    quantity : str
        Name of the column, for the axis labels.
    groups : array of shape (n_samples,), optional
        Core of each sample: one colour each.

    Attributes
    ----------
    bias_, rmse_, r2_ : float
        Mean difference, root of the mean squared difference, and share of the variance of
        the truth that the prediction has right; NaN samples left out.
    ax_, figure_ : matplotlib Axes and Figure
        There after `plot`.

    References
    ----------
    Bagherzadeh et al. (2023), Fig. 10, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> display = ParityDisplay([300.0, 500.0], [310.0, 510.0], quantity="density_kg_m3")
    >>> display.bias_, display.rmse_
    (10.0, 10.0)
    """

    def __init__(self, true, predicted, *, quantity="", groups=None):
        self.true = np.asarray(true, dtype=float)
        self.predicted = np.asarray(predicted, dtype=float)
        if self.true.shape != self.predicted.shape:
            raise ValueError(f"true has shape {self.true.shape}, predicted {self.predicted.shape}.")
        self.quantity = quantity
        self.groups = groups
        defined = ~(np.isnan(self.true) | np.isnan(self.predicted))
        difference = (self.predicted - self.true)[defined]
        spread = self.true[defined].var() if defined.any() else np.nan
        self.bias_ = float(difference.mean()) if defined.any() else np.nan
        self.rmse_ = float(np.sqrt((difference**2).mean())) if defined.any() else np.nan
        self.r2_ = float(1 - self.rmse_**2 / spread) if spread > 0 else np.nan

    @classmethod
    def from_labels(cls, y_true, y_pred, voxel_size_um, *, quantity="ssa_2d_m2_kg", groups=None):
        """Measure two label stacks slice by slice and compare one column.

        Parameters
        ----------
        y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
            Labels.
        voxel_size_um : float or (z, y, x)
            Voxel edge in micrometres.
        quantity : str
            Column of `MicrostructureMetrics`.
        groups : array of shape (n_slices,), optional

        Returns
        -------
        ParityDisplay
        """
        metrics = MicrostructureMetrics(voxel_size_um, quantities=[quantity])
        true, predicted = (np.asarray(metrics.fit_transform(y))[:, 0] for y in (y_true, y_pred))
        return cls(true, predicted, quantity=quantity, groups=groups)

    def plot(self, ax=None):
        """Draw; returns the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure.
        """
        ax = self._start(ax)
        _scatter_groups(ax, self.true, self.predicted, self.groups)
        both = np.concatenate([self.true, self.predicted])
        if not np.isnan(both).all():
            low, high = np.nanmin(both), np.nanmax(both)
            ax.plot([low, high], [low, high], color="black", linewidth=0.8)
        label = quantity_label(self.quantity)
        ax.set(xlabel=f"true {label}", ylabel=f"predicted {label}", aspect="equal")
        ax.set_title(f"bias {self.bias_:.3g}, RMSE {self.rmse_:.3g}", fontsize="medium")
        return self


class ScoreDisplay(_Display):
    """A score of every slice against its structure, as Fig. 10 (g-i) of the paper.

    Parameters
    ----------
    structure, score : array of shape (n_slices,)
        Such as the true 2-D SSA and the F1 score of ice.
    quantity : str
        Name of the structure's column.
    score_name : str
    groups : array of shape (n_slices,), optional

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        There after `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.zeros((2, 8, 8), np.uint8)
    >>> y[:, 2:6, 2:6] = 1
    >>> ScoreDisplay.from_labels(y, y, 60, quantity="density_kg_m3").score.tolist()
    [1.0, 1.0]
    """

    def __init__(self, structure, score, *, quantity="", score_name="F1", groups=None):
        self.structure = np.asarray(structure, dtype=float)
        self.score = np.asarray(score, dtype=float)
        self.quantity = quantity
        self.score_name = score_name
        self.groups = groups

    @classmethod
    def from_labels(
        cls,
        y_true,
        y_pred,
        voxel_size_um,
        *,
        quantity="intercept_length_mm",
        positive=ICE,
        groups=None,
    ):
        """Score a prediction slice by slice and measure the truth.

        Parameters
        ----------
        y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
            Labels.
        voxel_size_um : float or (z, y, x)
            Voxel edge in micrometres.
        quantity : str
            Column of `MicrostructureMetrics`.
        positive : {ICE, AIR}
            Class of the F1 (Dice) score.
        groups : array of shape (n_slices,), optional

        Returns
        -------
        ScoreDisplay
        """
        metrics = MicrostructureMetrics(voxel_size_um, quantities=[quantity])
        structure = np.asarray(metrics.fit_transform(y_true))[:, 0]
        score = dice_score(y_true, y_pred, positive=positive, average=None)
        name = f"F1 of {'ice' if positive == ICE else 'air'}"
        return cls(structure, score, quantity=quantity, score_name=name, groups=groups)

    def plot(self, ax=None):
        """Draw; returns the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure.
        """
        ax = self._start(ax)
        _scatter_groups(ax, self.structure, self.score, self.groups)
        ax.set(xlabel=f"true {quantity_label(self.quantity)}", ylabel=self.score_name)
        return self


class DepthProfileDisplay(_Display):
    """One quantity against depth, downwards, with a band where limits are given.

    Parameters
    ----------
    profile : table
        From `icecoreseg.microstructure.depth_profile`.
    quantity : str
        Column to draw.
    interval : (lower, upper), optional
        Confidence limits of the mean, as `block_bootstrap` gives them.

    Attributes
    ----------
    depth_m, values : array of shape (n_slabs,)
        Middle of each slab, and the quantity.
    ax_, figure_ : matplotlib Axes and Figure
        There after `plot`.

    Examples
    --------
    >>> profile = {"depth_top_m": [1.0, 2.0], "depth_bottom_m": [2.0, 3.0], "porosity": [0.5, 0.4]}
    >>> DepthProfileDisplay(profile, quantity="porosity").depth_m.tolist()
    [1.5, 2.5]
    """

    def __init__(self, profile, *, quantity="density_kg_m3", interval=None):
        columns = as_columns(profile)
        check_choice(quantity, tuple(columns), name="quantity")
        self.profile = profile
        self.quantity = quantity
        self.interval = interval
        self.depth_m = (columns["depth_top_m"] + columns["depth_bottom_m"]) / 2
        self.values = columns[quantity]

    def plot(self, ax=None):
        """Draw; returns the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure.
        """
        ax = self._start(ax)
        ax.plot(self.values, self.depth_m, marker="o", markersize=3, linewidth=1)
        if self.interval is not None:
            ax.axvspan(*self.interval, alpha=0.2, linewidth=0)
        if not ax.yaxis_inverted():
            ax.invert_yaxis()
        ax.set(xlabel=quantity_label(self.quantity), ylabel="depth (m)")
        return self


class BubbleSizeDisplay(_Display):
    """Number density of bubbles by equivalent diameter.

    Parameters
    ----------
    distribution : table
        From `icecoreseg.microstructure.bubble_size_distribution`.
    label : str, optional
        For the legend.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        There after `plot`.

    Examples
    --------
    >>> table = {"equivalent_diameter_mm": [0.3, 0.4], "edge_weight": [1, 2],
    ...          "volume_mm3": [0.014, 0.034]}
    >>> display = BubbleSizeDisplay.from_table(table, 1000.0, edges_mm=[0.2, 0.5])
    >>> [float(n) for n in display.distribution["number_density_cm3"]]
    [3.0]
    """

    def __init__(self, distribution, *, label=None):
        self.distribution = distribution
        self.label = label

    @classmethod
    def from_table(cls, table, specimen_volume_mm3, *, edges_mm=None, label=None):
        """Bin a table of bubbles; arguments as in `bubble_size_distribution`.

        Returns
        -------
        BubbleSizeDisplay
        """
        distribution = bubble_size_distribution(table, specimen_volume_mm3, edges_mm=edges_mm)
        return cls(distribution, label=label)

    def plot(self, ax=None):
        """Draw; returns the display.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure.
        """
        ax = self._start(ax)
        columns = as_columns(self.distribution)
        edges = np.append(columns["diameter_lower_mm"], columns["diameter_upper_mm"][-1:])
        ax.stairs(columns["number_density_cm3"], edges, fill=True, alpha=0.5, label=self.label)
        ax.set(xlabel="equivalent diameter (mm)", ylabel="bubbles per class (cm$^{-3}$)")
        ax.set_xscale("log")
        if self.label is not None:
            ax.legend()
        return self


def _scatter_groups(ax, x, y, groups):
    if groups is None:
        ax.scatter(x, y, s=8, alpha=0.6, linewidths=0)
        return
    groups = np.asarray(groups)
    for group in dict.fromkeys(groups.tolist()):
        mine = groups == group
        ax.scatter(x[mine], y[mine], s=8, alpha=0.6, linewidths=0, label=str(group))
    ax.legend()
