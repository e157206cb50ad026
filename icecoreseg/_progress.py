"""Progress of long calls, in one place and off by one switch."""

import os
import sys
from contextlib import contextmanager

from tqdm.auto import tqdm

SWITCH = "ICECORESEG_PROGRESS"
"""Environment variable that, set to 0, turns all bars off; set to 1, draws them everywhere."""

_PATIENCE = 1.0
"""Seconds before a bar appears that nobody asked for."""


def track(iterable, *, verbose, total=None, description=None, unit="slab"):
    """Wrap an iterable in a progress bar; see `progress`."""
    bar = progress(verbose=verbose, total=total, description=description, unit=unit)
    bar.iterable = iterable
    return bar


def progress(*, total, verbose=None, description=None, unit="slab", initial=0):
    """A bar with rate and time left, if somebody is looking.

    A bar is drawn in notebooks and terminals; a script whose output goes to a file stays
    quiet.

    Parameters
    ----------
    total : int
        Units of the whole work.
    verbose : bool, int or None
        True: draw it if somebody looks; 2: draw it everywhere; False: never. None: draw it
        if somebody looks and the call takes longer than a second. `SWITCH` goes before None.
    description, unit : str
        What stands before the bar, and what is counted.
    initial : int
        How many were done before; they do not count for the rate.

    Returns
    -------
    tqdm
        A context manager; ``update(n)`` says that n more are done.
    """
    patience = _PATIENCE if verbose is None else 0
    if verbose is None:
        verbose = {"0": 0, "1": 2}.get(os.environ.get(SWITCH), 1)
    hidden = not verbose or (verbose < 2 and not _somebody_looks())
    options = {"desc": description, "unit": unit, "initial": initial, "delay": patience}
    return tqdm(total=total, disable=hidden, leave=patience == 0, **options)


@contextmanager
def progress_bars(shown):
    """Show or hide the bars of all calls within a ``with`` block.

    Parameters
    ----------
    shown : bool
        False: no bars. True: bars, even if the output goes to a file.

    Examples
    --------
    >>> from icecoreseg import progress_bars
    >>> with progress_bars(False):
    ...     pass  # long calls
    """
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1" if shown else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


def _somebody_looks():
    in_notebook = "ipykernel" in sys.modules
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())
