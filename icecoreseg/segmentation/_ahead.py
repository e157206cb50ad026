"""Work that threads do ahead of the one that waits for it, in its order."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

N_AHEAD = 8
"""Pieces of work that are begun ahead of a device that is faster than one thread."""


def read_ahead(iterable):
    """Yield the items; a thread fetches the next one while one is used.

    Examples
    --------
    >>> list(read_ahead("abc"))
    ['a', 'b', 'c']
    """
    items, end = iter(iterable), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item


def in_order(function, arguments, *, n_ahead):
    """Yield ``function(argument)`` in order, at most `n_ahead` of them worked on by threads.

    Examples
    --------
    >>> list(in_order(abs, [-3, -2, -1], n_ahead=2))
    [3, 2, 1]
    """
    if n_ahead == 0:
        yield from map(function, arguments)
        return
    arguments = iter(arguments)
    with ThreadPoolExecutor(n_ahead) as pool:
        waiting = deque(pool.submit(function, item) for item in islice(arguments, n_ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(arguments, 1))
            yield result
