"""Two processes train the network that one process trains with twice the batch."""

import os
import socket
import subprocess
import sys

import numpy as np
import torch

from icecoreseg import UNetSegmenter
from tests.segmentation.conftest import make_core, tiny_unet

WORKER = """
import sys
import torch
from tests.segmentation.conftest import make_core, tiny_unet

torch.set_num_threads(1)
model = tiny_unet(batch_size=2, batches_per_epoch=5, max_epochs=2, checkpoint=sys.argv[2])
model.fit(*make_core(0), validation_data=make_core(5))
model.save(sys.argv[1])
"""


def test_two_processes_equal_twice_the_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [tmp_path / f"model{rank}.safetensors" for rank in range(2)]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, path, tmp_path / "run.safetensors"],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank, path in enumerate(paths)
    ]
    try:
        one = tiny_unet(batch_size=4, batches_per_epoch=5, max_epochs=2)
        one.fit(*make_core(0), validation_data=make_core(5))
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    first, second = (UNetSegmenter.load(path) for path in paths)
    for a, b, alone in zip(*(m.module_.parameters() for m in (first, second, one)), strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, alone, rtol=1e-3, atol=1e-4)
    losses = [[entry["train_loss"] for entry in model.history_] for model in (first, one)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
