"""Checks of XR2Text. `nox` runs all that must pass; `nox -l` lists them.

All sessions share the environment that nox itself runs in (torch alone is 5 GB), so run it from the project's own:

    python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox
"""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

PACKAGES = ("core", "monitor")
SOURCES = ["packages/xr2text-core/src", "packages/xr2text-monitor/src"]
_installed: list[bool] = []


def python(session: nox.Session, *arguments: str, script: str = "", codes: tuple[int, ...] = (0,)) -> None:
    """Run a module with `arguments`, or a script with those after --, after installing both packages once."""
    if sys.prefix == sys.base_prefix:
        session.error(
            "nox runs outside a virtual environment and would install into your system; see the top of noxfile.py"
        )
    if not _installed:
        packages = [f"--editable=packages/xr2text-{name}[test]" for name in PACKAGES]
        tools = ["ruff", "mypy", "types-tqdm", "types-psutil", "pandas-stubs"]
        command = ["pip", "install", "--quiet", "--constraint", "constraints.txt", *packages, *tools]
        session.run(sys.executable, "-m", *command, external=True)
        _installed.append(True)
    command = [script, *session.posargs] if script else ["-m", *arguments]
    session.run(sys.executable, *command, external=True, success_codes=codes)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes, by ruff."""
    python(session, "ruff", "check", ".")
    python(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict type check of both packages."""
    for source in SOURCES:
        python(session, "mypy", source)


@nox.session
@nox.parametrize("package", [nox.param(name, id=name) for name in PACKAGES])
def tests(session: nox.Session, package: str) -> None:
    """All tests of a package, two files at a time; arguments after -- are passed to pytest."""
    with session.chdir(Path("packages") / f"xr2text-{package}"):
        python(session, "pytest", "--numprocesses=2", "--dist=loadfile", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Attack a tiny run some hundreds of times, and damage a thousand checkpoints; prints one table."""
    python(session, script="packages/xr2text-core/faults/run.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmark everything against peers; `-- --quick` takes less than five minutes on a quiet machine."""
    python(session, "pip", "install", "--quiet", "--constraint", "constraints.txt", "simplejpeg")
    python(session, script="packages/xr2text-core/benchmarks/run.py")


@nox.session
def gpu(session: nox.Session) -> None:
    """What needs a CUDA device: tests, and a table of speed and memory (-- --write). Says so where there is none."""
    with session.chdir("packages/xr2text-core"):
        python(session, "pytest", "-m", "gpu", "-rs")
        session.run(sys.executable, "benchmarks/card.py", *session.posargs, external=True)


@nox.session
def build(session: nox.Session) -> None:
    """Build both packages, and try their wheels in fresh environments; the monitor's gets no torch."""
    python(session, "pip", "install", "--quiet", "--constraint", "constraints.txt", "build")
    python(session, script="packages/try_wheels.py")


@nox.session
def contract(session: nox.Session) -> None:
    """Train a tiny run and read it with the monitor: the two packages agree on the files of a run."""
    folder = session.create_tmp()
    tiny = ["--epochs", "4", "--num-studies", "64", "--fresh", "--out", folder]
    python(session, "xr2text_core.train", *tiny)
    # 1: so short a training may write the same report for everybody, and the monitor says so.
    python(session, "xr2text_monitor.cli", "--out", folder, "--once", "--no-gpu", codes=(0, 1))
