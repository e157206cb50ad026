"""What code a step was done by: another version of it is another result."""

import ast
import hashlib
from pathlib import Path

import icecoreseg

SHOWN = ("display", "figures.py", "tables.py", "reports.py", "published.py")
"""Folders and files that only show what others computed."""


def code_digest(*places, without=()):
    """SHA-256 of the Python files in some folders; comments and layout do not count.

    Parameters
    ----------
    *places : path
        Folders.
    without : sequence of str
        Names of folders and files that are left out.
    """
    digest = hashlib.sha256()
    for place in map(Path, places):
        for file in sorted(place.rglob("*.py")):
            name = file.relative_to(place)
            if not set(name.parts) & set(without):
                digest.update(f"{name}\n{ast.dump(ast.parse(file.read_bytes()))}\n".encode())
    return digest.hexdigest()


def current_code(*, without=()):
    """Digest of the package, and of the steps beside this file."""
    places = Path(icecoreseg.__file__).parent, Path(__file__).parent
    return code_digest(*places, without=without)
