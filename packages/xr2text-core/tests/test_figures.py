"""The curves of a run are drawn from its history, whatever was measured."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from xr2text_core.figures import main
from xr2text_core.run.figures import FIGURES, LABEL_GAP, _label, draw_figures
from xr2text_core.run.folder import RunFolder
from xr2text_core.run.history import HEADER, EpochRow, cells_of, write_rows
from xr2text_core.training.trainer import Trainer

ROW = EpochRow(
    epoch=1, stage="normal_cases", step=40, train_loss=2.5, val_loss=2.0, bleu_1=0.3, bleu_2=0.2, bleu_3=0.15,
    bleu_4=0.1, rouge_l=0.25, cider=0.4, clinical_f1=0.2, distinct_reports=7, finding_auc=0.7,
    finding_auc_se=0.02, says_what_it_saw=0.9, learning_rate=1e-4, grad_norm=1.25,
    studies_per_s=30.0, train_s=60.0, validation_s=10.0, epoch_s=70.0, gpu_peak_mib=None, gpu_max_c=None, micro_batch=4,
    accumulation=8, skipped_steps=0, oom_retries=0, is_best=1, finished_at="2026-11-23T21:04:05+00:00",
)  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "training_history.csv"
    stages = enumerate(["normal_cases", "normal_cases", "single_region", "complex_cases"], 1)
    rows = [replace(ROW, epoch=epoch, stage=stage, train_loss=3 / epoch) for epoch, stage in stages]
    write_rows(path, [cells_of(replace(row, is_best=int(row.epoch == 3))) for row in rows])
    return path


def is_drawn(path: Path) -> bool:
    """More than a white page."""
    with Image.open(path) as image:
        return image.width > 600 and len(image.convert("RGB").getcolors(1 << 20) or []) > 20


def test_every_figure_is_drawn(history: Path, tmp_path: Path) -> None:
    paths = draw_figures(history, tmp_path / "figures")
    assert [path.stem for path in paths] == list(FIGURES)
    assert all(is_drawn(path) for path in paths)


def test_figures_show_columns_that_the_history_has() -> None:
    assert {column for curves in FIGURES.values() for column, _ in curves} <= set(HEADER)


def test_one_epoch_with_hardly_anything_measured_is_drawn_too(tmp_path: Path) -> None:
    row = replace(
        ROW, train_loss=None, val_loss=None, bleu_1=None, bleu_4=None, rouge_l=None, clinical_f1=None, is_best=0
    )
    write_rows(tmp_path / "training_history.csv", [cells_of(row)])
    assert len(draw_figures(tmp_path / "training_history.csv", tmp_path)) == len(FIGURES)


@pytest.mark.parametrize(("file_format", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_figures_come_in_the_format_that_was_asked_for(
    history: Path, tmp_path: Path, file_format: str, start: bytes
) -> None:
    assert main(["--history", str(history), "--out", str(tmp_path / "figures"), "--format", file_format]) == 0
    paths = sorted((tmp_path / "figures").iterdir())
    assert {path.name for path in paths} == {f"{name}.{file_format}" for name in FIGURES}
    assert all(path.read_bytes().startswith(start) for path in paths)


def test_every_measured_curve_has_its_name_beside_it(history: Path, tmp_path: Path) -> None:
    draw_figures(history, tmp_path, "svg")
    for name, curves in FIGURES.items():
        drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert all(f"<!-- {label} -->" in drawn for _, label in curves)


def test_names_of_curves_that_end_at_one_place_do_not_overlap() -> None:
    axes = Figure().add_subplot()
    _label(axes, [(0.5, "one", "k"), (0.5, "two", "k"), (0.51, "three", "k"), (0.9, "far", "k")])
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights["far"] == pytest.approx(0.9)
    steps = [high - low for low, high in pairwise(sorted(heights.values()))]
    assert min(steps) >= LABEL_GAP - 1e-9


def test_a_history_without_a_later_column_is_drawn(history: Path, tmp_path: Path) -> None:
    pd.read_csv(history).drop(columns="finding_auc").to_csv(history, index=False)
    assert all(is_drawn(path) for path in draw_figures(history, tmp_path / "figures"))


def test_half_a_row_at_the_end_is_left_out(history: Path, tmp_path: Path) -> None:
    history.write_bytes(history.read_bytes() + b"5,comple")
    assert len(draw_figures(history, tmp_path / "figures")) == len(FIGURES)


def test_drawing_writes_beside_the_history_and_not_into_it(history: Path, tmp_path: Path) -> None:
    before = history.read_bytes()
    assert main(["--history", str(history), "--out", str(tmp_path / "figures")]) == 0
    assert history.read_bytes() == before


@pytest.mark.parametrize("contents", [None, ",".join(HEADER) + "\n", ""])
def test_a_history_that_is_missing_or_has_no_rows_ends_with_2_and_is_named(
    tmp_path: Path, contents: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "training_history.csv"
    if contents is not None:
        path.write_text(contents)
    assert main(["--history", str(path), "--out", str(tmp_path / "figures")]) == 2
    assert "training_history.csv" in capsys.readouterr().err


TRAIN = """
import sys
from xr2text_core.train import main
code = main(["--num-studies", "8", "--val-studies", "2", "--image-size", "64", "--epochs", "1", "--out", sys.argv[1]])
assert "matplotlib" not in sys.modules, "it takes 80 MiB"
sys.exit(code)
"""


def test_a_run_draws_its_figures_without_loading_matplotlib_itself(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", TRAIN, str(tmp_path)], check=True)
    figures = tmp_path / "data/statistics/figures"
    assert {path.stem for path in figures.iterdir()} == set(FIGURES)


def test_a_run_ends_without_the_figures_that_cannot_be_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: Any = SimpleNamespace(folder=RunFolder.under(tmp_path, ""))
    Trainer._draw(finished)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    Trainer._draw(finished)
    without_history, without_python = caplog.messages
    assert "training_history.csv" in without_history and "no python" in without_python
