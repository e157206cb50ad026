"""The paper's figures that hold results, as Display objects on the cores of a run."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from icecoreseg import GMMLabeler
from icecoreseg.display import (
    LabelerComparisonDisplay,
    MixtureDisplay,
    ParityDisplay,
    ResolutionDisplay,
    ScoreDisplay,
    SegmentationDisplay,
    TrainingDisplay,
)
from reproduction.recipes import LOW_RESOLUTION

WINDOW = 64
"""Edge of the squares that are shown, in low-resolution pixels."""


def kind_of(core):
    """``snow_0`` -> ``snow``."""
    return core.split("_")[0]


def _middle(image, window=WINDOW):
    """Square around the middle of a slice."""
    start = [max(0, (n - window) // 2) for n in image.shape]
    return image[start[0] : start[0] + window, start[1] : start[1] + window]


def figure_04(results):
    """Fig. 4: the fine scan, resized, is sharper than the coarse scan."""
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
    for column, core in zip(axes.T, results.cores, strict=True):
        low, high = results.scan(core), results.scan(core, "high")
        display = ResolutionDisplay.from_scans(low, high, window=WINDOW, title=kind_of(core))
        display.plot(column)
    return figure


COMPARED = {
    "Otsu": LOW_RESOLUTION["Otsu"],
    "GMM, paper": LOW_RESOLUTION["GMM, smoothed"],
    "GMM, ours": GMMLabeler(),
}
"""Columns of Fig. 5."""


def figure_05(results):
    """Fig. 5: methods that learn nothing, on both resolutions of three specimens."""
    figure, axes = plt.subplots(6, 5, figsize=(10, 11.5), layout="constrained")
    rows = [(core, resolution) for core in results.cores for resolution in ("low", "high")]
    for row, (core, resolution) in zip(axes, rows, strict=True):
        X = _middle_slices(results, core, resolution)
        window = WINDOW if resolution == "low" else 2 * WINDOW
        display = LabelerComparisonDisplay.from_estimators(COMPARED, X)
        labels = {name: _middle(image, window) for name, image in display.labels.items()}
        LabelerComparisonDisplay(_middle(display.image, window), labels).plot(row[:4])
        row[0].set_title(f"{kind_of(core)}, {resolution} resolution", fontsize="medium")
        levels = X[len(X) // 2]
        row[4].hist(levels[~np.isnan(levels)], bins=np.arange(0, 200, 2) - 0.5, color="0.6")
        row[4].set(yticks=[])
    axes[-1, 4].set_xlabel("grey level")
    return figure


def _middle_slices(results, core, resolution="low", n_slices=7):
    """A few slices around the middle of a core."""
    scan = results.scan(core, resolution)
    start = (len(scan) - n_slices) // 2
    return np.asarray(scan[start : start + n_slices], dtype=np.float32)


def figure_06(results):
    """Fig. 6: the mixture over the histogram of low-resolution snow; bubbly ice beside it."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, core in zip(axes, (results.cores[0], results.cores[2]), strict=True):
        X = _middle_slices(results, core)
        labeler = LOW_RESOLUTION["GMM, smoothed"]
        MixtureDisplay.from_estimator(
            clone(labeler).fit(X), X, title=f"{kind_of(core)}, low resolution"
        ).plot(axis)
    return figure


def figure_08_09(results):
    """Figs 8 and 9: loss and F1 per epoch, of the paper's network and of ours."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for row, recipe in zip(axes, ("paper", "ours"), strict=True):
        TrainingDisplay.from_estimator(results.network(recipe)).plot(row)
        row[0].set_title(f"recipe: {recipe}", fontsize="medium")
        row[1].set_title("on the validation slices", fontsize="medium")
    return figure


def figure_10(results):
    """Fig. 10: 2-D SSA and density of every test slice, and F1 against structure."""
    figure, axes = plt.subplots(3, 3, figsize=(11, 10.5), layout="constrained")
    stacks = {core: _tested(results, core) for core in results.cores}
    for column, core in enumerate(results.cores):
        truth, predicted = stacks[core]
        voxel = results.card(core)["voxel_size_um"]
        for row, quantity in enumerate(("ssa_2d_mm1", "density_kg_m3")):
            ParityDisplay.from_labels(truth, predicted, voxel, quantity=quantity).plot(
                axes[row, column]
            )
            head = axes[row, column].get_title()
            axes[row, column].set_title(f"{kind_of(core)}: {head}", fontsize="medium")
    truth, predicted = (np.concatenate(parts) for parts in zip(*stacks.values(), strict=True))
    groups = np.repeat([kind_of(core) for core in stacks], [len(s[0]) for s in stacks.values()])
    for axis, quantity in zip(
        axes[2], ("intercept_length_mm", "ssa_2d_mm1", "density_kg_m3"), strict=True
    ):
        ScoreDisplay.from_labels(truth, predicted, voxel, quantity=quantity, groups=groups).plot(
            axis
        )
    _enlarge_points(axes)
    return figure


def _enlarge_points(axes):
    """A few slices only: their points may be large."""
    for axis in axes.flat:
        for points in axis.collections:
            points.set_sizes([30])


def _tested(results, core):
    test = results.test_slices(core)
    return np.asarray(results.truth(core)[test]), np.asarray(results.predicted(core)[test])


def _outlines(results, core, recipe, reference, *, mask=False):
    """Display of a window of the middle test slice."""
    test = results.test_slices(core)
    z = (test.start + test.stop) // 2
    truth = _middle(np.asarray(reference[z]))
    image = np.float32(truth == 1) if mask else _middle(np.asarray(results.scan(core)[z]))
    predicted = _middle(np.asarray(results.predicted(core, recipe)[z]))
    return SegmentationDisplay(
        image, predicted, truth=None if mask else truth, title=f"{kind_of(core)}, recipe: {recipe}"
    )


def figure_11(results):
    """Fig. 11: outlines of prediction (red) over truth (green)."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 7.6), layout="constrained")
    for row, recipe in zip(axes, ("paper", "ours"), strict=True):
        for axis, core in zip(row, results.cores, strict=True):
            _outlines(results, core, recipe, results.truth(core)).plot(axis, linewidth=1.1)
    return figure


def figure_12(results):
    """Fig. 12: snow, outlines of the prediction over the filled mask of the labels."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
    core = results.cores[0]
    for axis, recipe in zip(axes, ("paper", "ours"), strict=True):
        labels = results.labels(core, "paper" if recipe == "paper" else "ours, hard")
        _outlines(results, core, recipe, labels, mask=True).plot(axis, linewidth=1.1)
    figure.suptitle("white: ice of the labels that were learned")
    return figure


def figure_13(results):
    """Fig. 13: prediction (red) and labels (green); firn as in the paper, and bubbly ice."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 9.2), layout="constrained")
    for row, core in zip(axes, results.cores[1:], strict=True):
        for axis, recipe in zip(row, ("paper", "ours"), strict=True):
            labels = results.labels(core, "paper" if recipe == "paper" else "ours, hard")
            _outlines(results, core, recipe, labels).plot(axis, linewidth=1.1)
            axis.legend(axis.lines, ["labels", "prediction"], loc="lower right", fontsize="small")
    return figure


FIGURES = {
    "figure_04": figure_04,
    "figure_05": figure_05,
    "figure_06": figure_06,
    "figure_08_09": figure_08_09,
    "figure_10": figure_10,
    "figure_11": figure_11,
    "figure_12": figure_12,
    "figure_13": figure_13,
}
"""Name of the file -> function that draws it from `reproduction.cores.Results`."""
