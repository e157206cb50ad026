"""The same script on threads, on processes and on a cluster, one of whose workers dies."""

import os
import signal

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest

from icecoreseg import GMMLabeler, ThresholdLabeler, UNetSegmenter, open_stack, write_stack
from icecoreseg.stacks._files import checksum

distributed = pytest.importorskip("distributed")

RNG = np.random.default_rng(0)
SCAN = RNG.choice(np.array([60, 160], np.uint8), (12, 40, 40)) + RNG.integers(
    0, 20, (12, 40, 40), dtype=np.uint8
)
LABELS = (SCAN > 110).astype(np.uint8)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A cluster of two worker processes on this machine."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    folder = str(tmp_path_factory.mktemp("workers"))
    with (
        dask.config.set({"distributed.admin.system-monitor.gil.enabled": False}),
        distributed.LocalCluster(**options, local_directory=folder) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def network():
    options = {"max_epochs": 1, "batches_per_epoch": 1, "batch_size": 1, "patch_size": 32}
    model = UNetSegmenter(widths=(8, 16), context_slices=1, random_state=0, **options)
    return model.fit(SCAN, LABELS)


def script(folder, target, network):
    """What a user writes: nothing in it names an engine."""
    X = open_stack(folder / "scan", slab=2)
    labeler = ThresholdLabeler().fit(X)
    write_stack(labeler.predict(X), folder / f"{target}_labels")
    write_stack(network.predict(X), folder / f"{target}_network")
    return [
        checksum(path)
        for kind in ("labels", "network")
        for path in sorted((folder / f"{target}_{kind}").glob("*.png"))
    ]


def test_one_script_for_threads_and_cluster(tmp_path, client, network):
    write_stack(SCAN, tmp_path / "scan")
    expected = script(tmp_path, "threads", network)
    assert len(expected) == 24
    with client.as_current():
        assert script(tmp_path, "cluster", network) == expected


def mean_of_ice(stack):
    """A fit, on a worker or here."""
    return GMMLabeler(smoothing=0.5).fit(stack).means_[:, 1]


def test_fits_on_a_cluster_of_stacks_that_live_there_and_in_its_own_tasks(client):
    lazy = da.from_array(SCAN, chunks=(4, -1, -1))
    expected = mean_of_ice(SCAN)
    with client.as_current():
        there = (lazy + np.uint8(0)).persist()
        np.testing.assert_allclose(mean_of_ice(there), expected)
        futures = [client.submit(mean_of_ice, lazy, key=f"fit-{n}") for n in range(2)]
        for means in client.gather(futures):
            np.testing.assert_allclose(means, expected)


def test_processes(tmp_path):
    """Nothing is shared but the folder."""
    lazy = da.from_array(SCAN, chunks=(5, -1, -1))
    with dask.config.set(scheduler="processes", num_workers=2):
        write_stack((lazy > 110).astype(np.uint8), tmp_path / "labels")
    np.testing.assert_array_equal(open_stack(tmp_path / "labels").compute(), LABELS)


def dying(slab, marker, block_info=None):
    """Kill the process that computes the fourth slab, the first time."""
    if block_info[0]["chunk-location"][0] == 3:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return slab
        os.kill(os.getpid(), signal.SIGKILL)
    return slab


def test_a_worker_dies_and_nobody_notices(tmp_path, client):
    """The result is complete and equal, without what the dead worker left half-written."""
    marker = tmp_path / "killed"
    lazy = da.from_array(SCAN, chunks=(2, -1, -1))
    lazy = lazy.map_blocks(dying, marker, dtype=SCAN.dtype, meta=SCAN[:0, :0, :0])
    before = set(client.run(os.getpid).values())
    with client.as_current():
        write_stack(lazy, tmp_path / "labels")
    client.wait_for_workers(2)
    assert marker.exists()
    assert len(set(client.run(os.getpid).values()) - before) == 1
    np.testing.assert_array_equal(open_stack(tmp_path / "labels").compute(), SCAN)
    assert not list(tmp_path.rglob("*.part"))


def test_an_error_on_a_worker_is_told_here(tmp_path, client):
    """By the name of the file, and what was written stays."""
    write_stack(SCAN, tmp_path / "scan")
    X = open_stack(tmp_path / "scan", slab=2)
    (tmp_path / "scan" / "slice_00009.png").write_bytes(b"")
    with client.as_current(), pytest.raises(OSError, match="slice_00009"):
        write_stack(X, tmp_path / "copy")
    write_stack(SCAN[9:10], tmp_path / "one")
    os.replace(tmp_path / "one" / "slice_00000.png", tmp_path / "scan" / "slice_00009.png")
    with client.as_current():
        write_stack(X, tmp_path / "copy", overwrite=True)
    np.testing.assert_array_equal(open_stack(tmp_path / "copy").compute(), SCAN)


def test_a_network_is_in_the_graph_once(network):
    """The other tasks name it; a scheduler sends it to a worker once."""
    weights = sum(item.nbytes for item in network.module_.state_dict().values())
    lazy = da.from_array(SCAN, chunks=(1, -1, -1))
    for result in (network.predict(lazy), network.predict_proba(lazy)):
        (optimised,) = dask.optimize(result)
        sizes = [len(cloudpickle.dumps(task)) for task in dict(optimised.__dask_graph__()).values()]
        assert sum(size > weights / 2 for size in sizes) == 1
