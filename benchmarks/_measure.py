"""What the benchmarks measure with."""

import statistics
import time
from pathlib import Path


def seconds(call, n_rounds=1):
    """Median CPU seconds of a call."""
    times = []
    for _ in range(n_rounds):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


def most_held_mib():
    """Most memory that this process has held so far (Linux), in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
