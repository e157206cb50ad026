"""The network as an ONNX file, by torch's own exporter."""

import json
import warnings

import numpy as np
import torch
from torch import nn

from icecoreseg.labels import AIR, ICE
from icecoreseg.segmentation._model_file import write_atomically


class GreyToFraction(nn.Module):
    """From grey values to ice fractions: scaling, what is outside, and the network.

    Parameters
    ----------
    network : UNet
    grey : GreyScale
        With the value that marks the outside.
    """

    def __init__(self, network, grey):
        super().__init__()
        self.network, self.grey = network, grey

    def forward(self, grey):
        """Fractions (n, 1, n_rows, n_columns) of grey (n, n_channels, n_rows, n_columns)."""
        x = (grey - self.grey.mean) * (1 / self.grey.sd)
        if not np.isnan(self.grey.outside):
            x = x.masked_fill(grey == self.grey.outside, torch.nan)
        channels, middle = list(x.split(1, dim=1)), self.network.context_slices
        for step in range(middle):  # as in `with_neighbours`
            for sign in (-1, 1):
                inner, i = channels[middle + sign * step], middle + sign * (step + 1)
                channels[i] = torch.where(channels[i].isnan(), inner, channels[i])
        x = torch.cat(channels, dim=1)
        logits = self.network(x.masked_fill(x.isnan(), 0.0))
        return logits.sigmoid().masked_fill(channels[middle].isnan(), torch.nan)


def write_onnx(path, network, grey, card):
    """Write network, scaling and card to one ONNX file, atomically.

    Parameters
    ----------
    path : str or Path
    network : UNet
        On the CPU.
    grey : GreyScale
    card : dict
        What JSON can hold; it goes to the metadata under "icecoreseg".

    Raises
    ------
    ImportError
        If onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "export_onnx needs onnxscript, which is not installed: pip install 'icecoreseg[onnx]'."
        ) from error
    stride = network.stride
    n, rows, columns = (torch.export.Dim(name) for name in ("n", "row_blocks", "column_blocks"))
    example = torch.zeros(2, 1 + 2 * network.context_slices, 2 * stride, 3 * stride)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 warns of its own calls
        program = torch.onnx.export(
            GreyToFraction(network, grey).eval(),
            (example,),
            input_names=["grey"],
            output_names=["fraction"],
            dynamic_shapes={"grey": {0: n, 2: stride * rows, 3: stride * columns}},
            dynamo=True,
            verbose=False,
        )
    program.model.metadata_props["icecoreseg"] = json.dumps(card)
    program.model.metadata_props["classes"] = json.dumps({"air": AIR, "ice": ICE})
    write_atomically(path, program.model_proto.SerializeToString())
