"""Stacks that do not fit in memory: lazy equals eager, few slabs at a time, faults by name."""

import errno
import re
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.pipeline import make_pipeline

from icecoreseg import (
    OUTSIDE,
    CoreMasker,
    EnsembleSegmenter,
    GMMLabeler,
    LocalThresholdLabeler,
    MaskDownsampler,
    MassThresholdLabeler,
    MicrostructureMetrics,
    SpeckleFilter,
    ThresholdLabeler,
    UNetSegmenter,
    open_stack,
    write_stack,
)
from icecoreseg.datasets import make_ice_core
from icecoreseg.stacks._sources import Source


def make_scan(n_slices=22, size=48):
    """Two phases, blurred and noisy, in a disc; zero outside."""
    rng = np.random.default_rng(0)
    ice = gaussian_filter(rng.normal(size=(n_slices, size, size)), 2.5) > 0
    grey = gaussian_filter(np.where(ice, 160.0, 60.0), 0.7) + rng.normal(0, 8, ice.shape)
    disc = np.hypot(*np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]) < 0.95
    return np.where(disc, np.rint(grey).clip(1, 255), 0).astype(np.uint8)


SCAN = make_scan()
LABELS = np.where(SCAN == 0, OUTSIDE, SCAN > 110).astype(np.uint8)
CHUNKS = [(1,) * 22, (3, 5, 1, 2, 11), (21, 1), (4,) * 5 + (2,)]


@pytest.fixture(scope="module")
def networks():
    options = {
        "max_epochs": 1, "batches_per_epoch": 1, "batch_size": 1, "patch_size": 32,
        "widths": (4, 4), "outside": 0, "random_state": 0, "tile_size": 64,
    }  # fmt: skip
    thick = UNetSegmenter(context_slices=2, **options)
    flat = UNetSegmenter(**options)
    return {
        "flat": flat.fit(SCAN, LABELS),
        "thick": thick.fit(SCAN, LABELS),
        "ensemble": EnsembleSegmenter(thick, n_members=2, random_state=0).fit(SCAN, LABELS),
    }


LABELERS = [
    GMMLabeler(outside=0),
    GMMLabeler(outside=0, smoothing=None, output="fraction"),
    ThresholdLabeler(outside=0),
    LocalThresholdLabeler(outside=0, block_size=15),
    SpeckleFilter(outside=0),
    MassThresholdLabeler(0.003, voxel_size_um=60, outside=0),
]


