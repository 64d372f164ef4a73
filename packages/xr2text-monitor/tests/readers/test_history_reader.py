"""training_history.csv as it may be found."""

from pathlib import Path

import pytest
from fake_run import HEADER, FakeRun, row

from xr2text_monitor.readers.history import HistoryReader


def test_rows_become_columns_stages_last_and_best(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows(range(1, 13))
    history = HistoryReader(run.history).read()
    assert list(history.epochs) == list(range(1, 13))
    assert history.stages == [(1, "normal_cases"), (6, "single_region")]
    assert history.last is not None and history.last.epoch == 12 and history.last.bleu_1 == 0.33
    assert history.best is not None and history.best.epoch == 11


def test_missing_file_and_header_alone_give_no_rows(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    reader = HistoryReader(run.history)
    assert len(reader.read()) == 0
    run.history.write_text(HEADER + "\n")
    assert len(reader.read()) == 0 and reader.read().last is None


def test_half_written_row_is_not_shown(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows([1])
    whole = run.history.read_text()
    run.history.write_text(whole + row(2, run.now)[:40])
    reader = HistoryReader(run.history)
    assert list(reader.read().epochs) == [1]
    run.history.write_text(whole + row(2, run.now) + "\n")
    assert list(reader.read().epochs) == [1, 2]


def test_unknown_columns_are_ignored_and_missing_ones_stay_missing(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('colour,epoch,"val_loss"\nred,1,2.5\n"a,b",2,1.5\n')
    history = HistoryReader(path).read()
    assert list(history.columns["val_loss"]) == [2.5, 1.5]
    assert history.last is not None and history.last.train_loss is None and history.last.stage == ""


def test_nan_and_empty_cells_differ(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("epoch,train_loss,val_loss,rouge_l\n1,nan,,abc\n")
    last = HistoryReader(path).read().last
    assert last is not None and last.train_loss is not None and last.train_loss != last.train_loss
    assert last.val_loss is None and last.rouge_l is None


def test_lines_that_are_no_rows_do_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('epoch,train_loss\r\n1,3.0\r\n\r\n2\r\n"3,2.0\nx,1\ninf,1\n-4,1\n5,1.0\n')
    assert list(HistoryReader(path).read().epochs) == [1, 5]


def test_epoch_that_comes_again_replaces_what_followed(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows(range(1, 12))
    reader = HistoryReader(run.history)
    reader.read()
    run.rows([5])
    history = reader.read()
    assert list(history.epochs) == [1, 2, 3, 4, 5]
    assert history.stages == [(1, "normal_cases")]
    assert history.best is not None and history.best.epoch == 5


def test_rows_cut_by_a_resume_go_away(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows(range(1, 12))
    reader = HistoryReader(run.history)
    version = reader.read().version
    temporary = tmp_path / "t"
    temporary.write_text("".join(f"{line}\n" for line in [HEADER, *(row(epoch, run.now) for epoch in (1, 2))]))
    temporary.replace(run.history)
    assert list(reader.read().epochs) == [1, 2] and reader.read().version > version


def test_hundred_thousand_rows_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    cells = row(7, 0.0).partition(",")[2]
    path.write_text(HEADER + "\n" + "".join(f"{epoch},{cells}\n" for epoch in range(1, 100_001)))
    history = HistoryReader(path).read()
    assert len(history) == 100_000 and history.last is not None and history.last.epoch == 100_000


def test_a_history_once_given_out_does_not_change(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows([1, 2])
    reader = HistoryReader(run.history)
    first = reader.read()
    run.rows([3])
    second = reader.read()
    run.rows([2])
    assert (len(first), len(second), len(reader.read())) == (2, 3, 2)
    assert reader.read() is reader.read()


def test_the_best_scores_follow_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("epoch,bleu_4,rouge_l\n1,0.1,\n2,0.3,nan\n3,0.3,\n4,0.2,\n")
    reader = HistoryReader(path)
    assert reader.read().best_scores == {"bleu_4": (0.3, 2)}
    with path.open("a") as file:
        file.write("2,0.05,0.4\n")
    assert reader.read().best_scores == {"bleu_4": (0.1, 1), "rouge_l": (0.4, 2)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,normal_cases,960,2.5\n2,normal_cases,1920,2.1\n", "its first line is no header"),
        ("epoch;stage;train_loss\n1;normal_cases;2,5\n", "separated by semicolons"),
        ("epoch\tstage\n1\tnormal_cases\n", "separated by tabs"),
        ("colour,weight\nred,2\n", "its first line is no header"),
        ("epoch,stage\n1,a,b\n2,c,d\n", "none of its 2 lines is a row"),
        ("\x00\x01\x02\n\x03\n", "its first line is no header"),
    ],
)
def test_a_history_that_is_not_understood_says_why(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "h.csv"
    path.write_text(text)
    reader = HistoryReader(path)
    assert len(reader.read()) == 0 and words in reader.problem
    path.write_text(HEADER + "\n" + row(1, 0.0) + "\n")
    assert len(reader.read()) == 1 and reader.problem == ""


def test_a_history_in_utf_16_says_so(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text(f"{HEADER}\n{row(1, 0.0)}\n", encoding="utf-16")
    reader = HistoryReader(path)
    assert len(reader.read()) == 0 and "UTF-16" in reader.problem


def test_a_file_that_is_empty_or_only_begun_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    reader = HistoryReader(path)
    for text in ("", "epo", "\n", HEADER + "\n", f"{HEADER}\n{row(1, 0.0)}\n\n"):
        path.write_text(text)
        reader.read()
        assert reader.problem == "", text


def test_columns_of_a_newer_trainer_are_kept_as_curves(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("epoch,finding_auc,note,says_what_it_saw\n1,0.61,x,0.9\n2,,x,0.95\n")
    history = HistoryReader(path).read()
    assert list(history.columns["says_what_it_saw"]) == [0.9, 0.95]
    assert history.last is not None and history.last.further == {"says_what_it_saw": 0.95}
    assert history.columns["finding_auc"][0] == 0.61 and history.columns["finding_auc"][1] != 0.61


def test_an_infinite_score_is_not_the_best(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("epoch,bleu_4,rouge_l\n1,0.1,-inf\n2,inf,nan\n3,0.2,inf\n")
    assert HistoryReader(path).read().best_scores == {"bleu_4": (0.2, 3)}
