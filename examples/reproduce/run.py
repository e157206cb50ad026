"""
The paper reproduced: one command
=================================

``nox -s reproduce -- --quick`` or ``python examples/reproduce/run.py --quick`` generates cores of
snow, firn and bubbly ice, labels, trains and scores, with the paper's recipe and with ours, and
writes tables (CSV), figures (PNG) and a manifest. Without ``--quick`` the full schedule: five
seeds, larger cores, longer training, on a GPU where there is one. ``--data FOLDER`` takes the
published data set (doi:10.5281/zenodo.8325366) instead of generated cores.

Every step is done once: stopped at any time, the same command goes on where it was.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from reproduction.engine import Run
from reproduction.schedule import FULL, QUICK, TINY
from reproduction.steps import make_steps


def main(arguments=None):
    """Do all steps; returns the folder of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small cores, three seeds")
    size.add_argument("--tiny", action="store_true", help="a minute; numbers mean nothing")
    parser.add_argument("--data", type=Path, help="folder of the published data set")
    parser.add_argument("--output", type=Path, help="default: results/reproduce-SCHEDULE")
    parser.add_argument("--until", help="stop before the first step that begins with this")
    parser.add_argument("--list", action="store_true", help="show the steps and stop")
    options = parser.parse_args(arguments)
    name = "quick" if options.quick else "tiny" if options.tiny else "full"
    schedule = {"quick": QUICK, "tiny": TINY, "full": FULL}[name]
    output = options.output or Path("results") / f"reproduce-{name}"
    steps = make_steps(output, schedule, options.data)
    if options.until:
        steps = steps[: next(i for i, s in enumerate(steps) if s.name.startswith(options.until))]
    if options.list:
        print(*(step.name for step in steps), sep="\n")
        return output
    started = time.perf_counter()

    def say(text):
        print(f"{time.perf_counter() - started:6.0f} s  {text}", flush=True)

    Run(output, say).do(steps)
    print(f"Tables are in {output / 'tables'}, figures in {output / 'figures'}.")
    return output


if __name__ == "__main__":
    main()
