"""The published network written down plainly, independent of the package's modules."""

import torch
import torch.nn.functional as F

# Layer table of Bagherzadeh et al. (2023): name, input channels, output channels.
LAYERS = {
    "conv1": (1, 32),
    "conv2": (32, 32),
    "conv3": (32, 52),
    "conv4": (52, 52),
    "conv5": (52, 72),
    "conv6": (72, 72),
    "conv7": (72, 92),
    "conv8": (92, 92),
    "conv9": (92, 112),
    "conv10": (112, 112),
    "conv11": (112, 128),
    "conv12": (128, 128),
    "up1_conv": (240, 120),
    "up2_conv": (212, 106),
    "up3_conv": (178, 90),
    "up4_conv": (142, 70),
    "up5_conv": (102, 50),
    "up6_conv": (82, 32),
    "output": (32, 1),
}


def plain_logits(weights, x, *, published, n_poolings=6):
    """Forward pass of the published network, or of the one with a ReLU everywhere."""

    def convolve(name, x):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    def even(x):
        return x if published else torch.relu(x)

    skips = [even(convolve("conv1", x))]
    x = F.max_pool2d(torch.relu(skips[0]), 2)
    for level in range(1, n_poolings):
        skips.append(even(convolve(f"conv{2 * level}", x)))
        x = F.max_pool2d(torch.relu(convolve(f"conv{2 * level + 1}", skips[-1])), 2)
    x = even(convolve(f"conv{2 * n_poolings}", x))
    for step, skip in enumerate(reversed(skips), start=1):
        above = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = torch.relu(convolve(f"up{step}_conv", torch.cat([above, skip], dim=1)))
    return convolve("output", x)
