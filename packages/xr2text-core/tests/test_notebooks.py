"""The notebooks run from top to bottom in a fresh kernel, and none of what they showed lies in the repository."""

import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
Execute = Callable[[str], dict[str, Any]]
SMALL = {
    "XR2TEXT_NUM_STUDIES": "24",
    "XR2TEXT_VAL_STUDIES": "4",
    "XR2TEXT_TEST_STUDIES": "4",
    "XR2TEXT_EPOCHS": "2",
    "XR2TEXT_CHECKPOINT_EVERY": "1",
    "XR2TEXT_RESUME": "checkpoint_epoch_1.pt",
}


@pytest.fixture
def transport() -> Iterator[list[str]]:
    """Kernel and nbconvert meet in a socket file: a free TCP port may be taken by others between choice and use."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/k"
        is_possible = hasattr(socket, "AF_UNIX") and len(path) < 90  # such names are short
        yield ["--AsyncKernelManager.transport=ipc", f"--AsyncKernelManager.ip={path}"] if is_possible else []


@pytest.fixture
def execute(tmp_path: Path, transport: list[str], monkeypatch: pytest.MonkeyPatch) -> Execute:
    """Runs a notebook by nbconvert, small, with all it writes in `tmp_path`; returns it with its outputs."""
    for package in ("nbconvert", "ipykernel"):
        pytest.importorskip(package, reason="needs xr2text-core[notebook]")
    for variable, value in {**SMALL, "XR2TEXT_OUT": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "jupyter"))  # what the user has set up plays no part

    def run(name: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(FOLDER / f"{name}.ipynb")]
        options = ["--output-dir", str(tmp_path), "--ExecutePreprocessor.startup_timeout=600", *transport]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        notebook: dict[str, Any] = json.loads((tmp_path / f"{name}.ipynb").read_text(encoding="utf-8"))
        return notebook

    return run


def shown(notebook: dict[str, Any], cell_id: str) -> str:
    """Everything that a cell showed, as JSON."""
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == cell_id]
    return json.dumps(cell["outputs"])


@pytest.mark.timeout(1200)
def test_the_exploration_shows_sizes_lengths_stages_and_findings(
    execute: Execute,
) -> None:
    notebook = execute("01_data_exploration")
    assert "patients" in shown(notebook, "sizes") and "95%" in shown(notebook, "lengths")
    assert "complex_cases" in shown(notebook, "stages") and "pneumothorax" in shown(notebook, "findings")
    for cell_id in ("images", "lengths", "stages", "findings", "regions"):
        assert "image/png" in shown(notebook, cell_id), cell_id


@pytest.mark.timeout(1200)
def test_the_training_notebook_trains_resumes_scores_and_draws(execute: Execute, tmp_path: Path) -> None:
    notebook = execute("02_model_training")
    assert "Training completed!" in shown(notebook, "fit")
    assert "Resuming from checkpoint_epoch_1.pt at epoch 2" in shown(notebook, "resuming")
    with (tmp_path / "data/statistics/training_history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert shown(notebook, "curves").count('"image/png": "') == 3 and "distinct_reports" in shown(notebook, "curves")
    assert "best constant report" in shown(notebook, "table")
    assert "reference:" in shown(notebook, "attention") and "image/png" in shown(notebook, "attention")


def test_without_a_word_from_outside_the_notebook_trains_as_the_guide_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("XR2TEXT_")]:
        monkeypatch.delenv(variable)
    notebook = json.loads((FOLDER / "02_model_training.ipynb").read_text(encoding="utf-8"))
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "settings"]
    names: dict[str, Any] = {}
    exec("".join(cell["source"]), names)
    settings = names["settings"]
    assert (settings.epochs, settings.patience, settings.checkpoint_every) == (50, 999, 5)
    assert (settings.data, settings.num_studies, settings.val_studies) == ("phantom", 1280, 500)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_and_no_count_is_kept_in_the_repository(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None, cell["id"]
        assert cell["metadata"] == {}, cell["id"]
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


def test_both_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_data_exploration", "02_model_training"]
