"""What a user installs: the wheel holds the package, its licence, its types, and nothing else."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = {str(path.relative_to(ROOT)) for path in (ROOT / "icecoreseg").rglob("*.py")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the sdist."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    package = {name for name in names if not name.startswith(info)}
    assert package == SOURCES | {"icecoreseg/py.typed"}
    assert f"{info}/licenses/LICENSE" in names


def test_metadata_say_what_pyproject_says(wheel):
    import icecoreseg

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        text = archive.read(name).decode()
    assert f"Version: {icecoreseg.__version__}\n" in text
    assert "License-Expression: BSD-3-Clause\n" in text
    required = {
        line for line in re.findall(r"^Requires-Dist: (.+)$", text, re.M) if ";" not in line
    }
    assert required == {line.replace(" ", "") for line in PROJECT["dependencies"]}


def test_version_is_semantic():
    import icecoreseg

    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", icecoreseg.__version__)
    assert icecoreseg.__version__ in (ROOT / "CHANGES.rst").read_text()


def test_sdist_holds_all_that_builds_and_tests_it(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["pyproject.toml", "README.rst", "CHANGES.rst", "LICENSE", "tests/test_packaging.py"]
    assert SOURCES | {*wanted, "noxfile.py", "constraints.txt", "docs/conf.py"} <= names
    rubbish = re.compile(r"__pycache__|_build|auto_examples|api/generated|\.(pyc|npy|tif|png)$")
    assert not [name for name in names if rubbish.search(name) and "_static" not in name]


def test_wheel_works_where_the_sources_are_not(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import icecoreseg, numpy as np\n"
        "from icecoreseg import ThresholdLabeler\n"
        "X = np.array([[[20, 25, 110, 120]]], dtype=np.uint8)\n"
        "print(icecoreseg.__file__, *ThresholdLabeler().fit_transform(X).ravel())"
    )
    ours = {**os.environ, "PYTHONPATH": str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=ours,
        check=True,
        capture_output=True,
        text=True,
    )
    path, *labels = out.stdout.split()
    assert Path(path).parent.parent == tmp_path
    assert labels == ["0", "0", "1", "1"]


def test_oldest_constraints_are_the_lower_bounds():
    lines = (ROOT / "constraints-oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    extras = PROJECT["optional-dependencies"]
    declared = PROJECT["dependencies"] + [
        line for e in ("plot", "table", "test") for line in extras[e]
    ]
    for line in declared:
        name, _, bound = line.partition(">=")
        name = name.partition("[")[0]
        if name in pinned and name != "torch":  # see the comment in the file
            # "2.0" stands for 2.0.0
            assert (pinned[name] + ".").startswith(bound + "."), line
    assert {"numpy", "scipy", "scikit-learn", "scikit-image", "dask", "pillow"} <= set(pinned)