@pytest.mark.parametrize("estimator", LABELERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("chunks", CHUNKS, ids=len)
def test_fitted_and_applied_lazily_it_is_the_same(estimator, chunks):
    """The fit streams (histograms add up); slab borders leave no trace."""
    from sklearn.base import clone

    lazy = da.from_array(SCAN, chunks=(chunks, -1, -1))
    apply = "predict" if hasattr(estimator, "predict") else "transform"
    eager, streamed = clone(estimator).fit(SCAN), clone(estimator).fit(lazy)
    result = getattr(streamed, apply)(lazy)
    assert isinstance(result, da.Array)
    np.testing.assert_array_equal(result.compute(), getattr(eager, apply)(SCAN))


@pytest.mark.parametrize(
    ("name", "chunks"),
    [("flat", CHUNKS[1]), ("thick", CHUNKS[1]), ("thick", CHUNKS[2]), ("ensemble", CHUNKS[2])],
    ids=["flat", "thick", "thick, two", "ensemble"],
)
def test_networks_leave_no_trace_of_slabs(networks, name, chunks):
    lazy = da.from_array(SCAN, chunks=(chunks, -1, -1))
    model = networks[name]
    np.testing.assert_array_equal(model.predict(lazy).compute(), model.predict(SCAN))
    fraction = model.predict_fraction(lazy).compute(), model.predict_fraction(SCAN)
    np.testing.assert_allclose(*fraction, atol=1e-6)


@pytest.mark.parametrize("chunks", CHUNKS, ids=len)
def test_tables_and_coarse_labels_leave_no_trace_of_slabs(chunks):
    """Odd chunks cut the downsampler's pairs."""
    lazy = da.from_array(LABELS, chunks=(chunks, -1, -1))
    coarse = MaskDownsampler().fit_transform(lazy)
    np.testing.assert_array_equal(coarse.compute(), MaskDownsampler().fit_transform(LABELS))
    metrics = MicrostructureMetrics(60)
    np.testing.assert_array_equal(metrics.fit_transform(lazy), metrics.fit_transform(LABELS))


class Counted(Source):
    """A stack in memory that knows how many of its slabs are held at once."""

    def __init__(self, stack):
        self.stack, self.shape, self.dtype = stack, stack.shape, stack.dtype
        self.held = self.most = self.reads = 0

    def __getitem__(self, key):
        slab = self.stack[key].copy()
        self.held, self.reads = self.held + 1, self.reads + 1
        self.most = max(self.most, self.held)
        weakref.finalize(slab, self._let_go)
        return slab

    def fingerprint(self):
        return {"name": "counted"}

    def _let_go(self):
        self.held -= 1


def counted(chunk=2, stack=SCAN):
    source = Counted(stack)
    meta = np.empty((0, 0, 0), dtype=stack.dtype)
    options = {"name": False, "asarray": False, "meta": meta}
    return source, da.from_array(source, chunks=(chunk, -1, -1), **options)


@pytest.mark.parametrize(
    "fit",
    [
        lambda X: GMMLabeler(outside=0).fit(X),
        lambda X: ThresholdLabeler(outside=0).fit(X),
        lambda X: UNetSegmenter(
            max_epochs=1, batches_per_epoch=2, batch_size=1, patch_size=32, widths=(4, 4),
            outside=0, random_state=0,
        ).fit(X, LABELS),
        lambda X: MicrostructureMetrics(60).fit_transform((X > 110).astype(np.uint8)),
    ],
    ids=["gmm", "threshold", "unet", "metrics"],
)  # fmt: skip
def test_a_fit_holds_a_few_slabs(fit):
    """Of eleven; a halo of smoothing spans more than one chunk of two slices."""
    source, X = counted()
    with dask.config.set(scheduler="sync"):
        fit(X)
    assert source.reads >= 11
    assert source.most <= 5


@pytest.mark.parametrize("halo", [False, True])
def test_writing_reads_every_slab_once_and_holds_few(tmp_path, halo):
    """Neighbours share what both need, in one pass over the core."""
    source, X = counted()
    labels = GMMLabeler(outside=0, smoothing=1.0 if halo else None).fit(SCAN).predict(X)
    source.reads = source.most = 0
    with dask.config.set(num_workers=2):
        write_stack(labels, tmp_path / "labels")
    assert source.reads == 11
    assert source.most <= (9 if halo else 3)


def test_an_unreadable_slice_is_outside_all_the_way(tmp_path):
    """From the scan to labels on the coarse grid and their table; the others are unharmed."""
    core = make_ice_core(n_slices=12, n_columns=64, random_state=0)
    write_stack(core.high, tmp_path / "scan")
    victim = tmp_path / "scan" / "slice_00011.png"
    victim.write_bytes(victim.read_bytes()[:-50])
    with pytest.raises(OSError, match="slice_00011"):
        open_stack(tmp_path / "scan")
    X = open_stack(tmp_path / "scan", slab=4, on_error="outside", outside=0)
    pipeline = make_pipeline(CoreMasker(outside=0), GMMLabeler(outside=0), MaskDownsampler())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        pipeline.fit(X)
        masker, labeler = pipeline[0], pipeline[1]
        write_stack(labeler.predict(masker.transform(X)), tmp_path / "labels")
    assert any("slice_00011" in str(warning.message) for warning in told)
    labels = open_stack(tmp_path / "labels").compute()
    assert (labels[11] == OUTSIDE).all()
    assert all((labels[z] != OUTSIDE).any() for z in range(24) if z != 11)
    table = MicrostructureMetrics(60).fit_transform(labels)
    assert np.isnan(table[11]).any()
    assert np.isfinite(table[:11]).all()


def growing():
    """Six slices, of which the fifth does not pack."""
    X = np.zeros((6, 64, 64), dtype=np.uint8)
    X[4] = np.random.default_rng(0).integers(0, 256, X[4].shape)
    return da.from_array(X, chunks=(1, -1, -1))


FULL = """
import dask, resource, sys
from icecoreseg import write_stack
sys.path.insert(0, sys.argv[1])
from test_whole_cores import growing
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
with dask.config.set(scheduler="sync"):
    write_stack(growing(), sys.argv[2], provenance={})
"""


def test_no_space_for_a_slice(tmp_path):
    """The file system refuses a file; it is named, what was written stays, and is not redone."""
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(tmp_path / "core")]
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert re.search("OSError.*slice_00004.png", full.stderr.splitlines()[-1])
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("core/*.png")}
    assert "slice_00003.png" in there
    assert "slice_00004.png" not in there
    assert not list(tmp_path.rglob("*.part"))
    write_stack(growing(), tmp_path / "core", provenance={}, resume=True)
    for name in [f"slice_0000{n}.png" for n in range(4)]:
        assert (tmp_path / "core" / name).stat().st_mtime_ns == there[name]
    np.testing.assert_array_equal(open_stack(tmp_path / "core"), growing())


@pytest.mark.parametrize("name", ["core", "core.npy", "core.tif"])
def test_a_full_disk_names_the_file(tmp_path, name, monkeypatch):
    """ENOSPC comes without a name."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("_write._write_npy", "_write.write_pages"):
        monkeypatch.setattr(f"icecoreseg.stacks.{place}", full)
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    message = r"No space left.*(stack\.json|core\.npy|core\.tif)"
    with pytest.raises(OSError, match=message) as caught:
        write_stack(SCAN, tmp_path / name)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.rglob("*.part"))
