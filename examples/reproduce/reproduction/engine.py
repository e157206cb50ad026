"""Named steps that are done once: a run that is stopped goes on where it was.

Every step writes its files into a folder of its own, under another name until it is
complete. The manifest holds, per step, a fingerprint of its parameters and of the steps that
it builds on, so that a changed parameter repeats what depends on it and nothing else.
"""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

MANIFEST = "manifest.json"
PACKAGES = ("icecoreseg", "numpy", "scipy", "scikit-learn", "scikit-image", "torch", "pandas")


@dataclass(frozen=True)
class Step:
    """One unit of work.

    Attributes
    ----------
    name : str
        Also the name of its folder, such as ``"labels/snow_0"``.
    work : callable
        ``work(folder)`` writes all its files into an empty folder.
    parameters : dict
        Whatever changes the result; JSON.
    needs : tuple of str
        Names of the steps whose files are read.
    """

    name: str
    work: Callable
    parameters: dict = field(default_factory=dict)
    needs: tuple = ()


class Run:
    """A folder in which steps are done.

    Parameters
    ----------
    folder : path
        Made if needed.
    say : callable
        Gets one line of text per step.
    """

    def __init__(self, folder, say=print):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.say = say
        self.manifest = self._read()

    def do(self, steps):
        """Do all steps in their order, but those that are done.

        Raises
        ------
        ValueError
            If two steps have one name, or a step needs one that does not come before it.
        """
        prints = {}
        for number, step in enumerate(steps, start=1):
            absent = [name for name in step.needs if name not in prints]
            if step.name in prints or absent:
                raise ValueError(f"Step {step.name} comes twice, or before {absent}.")
            prints[step.name] = _fingerprint(step, [prints[name] for name in step.needs])
            head = f"[{number}/{len(steps)}] {step.name}"
            if self.is_done(step.name, prints[step.name]):
                self.say(f"{head}: done before")
                continue
            seconds = self._do(step, prints[step.name])
            self.say(f"{head}: {seconds:.0f} s")

    def is_done(self, name, fingerprint):
        """Whether the manifest and the files of a step agree with what is asked for."""
        entry = self.manifest["steps"].get(name)
        if entry is None or entry["fingerprint"] != fingerprint:
            return False
        place = self.folder / name
        return all(
            (place / file).is_file() and (place / file).stat().st_size == known["bytes"]
            for file, known in entry["files"].items()
        )

    def _do(self, step, fingerprint):
        started = time.perf_counter()
        place = self.folder / step.name
        part = place.with_name(f".{place.name}.part")
        for old in (part, place):
            shutil.rmtree(old, ignore_errors=True)
        part.mkdir(parents=True)
        step.work(part)
        files = {
            str(path.relative_to(part)): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in sorted(part.rglob("*"))
            if path.is_file()
        }
        os.replace(part, place)
        seconds = time.perf_counter() - started
        self.manifest["steps"][step.name] = {
            "fingerprint": fingerprint,
            "parameters": step.parameters,
            "needs": list(step.needs),
            "seconds": round(seconds, 1),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": _versions(),
            "files": files,
        }
        self._write()
        return seconds

    def _read(self):
        path = self.folder / MANIFEST
        return json.loads(path.read_text()) if path.is_file() else {"steps": {}}

    def _write(self):
        part = self.folder / f".{MANIFEST}.part"
        part.write_text(json.dumps(self.manifest, indent=1))
        os.replace(part, self.folder / MANIFEST)


def _fingerprint(step, needed):
    content = json.dumps([step.name, step.parameters, needed, version("icecoreseg")])
    return hashlib.sha256(content.encode()).hexdigest()


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions():
    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
