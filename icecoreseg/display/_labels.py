"""Pictures of labelling: the mixture over the histogram, and labelers side by side."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from icecoreseg._validation import check_labels, check_same_shape, check_stack
from icecoreseg.display._axes import get_axes
from icecoreseg.labeling._content import explain_slice
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.metrics import dice_score

_AIR, _ICE, _CURVE = "#1f77b4", "#8c8c8c", "#d62728"


class MixtureDisplay:
    """Histogram of a slice, the Gaussians fitted to it and the ice content, as Fig. 6 of the paper.

    Parameters
    ----------
    levels : array of shape (n_levels,)
        Grey levels, evenly spaced.
    density : array of shape (n_levels,)
        Share of the voxels per grey level.
    components : array of shape (n_components, n_levels)
        Weighted densities of the mixture.
    ice : array of shape (n_levels,)
        Ice content of every grey level, 0 to 1.
    separation : float
        Distance of the phases in standard deviations (d').
    title : str, optional
        Above the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Of the histogram; there after `plot`.
    ice_ax_ : matplotlib Axes
        Of the ice content.
    figure_ : matplotlib Figure
        That holds them.

    References
    ----------
    Bagherzadeh et al. (2023), Fig. 6, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import GMMLabeler
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.random((1, 64, 64)) < 0.7
    >>> X = np.where(ice, 110, 30) + rng.normal(0, 8, ice.shape)
    >>> display = MixtureDisplay.from_estimator(GMMLabeler(smoothing=None).fit(X), X)
    >>> step = np.diff(display.levels[:2])
    >>> (display.components.sum(axis=1) * step).round(1)  # as frequent as the phases
    array([0.3, 0.7])
    """

    def __init__(self, levels, density, components, ice, *, separation, title=None):
        self.levels = levels
        self.density = density
        self.components = components
        self.ice = ice
        self.separation = separation
        self.title = title

    @classmethod
    def from_estimator(cls, labeler, X, *, slice_index=None, n_levels=100, title=None):
        """Take one slice of a stack, as the labeler sees it (smoothed, if it smooths).

        Parameters
        ----------
        labeler : GMMLabeler
            Fitted.
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask (a few slices are computed).
        slice_index : int, optional
            Which slice; default the middle one.
        n_levels : int
            Most bars of the histogram.
        title : str, optional
            Above the picture.

        Returns
        -------
        MixtureDisplay

        Raises
        ------
        ValueError
            If the slice has no voxel inside.
        """
        check_is_fitted(labeler)
        X = check_stack(X)
        z = X.shape[0] // 2 if slice_index is None else slice_index
        histogram, mixture, ice = explain_slice(labeler, X, z)
        levels, density = _bars(histogram, n_levels)
        return cls(
            levels,
            density,
            np.exp(mixture.log_joint(levels)),
            np.interp(levels, histogram.levels, ice),
            separation=mixture.separation,
            title=title,
        )

    def plot(self, ax=None):
        """Draw the histogram and the curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure.

        Returns
        -------
        MixtureDisplay
            The display itself.
        """
        (ax,) = get_axes(ax)
        ax.bar(self.levels, self.density, width=np.diff(self.levels[:2]), color="#dddddd")
        names = ["air", *["partly ice"] * (len(self.components) - 2), "ice"]
        colours = [_AIR, *["#b0c4de"] * (len(self.components) - 2), _ICE]
        for curve, name, colour in zip(self.components, names, colours, strict=True):
            ax.plot(self.levels, curve, color=colour, label=name)
        ax.set(xlabel="grey level", ylabel="share of voxels per grey level")
        ice_ax = ax.twinx()
        ice_ax.plot(self.levels, self.ice, color=_CURVE, linestyle="--")
        ice_ax.set(ylim=(0, 1.05))
        ice_ax.set_ylabel("ice content", color=_CURVE)
        ax.legend(title=f"d' = {self.separation:.1f}", fontsize="small", loc="best")
        if self.title:
            ax.set_title(self.title)
        self.ax_, self.ice_ax_, self.figure_ = ax, ice_ax, ax.figure
        return self


def _bars(histogram, n_levels):
    """(centres, shares per grey level) of at most `n_levels` bars over the bulk of the voxels."""
    total = np.cumsum(histogram.counts) / histogram.n_voxels
    first, last = np.searchsorted(total, (0.0005, 0.9995))
    step = max(1, -(-(last + 1 - first) // n_levels))
    starts = np.arange(first, last + 1, step)
    counts = np.add.reduceat(histogram.counts, starts)[: len(starts)]
    counts[-1] = histogram.counts[starts[-1] : starts[-1] + step].sum()
    width = step * histogram.width
    centres = histogram.levels[starts] + (step - 1) / 2 * histogram.width
    return centres, counts / histogram.n_voxels / width


class LabelerComparisonDisplay:
    """One slice of a scan beside its labels by several methods, as Fig. 5 of the paper.

    Parameters
    ----------
    image : array of shape (n_rows, n_columns)
        Grey slice.
    labels : dict of str to array of shape (n_rows, n_columns)
        Labels by the name of the method, in the order of drawing.
    scores : dict of str to float, optional
        A number to stand under some of the names.
    score_name : str
        What the numbers are.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        The scan's and one per method; there after `plot`.
    figure_ : matplotlib Figure
        That holds them.

    References
    ----------
    Bagherzadeh et al. (2023), Fig. 5, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg import ThresholdLabeler
    >>> X = np.full((1, 8, 8), 30, dtype=np.uint8)
    >>> X[0, 2:6] = 110
    >>> labelers = {"Otsu": ThresholdLabeler(), "60": ThresholdLabeler(60)}
    >>> display = LabelerComparisonDisplay.from_estimators(labelers, X, X > 50)
    >>> display.scores
    {'Otsu': 1.0, '60': 1.0}
    """

    def __init__(self, image, labels, *, scores=None, score_name="F1 of air"):
        self.image = image
        self.labels = labels
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_estimators(cls, labelers, X, y_true=None, *, slice_index=None):
        """Fit every labeler to a stack and take one slice of its labels.

        Parameters
        ----------
        labelers : mapping of str to estimator
            Labelers, or pipelines that end in one; clones are fitted.
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask.
        y_true : array of the same shape, optional
            True labels: drawn beside the others, and F1 of air over the stack is given.
        slice_index : int, optional
            Which slice; default the middle one.

        Returns
        -------
        LabelerComparisonDisplay

        Raises
        ------
        ValueError
            If there is no labeler, or if the shapes differ.
        """
        if not labelers:
            raise ValueError("labelers must hold at least one labeler, got none.")
        X = check_stack(X)
        z = X.shape[0] // 2 if slice_index is None else slice_index
        labels, scores = {}, {}
        if y_true is not None:
            y_true = check_labels(y_true, name="y_true")
            check_same_shape(X, y_true, names=("X", "y_true"))
            labels["truth"] = np.asarray(y_true[z])
        for name, labeler in labelers.items():
            predicted = clone(labeler).fit(X).predict(X)
            labels[name] = np.asarray(predicted[z])
            if y_true is not None:
                scores[name] = float(dice_score(y_true, predicted, positive=AIR))
        return cls(np.asarray(X[z]), labels, scores=scores or None)

    def plot(self, axes=None):
        """Draw the scan and the labels, ice light and air dark.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            One more than there are labels. Default: a new figure.

        Returns
        -------
        LabelerComparisonDisplay
            The display itself.
        """
        axes = get_axes(axes, n_columns=1 + len(self.labels), size=(2.4, 3.0))
        axes[0].imshow(self.image, cmap="gray", interpolation="nearest")
        axes[0].set_title("scan", fontsize="medium")
        for ax, (name, labels) in zip(axes[1:], self.labels.items(), strict=True):
            shown = np.where(labels == OUTSIDE, np.nan, labels == ICE)
            ax.imshow(shown, cmap="gray", vmin=-0.3, vmax=1.3, interpolation="nearest")
            score = (self.scores or {}).get(name)
            below = "" if score is None else f"\n{self.score_name} {score:.3f}"
            ax.set_title(f"{name}{below}", fontsize="medium")
        for ax in axes:
            ax.set_axis_off()
        self.axes_, self.figure_ = axes, axes[0].figure
        return self
