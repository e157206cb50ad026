"""Every chore of the project, each in an environment of its own: ``nox -l`` lists them."""

import glob

import nox

nox.options.sessions = ["tests", "lint"]
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "venv"

# One core per test worker: the workers share the cores, torch and BLAS must not fight for them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def install(session, *extras):
    """Install the package with extras, pinned by the constraints file."""
    target = f".[{','.join(extras)}]" if extras else "."
    session.install("-c", "constraints.txt", "-e", target)


@nox.session
def tests(session):
    """Run the test suite and the doctests."""
    install(session, "test")
    session.run("pytest", "-n", "auto", *session.posargs, env=ONE_THREAD)


@nox.session
def demo(session):
    """Run the main job end to end on three generated cores (``-- --fast`` for the short form)."""
    install(session, "plot", "table")
    session.run("python", "examples/main_job.py", *session.posargs, env={"MPLBACKEND": "agg"})


@nox.session
def lint(session):
    """Check style and format."""
    session.install("ruff>=0.8")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def docs(session):
    """Build the documentation; warnings are errors."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session):
    """Run the benchmarks: ratios against public references (``-- --fast`` for small sizes)."""
    install(session, "bench")
    for script in sorted(glob.glob("benchmarks/bench_*.py")):
        session.run("python", script, *session.posargs)
