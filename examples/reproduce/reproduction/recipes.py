"""The methods that are compared: the paper's recipe, ours, and what lies between."""

from sklearn.pipeline import make_pipeline

from icecoreseg import GMMLabeler, MaskDownsampler, ThresholdLabeler, UNetSegmenter

ALONE = {"anchor_strength": 0, "tol": 1e-3, "prior": "mixture"}
"""Every slice fitted by itself, to the tolerance of scikit-learn, as in the paper."""

LOW_RESOLUTION = {
    "Otsu": ThresholdLabeler("otsu"),
    "GMM": GMMLabeler(smoothing=None, **ALONE),
    "GMM, smoothed": GMMLabeler(smoothing=(0, 1.1, 1.1), sharpening=0, **ALONE),
}
"""Methods that see the low-resolution scan alone; 1.1 voxels are the published 5 x 5 kernel."""

LABELS = {
    "paper": make_pipeline(
        GMMLabeler(smoothing=(0, 1.1, 1.1), sharpening=0, **ALONE),
        MaskDownsampler(2, ties="air"),
    ),
    "ours, hard": make_pipeline(GMMLabeler(), MaskDownsampler(2)),
    "ours": make_pipeline(GMMLabeler(output="fraction"), MaskDownsampler(2, threshold=None)),
}
"""High-resolution scan -> labels on the low-resolution grid."""

NETWORKS = {
    "paper": ("paper", "bagherzadeh2023"),
    "ours": ("ours", "unet"),
    "our labels, paper's network": ("ours", "bagherzadeh2023"),
    "paper's labels, our network": ("paper", "unet"),
    "our hard labels, our network": ("ours, hard", "unet"),
}
"""Name -> labels that it learns, and architecture. The first two are the recipes as a whole."""

RECIPES = ("paper", "ours")


def make_network(name, schedule, *, seed, checkpoint=None, verbose=0):
    """An untrained segmenter of the given name.

    All networks are trained by the same loop for the same number of steps: the paper's 93 000
    steps of whole slices with a constant rate are out of reach here, and fewer of them would
    only show a network that has not finished.
    """
    return UNetSegmenter(
        architecture=NETWORKS[name][1],
        random_state=seed,
        checkpoint=checkpoint,
        verbose=verbose,
        **schedule.network(),
    )
