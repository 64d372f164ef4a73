"""training_history.csv: a fixed header, one whole row an epoch, no row newer than the weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xr2text_core.run.history import HEADER, EpochRow, cells_of, read_rows, rows_up_to, write_best, write_rows

ROW = EpochRow(
    epoch=1, stage="normal_cases", step=40, train_loss=2.5, val_loss=2.0, bleu_1=0.3, bleu_2=0.2, bleu_3=0.15,
    bleu_4=0.1, rouge_l=0.25, cider=0.4, clinical_f1=0.2, distinct_reports=7, finding_auc=0.7,
    finding_auc_se=0.02, says_what_it_saw=0.9, learning_rate=1e-4, grad_norm=1.25,
    studies_per_s=30.0, train_s=60.0, validation_s=10.0, epoch_s=70.0, gpu_peak_mib=None, gpu_max_c=None, micro_batch=4,
    accumulation=8, skipped_steps=0, oom_retries=0, is_best=1, finished_at="2026-11-23T21:04:05+00:00",
)  # fmt: skip


def rows(*epochs: int) -> list[dict[str, str]]:
    return [cells_of(replace(ROW, epoch=epoch)) for epoch in epochs]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Five epochs, written one after the other."""
    path = tmp_path / "training_history.csv"
    for epoch in range(1, 6):
        write_rows(path, rows(*range(1, epoch + 1)))
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
    assert cells_of(replace(ROW, clinical_f1=float("nan")))["clinical_f1"] == "", "undefined without a finding"


def test_half_a_row_is_not_a_row_at_whichever_byte_it_was_torn(history: Path) -> None:
    whole = history.read_bytes()
    start_of_last = whole.rfind(b"\n", 0, -1) + 1
    for length in range(start_of_last, len(whole)):
        history.write_bytes(whole[:length])
        assert epochs(history) == ["1", "2", "3", "4"]


def test_a_row_is_appended_and_what_stood_before_is_not_touched(history: Path) -> None:
    inode, before = history.stat().st_ino, history.read_bytes()
    write_rows(history, rows(1, 2, 3, 4, 5, 6))
    assert history.stat().st_ino == inode
    assert history.read_bytes().startswith(before) and epochs(history)[-1] == "6"


@pytest.mark.parametrize(
    "contents",
    [
        b"", b"epoch,sta", b"something,else\n1,2\n", b"\x00" * 100, b"\xff\xfe\n", b"epoch,val_loss\n1,2.0\n",
        (",".join(HEADER) + "\n1,norm").encode(), (",".join(HEADER) + "\n9,a\n").encode(),
    ],
)  # fmt: skip
def test_whatever_lies_there_becomes_the_rows_that_the_checkpoint_knows(
    tmp_path: Path, history: Path, contents: bytes
) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes(contents)
    write_rows(path, rows(1, 2, 3, 4, 5))
    assert path.read_bytes() == history.read_bytes()


def test_rows_newer_than_the_weights_go(history: Path) -> None:
    write_rows(history, rows(1, 2, 3))
    assert epochs(history) == ["1", "2", "3"]


def test_a_deleted_history_comes_back_whole_in_a_deleted_folder(history: Path, tmp_path: Path) -> None:
    path = tmp_path / "gone" / "training_history.csv"
    write_rows(path, rows(1, 2, 3, 4, 5))
    assert path.read_bytes() == history.read_bytes()


def test_rows_of_a_file_are_taken_where_a_checkpoint_keeps_none(history: Path) -> None:
    history.write_bytes(history.read_bytes() + history.read_bytes().splitlines(keepends=True)[2] + b"6,norm")
    assert [row["epoch"] for row in rows_up_to(history, 4)] == ["1", "2", "3", "4"]
    assert rows_up_to(history.with_name("none.csv"), 4) == []


def test_columns_that_an_older_version_did_not_know_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "training_history.csv"
    path.write_text("epoch,val_loss\n1,2.0\n")
    write_rows(path, [*rows_up_to(path, 1), *rows(2)])
    assert [(row["val_loss"], row["stage"]) for row in read_rows(path)] == [("2.0", ""), ("2", "normal_cases")]


def test_best_results_holds_the_best_row_alone_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "best_results.csv"
    write_best(path, rows(1, 2, 3, 4), 2)
    write_best(path, rows(1, 2, 3, 4), 4)
    assert epochs(path) == ["4"]
    write_best(path, rows(1, 2, 3, 4), 0)
    assert not path.exists()
