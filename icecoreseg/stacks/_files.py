"""Files that appear whole or not at all."""

import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager

PART = ".part"


@contextmanager
def replacing(path):
    """Give a temporary path in the same folder, renamed to `path` if all went well.

    The name is hidden and is nobody else's, on any machine that sees the folder.

    Raises
    ------
    OSError
        Naming `path`, where the system did not (a full disk names no file).
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PART}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path, content):
    """Write bytes to a file, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def remove_debris(folder):
    """Remove what a killed process left unfinished in a folder (zarr's files, too)."""
    for path in folder.rglob(".*" + PART):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in folder.rglob("*.partial"):
        path.unlink(missing_ok=True)


def checksum(path):
    """SHA-256 of a file, as hexadecimal text; None if it cannot be read.

    Examples
    --------
    >>> checksum(os.devnull)[:8], checksum("nowhere")
    ('e3b0c442', None)
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
