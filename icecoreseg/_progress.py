"""Progress of long calls, in one place and off by one switch."""

import sys

from tqdm.auto import tqdm


def track(iterable, *, verbose, total=None, description=None, unit="slab"):
    """Wrap an iterable in a progress bar, if `verbose` and if somebody is looking.

    A bar is drawn in notebooks and terminals; a script whose output goes to a file
    stays quiet. ``verbose=2`` draws it everywhere.
    """
    hidden = not verbose or (verbose < 2 and not _somebody_looks())
    return tqdm(iterable, total=total, desc=description, unit=unit, disable=hidden)


def _somebody_looks():
    in_notebook = "ipykernel" in sys.modules
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())
