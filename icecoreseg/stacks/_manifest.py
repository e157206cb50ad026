"""The manifest of a stack of many files: what run wrote it, and a checksum of each file.

``stack.json`` holds the run (shape, dtype, input, parameters, versions) and, when all is
written, the checksums. While a run writes, each finished file adds a line to a hidden
journal, so that a kill at any moment loses at most the files under way. There is no date
in either: an interrupted run that was continued leaves the same bytes as one that was not.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from icecoreseg.stacks._files import checksum, write_whole

NAME = "stack.json"
JOURNAL = ".stack.journal"
_KIND = "icecoreseg stack, version 1"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)\n")


class Manifest:
    """What is known to be written of one run.

    Parameters
    ----------
    folder : Path
        Where the files of the stack are.
    run : dict
        What identifies the run, as plain JSON values.
    checksums : dict
        SHA-256 of the files that are there, by name.
    complete : bool
        Whether all were written.
    """

    def __init__(self, folder, run, checksums=None, complete=False):
        self.folder, self.run = Path(folder), run
        self.checksums = dict(checksums or {})
        self.complete = complete

    def start(self):
        """Say in the folder which run writes here, and what is there already."""
        self.complete = False
        self._save()

    def note(self, checksums):
        """Record files that have just been written."""
        self.checksums.update(checksums)
        lines = "".join(f"{digest}  {name}\n" for name, digest in checksums.items())
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(lines)

    def finish(self):
        """Say that the stack is complete."""
        self.complete = True
        self._save()

    def keep_intact(self):
        """Forget the files that are missing or differ from their checksum."""
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda name: checksum(self.folder / name), self.checksums)
            pairs = zip(self.checksums.items(), found, strict=True)
            self.checksums = {name: digest for (name, digest), now in pairs if now == digest}

    def _save(self):
        content = {
            "kind": _KIND,
            "complete": self.complete,
            "run": self.run,
            "checksums": dict(sorted(self.checksums.items())),
        }
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        write_whole(self.folder / NAME, text.encode())
        (self.folder / JOURNAL).unlink(missing_ok=True)


def read_manifest(folder):
    """The `Manifest` of a folder, or None if it has none.

    Raises
    ------
    OSError
        If there is a file of that name, but it cannot be understood.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != _KIND:
            raise ValueError(f"its kind is {content['kind']!r}, expected {_KIND!r}")
        if not isinstance(content["run"], dict) or not isinstance(content["checksums"], dict):
            raise TypeError("its run and its checksums are expected to be objects")
        found = Manifest(folder, content["run"], content["checksums"], content["complete"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} is no manifest of a stack, or damaged: {error}") from error
    found.checksums.update(_journal(Path(folder) / JOURNAL))
    return found


def _journal(path):
    """Checksums of the journal; a last line that was cut off does not count."""
    if not path.is_file():
        return {}
    text = path.read_bytes().decode("utf-8", errors="replace")
    return {name: digest for digest, name in _LINE.findall(text)}


def check_same_run(before, now, folder):
    """Raise ValueError, naming the entries that differ, unless two runs are the same.

    With a provenance the caller vouches for what is computed: files may have been repaired
    since, or be left outside, and a run without provenance may be given one.
    """
    if now["provenance"] is not None:
        if before.get("provenance") is None:
            before = {**before, "provenance": now["provenance"]}
        before, now = _vouched_for(before), _vouched_for(now)
    before, now = _entries(before), _entries(now)
    keys = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
    if keys:
        told = [f"{key} was {before.get(key)!r}, is {now.get(key)!r}" for key in keys[:8]]
        raise ValueError(
            f"{folder} was begun by another run, and two runs are not mixed: "
            f"{'; '.join(told)}{' ...' if len(keys) > 8 else ''}. Choose another folder, pass "
            "overwrite=True instead of resume=True, or say by a provenance that files "
            "and graph may differ."
        )


def _vouched_for(run):
    """A run without the digests of its graph and its files; the names of its sources stay."""
    made_from = run.get("input")
    if not isinstance(made_from, dict) or not isinstance(made_from.get("sources"), list):
        return run
    made_from = {key: value for key, value in made_from.items() if key != "graph"}
    names = [s.get("name") if isinstance(s, dict) else s for s in made_from["sources"]]
    return {**run, "input": {**made_from, "sources": names}}


def _entries(value, name=""):
    """Leaves of nested dicts, under dotted names."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {
        key: leaf
        for inner, item in value.items()
        for key, leaf in _entries(item, f"{name}.{inner}" if name else inner).items()
    }
