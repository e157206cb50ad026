"""Which high-resolution slices show what a low-resolution slice shows."""

import warnings
from typing import NamedTuple


class Pairs(NamedTuple):
    """Slices in order of depth; high slices 2 i and 2 i + 1 belong to low slice i."""

    low_files: list
    high_files: list
    numbers: list


def pair_slices(high, low, *, core, offset=None, incomplete="raise"):
    """Pair slices by block and number.

    Parameters
    ----------
    high, low : list of (ScanName, path)
        The slices of one specimen.
    core : str
        Its name in messages.
    offset : int, optional
        Low slice n has the high slices ``2 n + offset`` and the next; see `load_tgrs2023`.
    incomplete : {"raise", "skip"}
        What to do about slices without partner and gaps.

    Returns
    -------
    Pairs

    Raises
    ------
    ValueError
        If two files have one number, if the offset cannot be told, or if slices are missing.

    Examples
    --------
    >>> from icecoreseg.datasets._scan_names import parse_scan_name
    >>> high = [(parse_scan_name(f), f) for f in ["a_10.png", "a_8.png", "a_9.png", "a_11.png"]]
    >>> low = [(parse_scan_name(f), f) for f in ["b_5.png", "b_4.png"]]
    >>> pair_slices(high, low, core="a").high_files
    ['a_8.png', 'a_9.png', 'a_10.png', 'a_11.png']
    """
    high, low = _by_number(high, core), _by_number(low, core)
    _check_blocks(high, low, core)
    if offset is None:
        offset = _guess_offset(high, low, core)
    wanted = _expected(low, high, offset, incomplete)
    missing_low = [key for key in wanted if key not in low]
    partners = {key: _partners(key, offset) for key in wanted}
    missing_high = [key for pair in partners.values() for key in pair if key not in high]
    surplus = sorted(set(high) - {key for pair in partners.values() for key in pair})
    _report(core, missing_low, missing_high, surplus, incomplete)
    kept = [key for key in wanted if key in low and all(key in high for key in partners[key])]
    if not kept:
        raise ValueError(f"{core}: no low-resolution slice has both of its high-resolution ones.")
    high_files = [high[key] for pair in kept for key in partners[pair]]
    return Pairs([low[key] for key in kept], high_files, kept)


def _by_number(slices, core):
    """Mapping (block, number) -> path."""
    files = {}
    for name, path in slices:
        key = name.block, name.number
        if key in files:
            raise ValueError(
                f"{core}: block {key[0]}, slice {key[1]} is there twice: {files[key]} and {path}."
            )
        files[key] = path
    return files


def _check_blocks(high, low, core):
    blocks = [sorted({key[0] for key in files}) for files in (high, low)]
    if blocks[0] != blocks[1]:
        raise ValueError(
            f"{core}: the high-resolution slices are of the blocks {blocks[0]}, the "
            f"low-resolution ones of {blocks[1]}."
        )


def _guess_offset(high, low, core):
    """0 if all count from 0, -1 if all count from 1; by the first and the last slice."""
    (block, first_high), (_, first_low) = min(high), min(low)
    last_high, last_low = (max(n for b, n in files if b == block) for files in (high, low))
    fitting = {
        offset: sum(all(pair in high for pair in _partners(key, offset)) for key in low)
        for offset in (0, -1)
        if 2 * first_low + offset >= 0  # no slice has a negative number
        and offset in (first_high - 2 * first_low, last_high - 2 * last_low - 1)
    }
    best = [offset for offset in fitting if fitting[offset] == max(fitting.values())]
    if len(best) == 1:
        return best[0]
    raise ValueError(
        f"{core}: how do high-resolution slices {first_high} to {last_high} and low-resolution "
        f"slices {first_low} to {last_low} (block {block}) pair? Low slice {first_low} belongs to "
        f"{2 * first_low} and {2 * first_low + 1} or, counted from 1, to {2 * first_low - 1} and "
        f"{2 * first_low}. Pass offset to say; offset={first_high - 2 * first_low} makes a pair "
        "of the first ones."
    )


def _partners(key, offset):
    block, number = key
    return (block, 2 * number + offset), (block, 2 * number + offset + 1)


def _expected(low, high, offset, incomplete):
    """Low slices that should be there: all from the first to the last of either resolution."""
    if incomplete == "skip":
        return sorted(low)
    wanted = []
    for block in sorted({key[0] for key in low}):
        numbers = [n for b, n in low if b == block]
        numbers += [(n - offset) // 2 for b, n in high if b == block]
        wanted += [(block, n) for n in range(min(numbers), max(numbers) + 1)]
    return wanted


def _report(core, missing_low, missing_high, surplus, incomplete):
    said = {
        "low-resolution slices missing": missing_low,
        "high-resolution slices missing": missing_high,
        "high-resolution slices without partner": surplus,
    }
    faults = [f"{what}: {_runs(keys)}" for what, keys in said.items() if keys]
    if not faults:
        return
    message = f"{core}: {'; '.join(faults)}"
    if incomplete == "raise":
        raise ValueError(f"{message}. Pass incomplete='skip' to leave them out.")
    warnings.warn(f"{message}. Incomplete pairs are left out.", stacklevel=4)


def _runs(keys):
    """Numbers as ranges: (0, 3), (0, 4), (0, 9) -> '3-4, 9'; blocks are named if not 0."""
    runs = []
    for block, number in sorted(keys):
        if runs and runs[-1][0] == block and runs[-1][2] == number - 1:
            runs[-1][2] = number
        else:
            runs.append([block, number, number])
    words = [
        (f"block {block}: " if block else "") + (f"{a}" if a == b else f"{a}-{b}")
        for block, a, b in runs
    ]
    return ", ".join(words[:20]) + (f" and {len(words) - 20} more runs" if len(words) > 20 else "")
