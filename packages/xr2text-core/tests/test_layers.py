"""The map in docs/contributing.md is true: imports point one way, none in a circle, and rooms stay small."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import xr2text_core

ROOT = Path(xr2text_core.__file__).parent
MAP = Path(__file__).parents[3] / "docs" / "contributing.md"
# Each room may import what stands before it, and not its neighbours of the same line.
ORDER = (
    {"report", "run"},
    {"metrics", "settings", "drawing", "machine", "supervisor"},
    {"data", "model"},
    {"inference"},
    {"training"},
    {"checks", "release"},
)
ROOMS = {room for line in ORDER for room in line}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
COMMANDS = {path.stem for path in MODULES if len(path.parts) == 1 and path.stem not in ("__init__", "__main__", "auto")}
NEEDS_TORCH = (
    "run/checkpoint.py", "data/augment.py", "data/batches.py", "data/texts.py", "machine/memory.py",
    "machine/processes.py", "machine/processor.py",
)  # fmt: skip
WITHOUT_TORCH = [
    path.as_posix()
    for path in MODULES
    if path.parts[0] in ("report", "run", "metrics", "settings", "drawing", "machine", "supervisor", "data")
    and path.as_posix() not in NEEDS_TORCH
] + ["inference/composer.py", "inference/similarity.py", "training/curriculum.py", "training/plan.py"]
MOST_MODULES, MOST_IMPORTS, MOST_LINES = 15, 20, 350
MOST_INSIDE_FUNCTIONS = 35


def imports_of(tree: ast.AST) -> set[str]:
    """Modules of ours that are imported anywhere in the tree, with dots."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    known = {dotted(path) for path in MODULES}
    return {name for name in names if name in known and name != "xr2text_core"}


def dotted(path: Path) -> str:
    return ".".join(("xr2text_core", *path.with_suffix("").parts)).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    packages = {dotted(each) for each in MODULES if each.name == "__init__.py"}
    return frozenset(imports_of(tree_of(path)) - packages)


def room_of(name: str) -> str:
    """The room of a module; "" for a command."""
    part = name.split(".")[1]
    return part if part in ROOMS else ""


def allowed(room: str) -> set[str]:
    place = next(index for index, line in enumerate(ORDER) if room in line)
    return {room, *(each for line in ORDER[:place] for each in line)}


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) > 1], ids=str)
def test_a_room_imports_only_the_rooms_before_it(path: Path) -> None:
    assert {room_of(name) for name in imported(path)} <= allowed(path.parts[0])


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) == 1], ids=str)
def test_a_command_imports_no_other_command(path: Path) -> None:
    assert {name for name in imported(path) if not room_of(name)} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {dotted(path): set(imported(path)) for path in MODULES}
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert left == {}


def test_no_room_is_overcrowded() -> None:
    for folder in {path.parent for path in MODULES} - {Path()}:
        modules = [path for path in MODULES if path.parent == folder and path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, folder
    assert {path.as_posix(): len(imported(path)) for path in MODULES if len(imported(path)) > MOST_IMPORTS} == {}
    lengths = {path.as_posix(): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_imports_inside_functions_are_few() -> None:
    """Commands answer --help at once, and optional packages may be missing: nothing else is imported late."""
    count = 0
    for path in MODULES:
        functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
        found = {
            node for each in functions for node in ast.walk(each) if isinstance(node, (ast.Import, ast.ImportFrom))
        }
        count += len(found)
    assert count <= MOST_INSIDE_FUNCTIONS


def test_no_room_has_the_name_of_a_command() -> None:
    assert set() == ROOMS & COMMANDS


def test_the_map_names_every_room_and_no_other() -> None:
    block = MAP.read_text(encoding="utf-8").partition("<!-- map -->")[2].partition("<!-- end of map -->")[0]
    named = set(re.findall(r"^ *([a-z]+)/", block, re.MULTILINE))
    rooms = {path.name for path in ROOT.rglob("*") if path.is_dir() and path.name != "__pycache__"}
    assert named == rooms
    assert {f"{name}.py" for name in COMMANDS} <= set(re.findall(r"[a-z]+\.py", block))


def test_nothing_imports_the_monitor() -> None:
    for path in MODULES:
        assert "xr2text_monitor" not in (ROOT / path).read_text(encoding="utf-8"), path


def test_packages_are_empty() -> None:
    for path in MODULES:
        if path.name == "__init__.py" and len(path.parts) > 1:
            assert (ROOT / path).read_text(encoding="utf-8") == "", path


def test_text_scores_readers_run_files_and_machine_import_no_torch() -> None:
    modules = [dotted(Path(name)) for name in WITHOUT_TORCH]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert not {'torch', 'transformers', 'timm'} & set(sys.modules), name\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
