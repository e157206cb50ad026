"""Model files: safetensors weights with a JSON card in the header.

A model file cannot hold code, so a file from elsewhere can do no harm. It is written
under another name first and renamed when it is complete.
"""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

FORMAT = "icecoreseg"


def write_model(path, tensors, card, *, kind, version):
    """Write tensors and a card (any JSON) to one file, atomically.

    Parameters
    ----------
    path : str or Path
        File to write; an older one is replaced when the new one is complete.
    tensors : dict of str to tensor
    card : dict
        What JSON can hold; NaN is allowed.
    kind : str
        What the file is, checked by `read_model`.
    version : int
        Version of the card's layout.
    """
    header = {"format": FORMAT, "kind": kind, "version": str(version), "card": json.dumps(card)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, to_bytes(tensors, metadata=header))


def write_atomically(path, content):
    """Write bytes to a file under another name, and rename it when all is on the disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_model(path, *, kind, version):
    """Read (tensors, card) of a file written by `write_model`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not one of ours, of another kind, or from a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No model file at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            _check_header(path, header, kind, version)
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(header["card"])
    except (SafetensorError, json.JSONDecodeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error


def _check_header(path, header, kind, version):
    if header.get("format") != FORMAT or header.get("kind") != kind:
        found = header.get("kind") or header.get("format") or "nothing"
        raise ValueError(f"{path} is not a file of icecoreseg's {kind}; its header says {found!r}.")
    if not header.get("version", "").isdigit() or int(header["version"]) > version:
        raise ValueError(
            f"{path} has version {header.get('version')!r}; this icecoreseg reads up to "
            f"{version}. Install a newer icecoreseg."
        )


def read_published(path):
    """Read the state dict of a torch checkpoint, weights only: no code in it is run.

    The checkpoint may be the state dict itself or hold it under "state_dict" or
    "model_state_dict" beside an optimiser.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If torch finds no weights in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No checkpoint at {path}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise ValueError(f"{path} is no torch checkpoint of weights alone: {error}") from error
    for name in ("state_dict", "model_state_dict"):
        content = content.get(name, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(map(torch.is_tensor, content.values())):
        raise ValueError(f"{path} holds no state dict: a mapping from names to tensors.")
    return content
