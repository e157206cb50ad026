"""The documentation says what is there: every public name, code that compiles, links that lead."""

import ast
import inspect
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import icecoreseg

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [
    *sorted(DOCS.glob("*.rst")),
    *sorted(DOCS.glob("getting_started/*.rst")),
    *sorted(DOCS.glob("user_guide/*.rst")),
    *sorted(DOCS.glob("development/*.rst")),
    DOCS.parent / "README.rst",
]


def documented_names():
    """Full names on the API page, following its ``currentmodule`` directives."""
    module, names = "icecoreseg", set()
    for line in (DOCS / "api.rst").read_text().splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.match(r"(?:\.\. py:data::|  ) ([A-Za-z0-9_.]+)$", line):
            names.add(f"{module}.{found[1]}")
    return names


@cache
def public_names():
    """(module, name) of everything public that is no subpackage."""
    found = []
    for module in ["icecoreseg", *(f"icecoreseg.{name}" for name in icecoreseg.__all__)]:
        room = import_module(module) if find_spec(module) else None
        for name in getattr(room, "__all__", defined_in(room) if room else []):
            if not name.startswith("__") and not inspect.ismodule(getattr(room, name)):
                found.append((module, name))
    return found


def defined_in(room):
    """Public functions and classes that stand in a file without ``__all__``."""
    return [
        name
        for name, thing in vars(room).items()
        if getattr(thing, "__module__", None) == room.__name__ and not name.startswith("_")
    ]


def test_every_public_name_is_on_the_api_page():
    there = documented_names()
    names = [{f"{module}.{name}", f"icecoreseg.{name}"} for module, name in public_names()]
    assert len(names) > 100
    assert [sorted(forms) for forms in names if not forms & there] == []


def test_the_api_page_names_nothing_that_is_not_there():
    for full in documented_names():
        module, _, name = full.rpartition(".")
        assert hasattr(import_module(module), name), full


def code_blocks():
    """Python code of the pages: ``code-block:: python`` and literal blocks that look like it."""
    pattern = r"^(?:\.\. code-block:: python\n|(?!\.\.).*::\n)\n((?:    .*\n|\n)+)"
    for page in PAGES:
        for number, block in enumerate(re.findall(pattern, page.read_text() + "\n", re.M)):
            lines = inspect.cleandoc(block)
            if re.search(r"^(from|import) |\w\(", lines) and not lines.startswith(("#!", ">>>")):
                yield pytest.param(lines, id=f"{page.stem}-{number}")
    for script in sorted(DOCS.parent.glob("examples/plot_*.py")):  # run by the docs session
        yield pytest.param(script.read_text(), id=script.stem)


@pytest.mark.parametrize("block", list(code_blocks()))
def test_code_on_the_pages_fits_the_package(block):
    """It compiles, what it imports exists, and the keywords of its calls are parameters."""
    try:
        tree = ast.parse(block)
    except SyntaxError:
        if "import" in block:
            raise
        pytest.skip("not Python")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("icecoreseg"):
            room = import_module(node.module)
            assert all(hasattr(room, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            check_keywords(node)


def check_keywords(call):
    """The keywords of a call of a public name are among its parameters."""
    for module, name in public_names():
        if name == call.func.id:
            known = inspect.signature(getattr(import_module(module), name)).parameters
            assert {keyword.arg for keyword in call.keywords} - {None} <= set(known), name


def test_every_doi_of_a_docstring_is_in_the_bibliography():
    known = set(re.findall(r"doi.org/(\S+)>", (DOCS / "references.rst").read_text()))
    text = "".join(path.read_text() for path in Path(icecoreseg.__file__).parent.rglob("*.py"))
    found = re.findall(r"\bdoi[: ]\s*(10\.\d{4,}/(?:[\w./:-]|\([\w-]+\))+)", text)
    assert len(set(found)) > 40
    assert sorted({doi.rstrip(".:") for doi in found} - known) == []


def test_broken_links_are_found(tmp_path):
    spec = spec_from_file_location("check_links", DOCS / "check_links.py")
    check_links = module_from_spec(spec)
    spec.loader.exec_module(check_links)
    (tmp_path / "a.html").write_text(
        '<h1 id="here"></h1><a href="b.html#there">b</a><a href="#here">'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#here">a</a><img src="gone.png">')
    links = [link for _, link in check_links.broken_links(tmp_path)]
    assert links == ["b.html#there", "gone.png"]
    assert check_links.main(tmp_path) == 1
