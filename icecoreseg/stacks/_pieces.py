"""Stacks of many files: written piece by piece, so that a run can be continued.

A *piece* is a file that holds one or a few slices: a PNG or TIFF slice of a folder, a chunk
of a zarr array. A target (`SliceFolder`, `ZarrFolder`) says which pieces there are and
writes them; this file sees to it that all are written, once, and by one run.
"""

import uuid

import numpy as np
from dask._task_spec import Task, TaskRef

from icecoreseg._progress import progress
from icecoreseg._slab_graph import slice_chunks
from icecoreseg._slabs import slab_bounds
from icecoreseg._tasks import run_tasks
from icecoreseg._validation import is_lazy
from icecoreseg.stacks._files import remove_debris
from icecoreseg.stacks._manifest import NAME, Manifest, check_same_run, read_manifest


def write_pieces(target, stack, run, *, overwrite, resume, verbose):
    """Write a stack to a target, from the beginning or from where an earlier run stopped.

    Parameters
    ----------
    target : SliceFolder or ZarrFolder
    stack : array of shape (n_slices, n_rows, n_columns)
    run : dict
        What identifies the run; see `Manifest`.
    overwrite, resume, verbose : bool
        See `write_stack`.
    """
    if resume:
        _write_missing(target, stack, _manifest_to_continue(target, run), verbose)
    elif target.is_free(overwrite):
        _write_missing(target, stack, Manifest(target.folder, run), verbose)
    else:
        remove_debris(target.folder)
        with target.replacement() as other:
            _write_missing(other, stack, Manifest(other.folder, run), verbose)


def _manifest_to_continue(target, run):
    """The manifest of the earlier run, without the pieces that cannot be trusted."""
    manifest = read_manifest(target.folder)
    if manifest is None:
        if not target.is_free(overwrite=False):
            raise FileExistsError(f"{target.folder} holds a stack without {NAME}.")
        return Manifest(target.folder, run)
    check_same_run(manifest.run, run, target.folder)
    manifest.run = run  # which may have repaired files and a provenance that says so
    manifest.keep_intact()
    return manifest


def _write_missing(target, stack, manifest, verbose):
    """Write the pieces that the manifest does not know."""
    target.folder.mkdir(parents=True, exist_ok=True)
    remove_debris(target.folder)
    lengths = {target.name(piece): target.length(piece) for piece in range(target.n_pieces)}
    missing = {n for n, name in enumerate(lengths) if name not in manifest.checksums}
    if manifest.complete and not missing:
        return
    manifest.start()
    target.prepare()
    bar = progress(
        total=target.n_slices,
        initial=target.n_slices - sum(map(target.length, missing)),
        description=f"write {target.folder.name}",
        unit="slice",
        verbose=verbose,
    )

    def done(written):
        manifest.note(written)
        bar.update(sum(map(lengths.get, written)))

    with bar:
        # Slabs in memory are threads' work: sending them to processes would copy them.
        run_tasks(*_graph(target, stack, missing), done, scheduler=_scheduler(stack))
    remove_debris(target.folder)
    manifest.finish()


def _scheduler(stack):
    return None if is_lazy(stack) else "threads"


def _graph(target, stack, missing):
    """One graph, and the keys of its last tasks: one per slab that holds missing pieces.

    Where nothing else tells two tasks, dask begins with the one whose key comes last in the
    alphabet: counting downwards makes it go down the core, and meet neighbours in turn.
    """
    tasks, blocks, name = {}, [], f"write-{uuid.uuid4().hex}"
    stack, slabs = _slabs(stack, target.per_piece)
    for start, stop, slab in slabs:
        first, last = start // target.per_piece, -(-stop // target.per_piece)
        wanted = [piece for piece in range(first, last) if piece in missing]
        if wanted:
            key = f"{name}-{target.n_pieces - first:09}"
            tasks[key] = Task(key, _write_slab, target, slab, first, wanted)
            blocks += [slab.key] if is_lazy(stack) else []
    keys = list(tasks)
    if is_lazy(stack):
        tasks |= dict(stack.__dask_optimize__(stack.__dask_graph__(), blocks))
    return tasks, keys


def _slabs(stack, multiple):
    """The stack, and (start, stop, slab): views of an array, or references to dask's chunks."""
    if not is_lazy(stack):
        voxels = stack.shape[1] * stack.shape[2]
        bounds = slab_bounds(stack.shape[0], voxels, multiple=multiple)
        return stack, [(start, stop, stack[start:stop]) for start, stop in bounds]
    stack = stack.rechunk((slice_chunks(stack, multiple), -1, -1))
    edges = np.cumsum((0, *stack.chunks[0])).tolist()
    slabs = [TaskRef((stack.name, number, 0, 0)) for number in range(len(edges) - 1)]
    return stack, zip(edges[:-1], edges[1:], slabs, strict=True)


def _write_slab(target, slab, first, wanted):
    """Write some pieces of a slab whose first piece has number `first`; their checksums."""
    written = {}
    for piece in wanted:
        at = (piece - first) * target.per_piece
        pixels = slab[at : at + target.per_piece]
        written[target.name(piece)] = target.write(piece, np.asarray(pixels))
    return written
