"""A scan that is repaired while a run waits: the run goes on, if somebody vouches for it."""

import dask
import numpy as np
import pytest

from icecoreseg import open_stack, write_stack
from icecoreseg.stacks._manifest import read_manifest

GREY = np.random.default_rng(0).integers(1, 256, (12, 9, 8), dtype=np.uint8)


def broken_scan(folder):
    """A scan whose tenth slice can be opened, but not be read; and the right bytes of it."""
    write_stack(GREY, folder)
    victim = folder / "slice_00009.png"
    right = victim.read_bytes()
    victim.write_bytes(right[:60] + bytes([right[60] ^ 255]) + right[61:])
    return victim, right


@pytest.mark.parametrize("provenance", [None, {"scan": "first"}])
def test_a_repaired_scan_goes_on(tmp_path, provenance):
    """If the caller says so: by default other files are another run."""
    victim, right = broken_scan(tmp_path / "scan")
    options = {"path": tmp_path / "core", "resume": True}
    with dask.config.set(scheduler="sync"), pytest.raises(OSError, match="slice_00009"):
        write_stack(open_stack(tmp_path / "scan", slab=2), provenance=provenance, **options)
    victim.write_bytes(right)
    X = open_stack(tmp_path / "scan", slab=2)
    if provenance is None:
        with pytest.raises(ValueError, match=r"input.sources.*or say by a provenance"):
            write_stack(X, **options)
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("core/*.png")}
    assert len(there) == 8
    vouched = provenance or {"note": "slice 9 was copied again"}
    write_stack(X, provenance=vouched, **options)
    for name, time in there.items():
        assert (tmp_path / "core" / name).stat().st_mtime_ns == time
    np.testing.assert_array_equal(open_stack(tmp_path / "core").compute(), GREY)
    assert read_manifest(tmp_path / "core").run["provenance"] == vouched
    write_stack(GREY, tmp_path / "another")
    with pytest.raises(ValueError, match="another"):
        write_stack(open_stack(tmp_path / "another", slab=2), provenance=vouched, **options)


def test_a_slice_that_cannot_be_read_is_left_outside_later(tmp_path):
    """The policy may change within a run that somebody vouches for."""
    broken_scan(tmp_path / "scan")
    options = {"path": tmp_path / "core", "resume": True, "provenance": {}}
    with dask.config.set(scheduler="sync"), pytest.raises(OSError, match="slice_00009"):
        write_stack(open_stack(tmp_path / "scan", slab=2), **options)
    X = open_stack(tmp_path / "scan", slab=2, on_error="outside", outside=0)
    with pytest.warns(UserWarning, match="slice_00009"):
        write_stack(X, **options)
    assert (open_stack(tmp_path / "core")[9] == 0).all()
