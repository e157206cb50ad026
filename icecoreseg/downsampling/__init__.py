"""Labels of the fine scan on the grid of the coarse one."""

from icecoreseg.downsampling.labels import downsample_labels
from icecoreseg.downsampling.mask_downsampler import MaskDownsampler

__all__ = ["MaskDownsampler", "downsample_labels"]
