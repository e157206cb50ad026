"""Draw the picture of the front page: ``python docs/make_front_picture.py`` (two minutes).

One slice of a generated core that no step has seen before: the fine scan and its labels, the
coarse scan and what a U-Net makes of it.
"""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from PIL import Image
from sklearn.pipeline import make_pipeline

from icecoreseg import AIR, ICE, CoreMasker, GMMLabeler, MaskDownsampler, UNetSegmenter
from icecoreseg.datasets import make_ice_core
from icecoreseg.metrics import dice_score
from icecoreseg.microstructure import density

COLOURS = ListedColormap(["#16324f", "#a7d3ee"])  # air, ice
TARGET = Path(__file__).parent / "_static" / "front.png"


def train(kind, n_columns):
    """Masker and labeler of the fine scan, and a U-Net that learned from them."""
    core = make_ice_core(kind, n_slices=24, n_columns=n_columns, random_state=0)
    labeler = make_pipeline(CoreMasker(), GMMLabeler(output="fraction"))
    fraction = MaskDownsampler(2, threshold=None).fit_transform(labeler.fit_transform(core.high))
    unet = UNetSegmenter(widths=(16, 32, 48), max_epochs=3, batches_per_epoch=50, random_state=0)
    return make_pipeline(CoreMasker(), unet).fit(core.low, fraction)


def draw(core, fine, coarse):
    """Four panels: scan and labels at both resolutions."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.25), layout="constrained")
    z = core.low.shape[0] // 2
    rho = density(coarse)
    f1 = dice_score(core.labels_low, coarse, positive=ICE)
    panels = [
        (core.high[2 * z], f"fine scan, {core.voxel_size_high_um:.0f} µm"),
        (fine[2 * z], "labels, found without training"),
        (core.low[z], f"coarse scan, {core.voxel_size_um:.0f} µm"),
        (coarse[z], f"U-Net: F1 {f1:.3f}, {rho:.0f} kg m$^{{-3}}$ (true {core.density_kg_m3:.0f})"),
    ]
    for ax, (pixels, title) in zip(axes, panels, strict=True):
        if "scan" in title:
            ax.imshow(pixels, cmap="gray")
        else:
            inside = np.ma.masked_greater(pixels, ICE)
            ax.imshow(inside, cmap=COLOURS, vmin=AIR, vmax=ICE, interpolation="nearest")
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    return figure


def main(kind="firn", n_columns=160):
    """Train, segment another core and save the picture."""
    model = train(kind, n_columns)
    core = make_ice_core(kind, n_slices=8, n_columns=n_columns, random_state=1)
    fine = make_pipeline(CoreMasker(), GMMLabeler()).fit_transform(core.high)
    figure = draw(core, fine, model.predict(core.low))
    file = BytesIO()
    figure.savefig(file, dpi=110, facecolor="white")
    Image.open(file).convert("RGB").quantize(64).save(TARGET, optimize=True)  # a third of the size


if __name__ == "__main__":
    main()
