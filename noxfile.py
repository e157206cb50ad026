"""Every chore of the project, each in an environment of its own: ``nox -l`` lists them."""

import glob
import shutil
import tempfile

import nox

nox.options.sessions = ["tests", "lint"]
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "venv"

# One core per test worker: the workers share the cores, torch and BLAS must not fight for them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}


# What the package is for, in one line: it runs outside the repository, on the installed wheel.
USE_IT = (
    "from icecoreseg import GMMLabeler, UNetSegmenter, datasets;"
    "core = datasets.make_ice_core('firn', n_slices=2, n_columns=48, random_state=0);"
    "print(GMMLabeler(outside=0).fit(core.low).score(core.low, core.labels_low))"
)


def install(session, *extras, constraints="constraints.txt"):
    """Install the package with extras, pinned by a constraints file."""
    target = f".[{','.join(extras)}]" if extras else "."
    session.install("-c", constraints, "-e", target)


@nox.session
def tests(session):
    """Run the test suite and the doctests."""
    install(session, "test", "onnx")
    session.run("pytest", "-n", "auto", *session.posargs, env=ONE_THREAD)


@nox.session(python="3.11")
def oldest(session):
    """Run the tests with the oldest supported releases of what the package depends on."""
    install(session, "test", constraints="constraints-oldest.txt")
    session.run("pytest", "-n", "auto", *session.posargs, env=ONE_THREAD)


@nox.session
def types(session):
    """Check the type hints."""
    session.install("-c", "constraints.txt", "-e", ".", "mypy>=1.13")
    session.run("mypy")


@nox.session
def package(session):
    """Build sdist and wheel, install the wheel into this clean environment, and use it."""
    session.install("build", "twine")
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    session.run("twine", "check", "--strict", *glob.glob("dist/*"))
    session.install("-c", "constraints.txt", "--force-reinstall", *glob.glob("dist/*.whl"))
    with tempfile.TemporaryDirectory() as elsewhere, session.chdir(elsewhere):
        session.run("python", "-c", USE_IT)


@nox.session
def demo(session):
    """Run the main job end to end on three generated cores (``-- --fast`` for the short form)."""
    install(session, "plot", "table")
    session.run("python", "examples/main_job.py", *session.posargs, env={"MPLBACKEND": "agg"})


@nox.session
def reproduce(session):
    """Reproduce the paper's tables and figures (``-- --quick`` for five minutes)."""
    install(session, "plot", "table")
    session.run("python", "examples/reproduce/run.py", *session.posargs, env={"MPLBACKEND": "agg"})


@nox.session
def lint(session):
    """Check style and format."""
    session.install("ruff>=0.8")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def docs(session):
    """Build the documentation with its gallery; warnings and broken links are errors.

    The prompts on the pages are run by the session ``tests``.
    """
    install(session, "docs")
    for stale in ("docs/_build", "docs/api", "docs/auto_examples"):
        shutil.rmtree(stale, ignore_errors=True)
    build = ("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")
    session.run(*build, env=ONE_THREAD)
    session.run("python", "docs/check_links.py", "docs/_build/html")


@nox.session
def bench(session):
    """Run the benchmarks: ratios against public references (``-- --fast`` for small sizes)."""
    install(session, "bench")
    for script in sorted(glob.glob("benchmarks/bench_*.py")):
        session.run("python", script, *session.posargs, env=ONE_THREAD)


@nox.session
def experiments(session):
    """Train the U-Net in many ways and score each (hours; goes on where it was stopped)."""
    install(session, "bench")
    results = "results/experiments.jsonl"
    session.run("python", "benchmarks/experiment_unet.py", results, *session.posargs)
    session.run("python", "benchmarks/experiment_unet.py", results, "--table")
