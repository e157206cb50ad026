"""What training makes small."""

import torch
import torch.nn.functional as F


def void_aware_loss(logits, target):
    """Cross-entropy against ice fractions, summed over the voxels that are not void.

    With fractions as targets its minimum is the expected fraction, so that predicted
    fractions add up to the right mass.

    Examples
    --------
    >>> logits, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, torch.nan]]]])
    >>> round(void_aware_loss(logits, target).item(), 4)  # ln 2, from one voxel
    0.6931
    """
    weight = (~torch.isnan(target)).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(
        logits, torch.nan_to_num(target), weight=weight, reduction="sum"
    )
