"""Time to import, as a ratio to importing scikit-learn, which the estimators stand on.

Every import runs in an interpreter of its own; medians of CPU seconds, its start not counted.
Run ``python benchmarks/bench_import.py [--fast]``.
"""

import argparse
import statistics
import subprocess
import sys

CASES = {
    "import icecoreseg": "import icecoreseg",
    "estimators without torch": "from icecoreseg import CoreMasker, GMMLabeler, MaskDownsampler",
    "all but the network": (
        "import icecoreseg as i\n"
        "[getattr(i, n) for n in i.__all__ if 'Segmenter' not in n and n != 'segmentation']"
    ),
    "with the network": "from icecoreseg import UNetSegmenter",
}
REFERENCE = "import sklearn.base"


def seconds(code, n_rounds):
    """Median CPU seconds of a statement in a fresh interpreter, start-up not counted."""
    timed = f"import time; t = time.process_time()\n{code}\nprint(time.process_time() - t)"
    times = []
    for _ in range(n_rounds):
        command = [sys.executable, "-c", timed]
        times.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="one round instead of five")
    n_rounds = 1 if parser.parse_args().fast else 5
    reference = seconds(REFERENCE, n_rounds)
    print(f"{'import sklearn.base':28} {reference:6.2f} s")
    for name, code in CASES.items():
        took = seconds(code, n_rounds)
        print(f"{name:28} {took:6.2f} s   {took / reference:5.2f} x sklearn.base")


if __name__ == "__main__":
    main()
