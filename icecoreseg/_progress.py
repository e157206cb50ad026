"""Progress of long calls, in one place and off by one switch."""

import sys

from tqdm.auto import tqdm


def track(iterable, *, verbose, total=None, description=None, unit="slab"):
    """Wrap an iterable in a progress bar; see `progress`."""
    bar = progress(verbose=verbose, total=total, description=description, unit=unit)
    bar.iterable = iterable
    return bar


def progress(*, verbose, total, description=None, unit="slab", initial=0):
    """A bar with rate and time left, if `verbose` and if somebody is looking.

    A bar is drawn in notebooks and terminals; a script whose output goes to a file
    stays quiet. ``verbose=2`` draws it everywhere.

    Returns
    -------
    tqdm
        A context manager; ``update(n)`` says that n more are done. Those of `initial` were
        done before, and do not count for the rate.
    """
    hidden = not verbose or (verbose < 2 and not _somebody_looks())
    return tqdm(total=total, desc=description, unit=unit, initial=initial, disable=hidden)


def _somebody_looks():
    in_notebook = "ipykernel" in sys.modules
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())
