"""Pictures of segmentations: outlines on the scan, and how the training went."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from icecoreseg._validation import check_labels, check_same_shape, check_stack
from icecoreseg.display._axes import get_axes
from icecoreseg.labels import ICE

TRUTH_COLOUR, PREDICTION_COLOUR = "#00c853", "#ff1744"


class SegmentationDisplay:
    """One slice of a scan with the outlines of its labels, as Fig. 11 of the paper.

    The outline of the prediction (red) is drawn over that of the truth (green): where no
    green is visible, both coincide.

    Parameters
    ----------
    image : array of shape (n_rows, n_columns)
        Grey slice.
    prediction : array of shape (n_rows, n_columns)
        Predicted labels.
    truth : array of shape (n_rows, n_columns), optional
        True labels.
    title : str, optional
        Above the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Drawn on; there after `plot`.
    figure_ : matplotlib Figure
        That holds it.

    References
    ----------
    Bagherzadeh et al. (2023), Fig. 11, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((3, 8, 8), dtype=np.uint8)
    >>> y = np.zeros((3, 8, 8), dtype=np.uint8)
    >>> y[:, 2:6, 2:6] = 1
    >>> SegmentationDisplay.from_predictions(X, y, slice_index=1).prediction.sum()
    np.uint64(16)
    """

    def __init__(self, image, prediction, *, truth=None, title=None):
        self.image = image
        self.prediction = prediction
        self.truth = truth
        self.title = title

    @classmethod
    def from_predictions(cls, X, y_pred, y_true=None, *, slice_index=None, title=None):
        """Take one slice of a stack and of its labels.

        Parameters
        ----------
        X : array of shape (n_slices, n_rows, n_columns)
            Grey stack, numpy or dask (one slice is computed).
        y_pred, y_true : array of the same shape
            Labels.
        slice_index : int, optional
            Which slice; default the middle one.
        title : str, optional
            Above the picture.

        Returns
        -------
        SegmentationDisplay

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        X, y_pred = check_stack(X), check_labels(y_pred, name="y_pred")
        check_same_shape(X, y_pred, names=("X", "y_pred"))
        z = X.shape[0] // 2 if slice_index is None else slice_index
        truth = None
        if y_true is not None:
            y_true = check_labels(y_true, name="y_true")
            check_same_shape(X, y_true, names=("X", "y_true"))
            truth = np.asarray(y_true[z])
        return cls(np.asarray(X[z]), np.asarray(y_pred[z]), truth=truth, title=title)

    @classmethod
    def from_estimator(cls, estimator, X, y_true=None, *, slice_index=None, title=None):
        """Predict X and take one slice; parameters as in `from_predictions`."""
        y_pred = estimator.predict(X)
        return cls.from_predictions(X, y_pred, y_true, slice_index=slice_index, title=title)

    def plot(self, ax=None, *, linewidth=0.8):
        """Draw the slice and the outlines.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: a new figure.
        linewidth : float
            Of the outlines, in points.

        Returns
        -------
        SegmentationDisplay
            The display itself.
        """
        (ax,) = get_axes(ax)
        ax.imshow(self.image, cmap="gray", interpolation="nearest")
        layers = [(self.truth, TRUTH_COLOUR, "truth")] if self.truth is not None else []
        for labels, colour, name in [*layers, (self.prediction, PREDICTION_COLOUR, "prediction")]:
            ice = labels == ICE
            if ice.any() and not ice.all():
                ax.contour(ice, levels=[0.5], colors=[colour], linewidths=linewidth)
            ax.plot([], [], color=colour, label=name)
        ax.set_axis_off()
        ax.legend(loc="lower right", fontsize="small", framealpha=0.8)
        if self.title:
            ax.set_title(self.title)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class TrainingDisplay:
    """Loss and F1 per epoch, as Figs 8 and 9 of the paper.

    Parameters
    ----------
    history : list of dict
        ``history_`` of a fitted `UNetSegmenter`: one dict per epoch with ``epoch``,
        ``train_loss`` and, if it was given validation data, ``valid_loss``,
        ``valid_dice_ice``, ``valid_dice_air``.

    Attributes
    ----------
    ax_ : list of matplotlib Axes
        Loss, and F1 if there is any; there after `plot`.
    figure_ : matplotlib Figure
        That holds them.

    Examples
    --------
    >>> history = [{"epoch": 1, "train_loss": 0.4}, {"epoch": 2, "train_loss": 0.2}]
    >>> TrainingDisplay(history).series("train_loss")
    ([1, 2], [0.4, 0.2])
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator):
        """History of a fitted `UNetSegmenter`, also as the last step of a pipeline."""
        estimator = getattr(estimator, "segmenter_", estimator)
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        check_is_fitted(estimator, "history_")
        return cls(estimator.history_)

    def series(self, name):
        """Epochs and values of one quantity: two lists, empty if it was not recorded."""
        rows = [row for row in self.history if name in row]
        return [row["epoch"] for row in rows], [row[name] for row in rows]

    def plot(self, ax=None):
        """Draw one panel for the loss and, if there is validation data, one for F1.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            One or two of them; default: a new figure.

        Returns
        -------
        TrainingDisplay
            The display itself.
        """
        panels = [("loss", {"training": "train_loss", "validation": "valid_loss"})]
        if self.series("valid_dice_ice")[0]:
            panels.append(("F1", {"ice": "valid_dice_ice", "air": "valid_dice_air"}))
        axes = get_axes(ax, n_columns=len(panels), size=(4.5, 3.2))
        for axis, (label, curves) in zip(axes, panels, strict=True):
            for name, key in curves.items():
                epochs, values = self.series(key)
                if epochs:
                    axis.plot(epochs, values, marker="o", markersize=3, label=name)
            axis.set(xlabel="epoch", ylabel=label)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.legend()
        self.ax_, self.figure_ = axes, axes[0].figure
        return self
