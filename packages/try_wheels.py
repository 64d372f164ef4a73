"""Builds source archive and wheel of both packages, and tries each wheel in a fresh environment.

    python packages/try_wheels.py        needs the package `build`, and a package index

The monitor's environment gets what it asks for, and no torch may come with it. The core's borrows what it depends on
from the environment that runs this script, because torch alone is 5 GB; the package itself comes from the wheel.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

FOLDER = Path(__file__).parent.resolve()
CONSTRAINTS = FOLDER.parent / "constraints.txt"
NAMES = ("monitor", "core")
NOT_FOR_THE_MONITOR = ("torch", "transformers", "pandas", "xr2text_core")
IMPORT_ALL = """
import importlib, importlib.util, pathlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
file = pathlib.Path(package.__file__).resolve()
assert file.is_relative_to(pathlib.Path(sys.prefix).resolve()), f"{file} is not from the wheel"
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
for name in sys.argv[2:]:
    assert importlib.util.find_spec(name) is None, f"{name} is installed"
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            wheel = built(name, Path(folder) / "dist")
            python = fresh_python(Path(folder) / name)
            if name == "monitor":
                run(python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS, wheel)
                run(python, "-c", IMPORT_ALL, "xr2text_monitor", *NOT_FOR_THE_MONITOR)
                run(python.with_name(f"xr2text-monitor{python.suffix}"), "--help")
            else:
                run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
                lend_packages(python)
                run(python, "-c", IMPORT_ALL, "xr2text_core")
                for command in commands():
                    run(python, "-m", f"xr2text_core.{command}", "--help")
            run(python, "-m", "pip", "check")
            print(f"{wheel.name}: good", flush=True)


def built(name: str, folder: Path) -> Path:
    """The wheel, built from the source archive, which holds every file of the package and no other."""
    project = FOLDER / f"xr2text-{name}"
    run(sys.executable, "-m", "build", "--outdir", folder, project)
    (wheel,) = folder.glob(f"xr2text_{name}-*.whl")
    source = project / "src"
    wanted = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    wanted = {path for path in wanted if "__pycache__" not in path}
    found = {path for path in ZipFile(wheel).namelist() if ".dist-info/" not in path}
    assert found == wanted, f"{wheel.name} differs from {source} in {sorted(found ^ wanted)}"
    assert f"xr2text_{name}/py.typed" in found
    return wheel


def fresh_python(folder: Path) -> Path:
    """The interpreter of a new environment that has nothing but pip."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def lend_packages(python: Path) -> None:
    """Let it see our packages behind its own. Paths that .pth files add, such as editable installs, are not seen."""
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")  # older Pythons bring one that is too old
    theirs = Path(printed_by(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (theirs / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def commands() -> list[str]:
    """The modules of the core that can be run."""
    source = FOLDER / "xr2text-core" / "src" / "xr2text_core"
    return [path.stem for path in sorted(source.glob("*.py")) if "argparse" in path.read_text(encoding="utf-8")]


def run(*command: str | Path) -> None:
    printed_by(*command)


def printed_by(*command: str | Path) -> str:
    """What a command prints; run outside the repository, so that nothing of it is found by accident."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [str(part) for part in command], cwd=elsewhere, env=clean, text=True, capture_output=True, check=False
        )
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
