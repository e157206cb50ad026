"""The house rules: nobody imports upwards, files stay readable, the import stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import icecoreseg

PACKAGE = Path(icecoreseg.__file__).parent
LAYERS = [
    {"labels", "_validation", "_repr"},
    {"_slabs", "_progress"},
    {"_ice"},
    {"metrics"},
    {"_base", "stacks"},
    {"downsampling", "labeling", "preprocessing", "microstructure", "model_selection"},
    {"segmentation"},
    {"datasets", "display"},
]
FLOOR = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """First-level rooms of icecoreseg that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "icecoreseg" and len(parts) > 1:
                yield parts[1]


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} - {"__init__"} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_upwards(path):
    room = room_of(path)
    if room == "__init__":
        return
    used = {other for other in imported_rooms(path) if other in FLOOR} - {room}
    upwards = {other for other in used if FLOOR[other] > FLOOR[room]}
    assert not upwards


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 350


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_importing_loads_neither_torch_nor_matplotlib():
    code = "import sys, icecoreseg; print(*{'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    assert run(code).stdout.split() == []


def test_only_the_network_loads_torch():
    code = (
        "import sys, icecoreseg as i\n"
        "[getattr(i, n) for n in i.__all__ if 'Segmenter' not in n and n != 'segmentation']\n"
        "print(*{'torch', 'matplotlib'} & set(sys.modules))"
    )
    assert run(code).stdout.split() == []


def test_every_public_name_exists():
    assert all(getattr(icecoreseg, name) is not None for name in icecoreseg.__all__)
    assert set(icecoreseg.__all__) <= set(dir(icecoreseg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        icecoreseg.nothing  # noqa: B018
