"""Imports point one way, and what needs no torch does not import it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import xr2text_core

ROOT = Path(xr2text_core.__file__).parent
PARTS = ("report", "run", "data", "metrics", "model", "machine", "training")
MAY_IMPORT = {
    "report": set(),
    "run": set(),
    "data": {"report"},
    "metrics": {"report"},
    "model": {"report"},
    "machine": {"run"},
    "training": {"report", "run", "data", "metrics", "model", "machine"},
}
COMMANDS_MAY_CALL = {"train": {"evaluate", "figures", "preflight"}, "evaluate": {"generate"}}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
NEEDS_TORCH = {"run/checkpoint.py", "data/augment.py", "data/batches.py", "release/image_processor.py"}
WITHOUT_TORCH = [
    str(path)
    for path in MODULES
    if path.parts[0] in ("report", "metrics", "run", "data", "machine") and path.as_posix() not in NEEDS_TORCH
]


def imported_parts(path: Path) -> set[str]:
    """The parts and commands of xr2text_core that a module imports anywhere in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    ours = [name.split(".") for name in names if name.startswith("xr2text_core.")]
    known = {*PARTS, *(each.stem for each in MODULES if len(each.parts) == 1)}
    return {name[1] for name in ours if name[1] in known}


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) > 1], ids=str)
def test_a_part_imports_only_the_parts_below_it(path: Path) -> None:
    part = path.parts[0]
    assert imported_parts(path) <= MAY_IMPORT[part] | {part}


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) == 1], ids=str)
def test_a_command_calls_no_other_command_than_agreed(path: Path) -> None:
    assert imported_parts(path) <= {*PARTS, *COMMANDS_MAY_CALL.get(path.stem, set())}


def test_nothing_imports_the_monitor() -> None:
    for path in MODULES:
        assert "xr2text_monitor" not in (ROOT / path).read_text(encoding="utf-8"), path


def test_packages_are_empty_but_for_the_version() -> None:
    for path in MODULES:
        if path.name == "__init__.py" and len(path.parts) > 1:
            assert (ROOT / path).read_text(encoding="utf-8") == "", path


def test_text_scores_readers_run_files_and_machine_import_no_torch() -> None:
    modules = [f"xr2text_core.{name.removesuffix('.py').replace('/', '.')}" for name in WITHOUT_TORCH]
    modules += ["xr2text_core.settings.arguments", "xr2text_core.training.curriculum", "xr2text_core.training.plan"]
    modules += ["xr2text_core.supervisor.supervised"]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert not {'torch', 'transformers', 'timm'} & set(sys.modules), name\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
