"""Runs that are killed: continued where they stopped, with the same bytes in the end."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from importlib.metadata import version
from importlib.util import find_spec

import dask
import dask.array as da
import numpy as np
import pytest

from icecoreseg import GMMLabeler, open_stack, write_stack
from icecoreseg.stacks._manifest import JOURNAL, NAME, read_manifest

RNG = np.random.default_rng(0)
GREY = RNG.integers(1, 256, (12, 9, 8), dtype=np.uint8)
ZARR = pytest.param("core.zarr", marks=pytest.mark.skipif(not find_spec("zarr"), reason="no zarr"))
PLACES = ["core", ZARR]


@pytest.fixture(autouse=True)
def _single_slices(monkeypatch):
    """Small zarr chunks, two slices each, so that there are several."""
    monkeypatch.setattr("icecoreseg.stacks._zarr._CHUNK_VOXELS", 150)


def contents(folder):
    """All files of a folder, hidden ones too, with their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def counting(stack, chunk=2):
    """A lazy stack that notes which chunks are computed, and the notes."""
    computed = []

    def note(slab, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return slab

    lazy = da.from_array(stack, chunks=(chunk, -1, -1))
    return lazy.map_blocks(note, dtype=stack.dtype, meta=stack[:0, :0, :0]), computed


KILLED = """
import os, signal, sys
import numpy as np
import dask.array as da
from icecoreseg import open_stack, write_stack
from icecoreseg.stacks import _zarr
from icecoreseg.stacks._manifest import Manifest

_zarr._CHUNK_VOXELS = 150
source, target = sys.argv[1:3]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

def run(patch=lambda: None):
    patch()
    X = open_stack(source, slab=2)
    write_stack(X.map_blocks(lambda slab: 255 - slab, dtype="u1"), target, resume=True)

def before_rename(n):
    plain, calls = os.replace, []
    def replace(*paths):
        calls.append(paths)
        if len(calls) > n:
            die()
        plain(*paths)
    os.replace = replace

def after_rename(n):
    plain, calls = os.replace, []
    def replace(*paths):
        plain(*paths)
        calls.append(paths)
        if len(calls) > n:
            die()
    os.replace = replace

def half_a_line():
    def note(self, checksums):
        with (self.folder / ".stack.journal").open("a") as journal:
            journal.write("0123456789abcdef" * 3)
        die()
    Manifest.note = note

def half_a_slice():
    import icecoreseg.stacks._files as files
    plain = files.write_whole
    def write(path, content):
        path.write_bytes(content[:40])  # as a file system may leave it that loses its power
        die()
    import icecoreseg.stacks._slice_folder as folder
    folder.write_whole = write
"""


@pytest.mark.parametrize("name", PLACES)
def test_killed_again_and_again(tmp_path, name):
    """SIGKILL at one moment after the other; then a run to the end: the bytes of one run."""
    write_stack(GREY, tmp_path / "scan")
    moments = ["half_a_line"] + ["half_a_slice"] * (name == "core")
    moments += [
        f"lambda: {how}({n})" for n in (0, 1, 4) for how in ("before_rename", "after_rename")
    ]
    script = f"""
    codes = []
    for moment in [{", ".join(moments)}]:
        child = os.fork()
        if child == 0:
            run(moment)
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert set(codes) <= {{0, -signal.SIGKILL}}, codes
    print(codes.count(-signal.SIGKILL), "were killed")
    try:
        open_stack(target)
    except OSError as error:
        print(error)
    run()
    target += ".whole" if target.endswith("core") else ".whole.zarr"
    run()
    """
    command = [sys.executable, "-c", KILLED + textwrap.dedent(script)]
    command += [str(tmp_path / "scan"), str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    renames = name == "core" or not version("zarr").startswith("3.0.")  # which write in place
    assert f"{len(moments) if renames else 5} were killed" in done.stdout
    assert not renames or "unfinished" in done.stdout
    whole = tmp_path / (name + (".whole" if name == "core" else ".whole.zarr"))
    assert contents(tmp_path / name) == contents(whole)
    np.testing.assert_array_equal(open_stack(whole).compute(), 255 - GREY)


WAITING = """
import sys
import numpy as np
import dask, dask.array as da
from icecoreseg import write_stack

def wait(slab, block_info):
    if block_info[0]["chunk-location"][0] == 3:
        print("here", flush=True)
        sys.stdin.read()
    return slab

X = da.from_array(np.load(sys.argv[1]), chunks=(2, -1, -1)).map_blocks(wait, dtype="u1")
with dask.config.set(scheduler="sync"):
    write_stack(X, sys.argv[2], provenance={"by": "test"}, resume=True)
"""


def test_killed_from_outside_and_continued(tmp_path):
    """Only the slabs that are missing are computed again."""
    np.save(tmp_path / "scan.npy", GREY)
    command = [sys.executable, "-c", WAITING, tmp_path / "scan.npy", tmp_path / "core"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"here\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    with pytest.raises(OSError, match=r"core is unfinished.*6 files.*resume=True"):
        open_stack(tmp_path / "core")
    assert open_stack(tmp_path / "core" / "*.png").shape[0] == 6
    with pytest.raises(FileExistsError, match=r"holds 6 slices.*resume=True"):
        write_stack(GREY, tmp_path / "core")
    lazy, computed = counting(GREY)
    write_stack(lazy, tmp_path / "core", provenance={"by": "test"}, resume=True)
    assert sorted(computed) == [3, 4, 5]
    np.testing.assert_array_equal(open_stack(tmp_path / "core").compute(), GREY)


def spoil(path):
    path.write_bytes(path.read_bytes()[:-9] + b"surprise!")


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "harm", [spoil, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]
)
def test_damaged_files_are_written_again(tmp_path, name, harm):
    lazy, computed = counting(GREY)
    write_stack(lazy, tmp_path / name, provenance={})
    whole = contents(tmp_path / name)
    victim = sorted(file for file in whole if file != NAME and "zarr" not in file)[-1]
    harm(tmp_path / name / victim)
    with pytest.raises(OSError, match=r"core"):
        open_stack(tmp_path / name).compute()
    computed.clear()
    write_stack(lazy, tmp_path / name, provenance={}, resume=True)
    assert computed == [5]
    assert contents(tmp_path / name) == whole
    write_stack(lazy, tmp_path / name, provenance={}, resume=True)
    assert computed == [5]


def test_a_missing_slice_can_be_left_outside(tmp_path):
    write_stack(GREY, tmp_path)
    (tmp_path / "slice_00004.png").unlink()
    with pytest.warns(UserWarning, match="slice_00004"):
        X = open_stack(tmp_path, on_error="outside", outside=0).compute()
    assert (X[4] == 0).all()
    np.testing.assert_array_equal(np.delete(X, 4, axis=0), np.delete(GREY, 4, axis=0))


def begin(path, stack, **options):
    """A run that fails in its last slab."""

    def fail(slab, block_info):
        if block_info[0]["array-location"][0][1] == len(stack):
            raise RuntimeError("power cut")
        return slab

    meta = stack[:0, :0, :0]
    lazy = da.from_array(stack, chunks=(4, -1, -1)).map_blocks(fail, dtype=stack.dtype, meta=meta)
    with pytest.raises(RuntimeError, match="power cut"):
        write_stack(lazy, path, provenance={}, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stack": GREY[:-1]}, r"shape was \[12, 9, 8\], is \[11, 9, 8\]"),
        ({"stack": GREY.astype(np.uint16)}, "dtype was 'uint8', is 'uint16'"),
        ({"voxel_size_um": 30}, "voxel_size_um was None, is"),
        ({"format": "tiff"}, "format was 'png', is 'tiff'"),
        ({"metadata": {"core": "B41"}}, r"metadata.core was 'B40', is 'B41'"),
        ({"provenance": {"tol": 1e-3}}, r"provenance.tol was None, is 0.001"),
    ],
)
def test_two_runs_are_not_mixed(tmp_path, change, message):
    begin(tmp_path, GREY, metadata={"core": "B40"})
    before = contents(tmp_path)
    options = {"stack": GREY, "metadata": {"core": "B40"}, "provenance": {}, "resume": True}
    with pytest.raises(ValueError, match=message):
        write_stack(**(options | change), path=tmp_path)
    assert contents(tmp_path) == before


def test_other_versions_and_other_files_are_another_run(tmp_path):
    write_stack(GREY, tmp_path / "scan")
    X = open_stack(tmp_path / "scan")
    write_stack(X, tmp_path / "core")
    manifest = tmp_path / "core" / NAME
    text = manifest.read_text()
    manifest.write_text(text.replace(f'"numpy": "{np.__version__}"', '"numpy": "1.0"'))
    with pytest.raises(ValueError, match=r"versions.numpy was '1.0', is"):
        write_stack(X, tmp_path / "core", resume=True)
    manifest.write_text(text)
    os.utime(tmp_path / "scan" / "slice_00003.png", (1, 1))
    with pytest.raises(ValueError, match=r"input.sources was .*scan"):
        write_stack(X, tmp_path / "core", resume=True)


def test_the_graph_tells_parameters_and_selections(tmp_path):
    """Nothing is declared: what dask would do is enough to tell two runs."""
    write_stack(GREY, tmp_path / "scan")
    X = open_stack(tmp_path / "scan", slab=4)
    options = {"outside": 0, "anchor_strength": 0, "smoothing": None}
    one, other = (GMMLabeler(tol=tol, **options).fit(X[:8]) for tol in (1e-3, 1e-6))
    write_stack(one.predict(X[:8]), tmp_path / "core")
    write_stack(one.predict(X[:8]), tmp_path / "core", resume=True)
    with pytest.raises(ValueError, match=r"input.estimators.0_GMMLabeler.parameters.tol was 0.001"):
        write_stack(other.predict(X[:8]), tmp_path / "core", resume=True)
    with pytest.raises(ValueError, match=r"input.graph"):
        write_stack(one.predict(X[4:]), tmp_path / "core", resume=True)
    with pytest.raises(ValueError, match=r"input.array"):
        write_stack(GREY[:8], tmp_path / "core", resume=True)
    provenance = {"model": one}
    write_stack(one.predict(X), tmp_path / "named", provenance=provenance)
    one.means_ = one.means_ + 1
    with pytest.raises(ValueError, match=r"provenance.model.fitted"):
        write_stack(one.predict(X), tmp_path / "named", provenance=provenance, resume=True)


def test_what_cannot_be_resumed(tmp_path):
    with pytest.raises(ValueError, match="choose one"):
        write_stack(GREY, tmp_path / "core", resume=True, overwrite=True)
    with pytest.raises(ValueError, match="one file"):
        write_stack(GREY, tmp_path / "core.tif", resume=True)
    write_stack(GREY, tmp_path / "core")
    (tmp_path / "core" / NAME).unlink()
    with pytest.raises(FileExistsError, match="12 slices"):
        write_stack(GREY, tmp_path / "core", resume=True)
    (tmp_path / "core" / NAME).write_text('{"name": "somebody else\'s"}')
    for policy in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(OSError, match=r"stack\.json is no manifest"):
            write_stack(GREY, tmp_path / "core", **policy)


def test_the_manifest_tells_what_was_done(tmp_path):
    """Input, parameters, versions, checksums; no hidden files left, no dates."""
    write_stack(GREY, tmp_path / "scan")
    model = GMMLabeler(outside=0, anchor_strength=0, smoothing=None).fit(GREY)
    labels = model.predict(open_stack(tmp_path / "scan"))
    write_stack(labels, tmp_path / "core", voxel_size_um=30, provenance={"operator": "me"})
    said = json.loads((tmp_path / "core" / NAME).read_text())
    assert said["complete"] is True
    assert len(said["checksums"]) == 12
    run = said["run"]
    assert run["input"]["sources"][0]["name"] == "scan"
    assert run["input"]["estimators"]["0_GMMLabeler"]["parameters"]["outside"] == 0
    assert run["provenance"] == {"operator": "me"}
    assert run["versions"]["numpy"] == np.__version__
    assert run["voxel_size_um"] == [30, 30, 30]
    assert not list((tmp_path / "core").glob(".*"))


def test_a_journal_cut_off_counts_its_whole_lines(tmp_path):
    with dask.config.set(scheduler="sync"):
        begin(tmp_path, GREY)
    journal = tmp_path / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 8
    journal.write_text("".join(lines[:-1]) + lines[-1][:-1])
    assert len(read_manifest(tmp_path).checksums) == 7
