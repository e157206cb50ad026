"""The house rules: nobody imports upwards, files stay readable, the import stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import icecoreseg

PACKAGE = Path(icecoreseg.__file__).parent
LAYERS = [
    {"labels", "_memory", "_typing", "_validation", "_repr"},
    {"_slabs", "_slab_graph", "_slab_stream", "_tasks", "_progress"},
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


def imported_names(tree, package):
    """Dotted names that a module imports, wherever in the file and in whatever form.

    ``import a.b``, ``from a import b``, relative imports, and `import_module` with a text, in
    which a value that is filled in may be anything.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join((parents if node.level else []) + [node.module or ""]).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (text.value for text in ast.walk(node.args[0]) if hasattr(text, "value"))


def imported_rooms(path):
    """First-level rooms of icecoreseg that a file imports."""
    package = ".".join(("icecoreseg", *path.relative_to(PACKAGE).parts[:-1]))
    for name in imported_names(ast.parse(path.read_text()), package):
        parts = str(name).split(".")
        if parts[0] == "icecoreseg" and len(parts) > 1:
            yield parts[1]


@pytest.mark.parametrize(
    "code",
    [
        "import icecoreseg.display",
        "import icecoreseg.display._axes as axes",
        "from icecoreseg import display",
        "from icecoreseg.display import _axes",
        "from .. import display",
        "from ..display._axes import new_axes",
        "def f():\n    from icecoreseg.display import x",
        "importlib.import_module('icecoreseg.display')",
    ],
)
def test_all_forms_of_import_are_seen(monkeypatch, code):
    path = PACKAGE / "labeling" / "example.py"
    monkeypatch.setattr(Path, "read_text", lambda self: code)
    assert "display" in set(imported_rooms(path))


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_are_short(path):
    """Forty lines at most, the docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[bool(ast.get_docstring(node)) :] or node.body
            assert body[-1].end_lineno - body[0].lineno < 40, node.name


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_importing_loads_nothing_heavy():
    heavy = {"torch", "matplotlib", "pandas", "skimage", "sklearn", "scipy", "dask", "zarr"}
    code = f"import sys, icecoreseg; print(*{heavy} & set(sys.modules))"
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
