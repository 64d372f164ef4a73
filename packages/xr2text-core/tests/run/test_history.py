"""training_history.csv: a fixed header, one whole row an epoch, no row newer than the weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xr2text_core.run.history import HEADER, EpochRow, append_row, cut_after, read_rows, write_best

ROW = EpochRow(
    epoch=1, stage="normal_cases", step=40, train_loss=2.5, val_loss=2.0, bleu_1=0.3, bleu_2=0.2, bleu_3=0.15,
    bleu_4=0.1, rouge_l=0.25, cider=0.4, clinical_f1=0.2, distinct_reports=7, learning_rate=1e-4, grad_norm=1.25,
    studies_per_s=30.0, train_s=60.0, validation_s=10.0, epoch_s=70.0, gpu_peak_mib=None, gpu_max_c=None, micro_batch=4,
    accumulation=8, skipped_steps=0, oom_retries=0, is_best=1, finished_at="2026-11-23T21:04:05+00:00",
)  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Five epochs."""
    path = tmp_path / "training_history.csv"
    for epoch in range(1, 6):
        append_row(path, replace(ROW, epoch=epoch))
    return path


def epochs(path: Path) -> list[str]:
    return [row["epoch"] for row in read_rows(path)]


def test_the_header_is_the_documented_one(documented: Callable[[str], list[str]], history: Path) -> None:
    assert list(HEADER) == documented("training_history.csv")
    assert history.read_text().splitlines()[0] == ",".join(HEADER)


def test_a_row_comes_back_as_it_was_written(history: Path) -> None:
    row = read_rows(history)[2]
    assert (row["epoch"], row["stage"], row["learning_rate"], row["is_best"]) == ("3", "normal_cases", "0.0001", "1")
    assert row["finished_at"] == ROW.finished_at


def test_what_was_not_measured_is_an_empty_cell_and_zero_is_not(history: Path) -> None:
    row = read_rows(history)[0]
    assert row["gpu_peak_mib"] == row["gpu_max_c"] == ""
    assert row["skipped_steps"] == "0"


def test_half_a_row_is_not_a_row_at_whichever_byte_it_was_torn(history: Path) -> None:
    whole = history.read_bytes()
    start_of_last = whole.rfind(b"\n", 0, -1) + 1
    for length in range(start_of_last, len(whole)):
        history.write_bytes(whole[:length])
        assert epochs(history) == ["1", "2", "3", "4"]


def test_a_row_after_half_a_row_is_read_and_the_half_is_not(history: Path) -> None:
    history.write_bytes(history.read_bytes() + b"6,norm")
    append_row(history, replace(ROW, epoch=6))
    assert epochs(history) == ["1", "2", "3", "4", "5", "6"]


def test_cutting_removes_the_rows_that_are_newer_than_the_weights(history: Path) -> None:
    assert cut_after(history, 3) == 2
    assert epochs(history) == ["1", "2", "3"]
    assert cut_after(history, 3) == 0


def test_cutting_keeps_one_row_for_each_epoch_the_newest(history: Path) -> None:
    append_row(history, replace(ROW, epoch=2, val_loss=1.0))
    assert cut_after(history, 5) == 1
    assert epochs(history) == ["1", "2", "3", "4", "5"]
    assert read_rows(history)[1]["val_loss"] == "1"


def test_cutting_repairs_a_torn_file(history: Path) -> None:
    whole = history.read_bytes()
    history.write_bytes(whole + b"6,normal_ca")
    cut_after(history, 5)
    assert history.read_bytes() == whole


@pytest.mark.parametrize("contents", [b"", b"epoch,sta", b"something,else\n1,2\n", b"\x00" * 100, b"\xff\xfe\n"])
def test_cutting_gives_a_file_without_a_usable_header_a_new_one(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "training_history.csv"
    path.write_bytes(contents)
    cut_after(path, 0)
    assert path.read_text().splitlines() == [",".join(HEADER)]


def test_cutting_a_history_of_an_older_version_adds_its_missing_columns(tmp_path: Path) -> None:
    path = tmp_path / "training_history.csv"
    path.write_text("epoch,val_loss\n1,2.0\n")
    cut_after(path, 1)
    append_row(path, replace(ROW, epoch=2))
    assert [row["val_loss"] for row in read_rows(path)] == ["2.0", "2"]


def test_no_history_is_no_rows_and_nothing_to_cut(tmp_path: Path) -> None:
    path = tmp_path / "training_history.csv"
    assert read_rows(path) == []
    assert cut_after(path, 3) == 0
    assert not path.exists()


def test_best_results_holds_the_newest_best_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "best_results.csv"
    write_best(path, ROW)
    write_best(path, replace(ROW, epoch=4))
    assert epochs(path) == ["4"]
