"""`python -m xr2text_core.label` on small tables."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from xr2text_core.label import COLUMNS, main


def write(path: Path, *rows: tuple[str, ...]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def labels_of(source: Path) -> list[dict[str, str]]:
    target = source.with_name("labels.csv")
    assert main([str(source), "--out", str(target)]) == 0
    with target.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


def test_both_sections_are_read_and_stay_apart(tmp_path: Path) -> None:
    source = write(
        tmp_path / "reports.csv",
        ("uid", "findings", "impression"),
        ("7", "No pneumothorax", "Mild cardiomegaly. Small left effusion. Possible pneumonia."),
    )
    assert labels_of(source) == [
        {
            "id": "7",
            "normal": "false",
            "findings": "cardiomegaly;pleural effusion",
            "uncertain": "pneumonia",
            "absent": "pneumothorax",
            "regions": "heart;costophrenic angles",
            "severity": "mild",
            "stage": "multi_region",
        }
    ]


@pytest.mark.parametrize("column", ["findings", "impression", "report"])
def test_any_text_column_will_do(tmp_path: Path, column: str) -> None:
    source = write(tmp_path / "reports.csv", (column,), ("The lungs are clear.",), ("Right pneumothorax.",))
    rows = labels_of(source)
    assert [(row["id"], row["normal"], row["stage"]) for row in rows] == [
        ("1", "true", "normal_cases"),
        ("2", "false", "single_region"),
    ]


def test_study_id_wins_over_other_ids(tmp_path: Path) -> None:
    source = write(tmp_path / "reports.csv", ("uid", "study_id", "report"), ("1", "s50", "Normal chest."))
    assert labels_of(source)[0]["id"] == "s50"


def test_empty_stage_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels_of(write(tmp_path / "reports.csv", ("report",), ("Normal chest.",)))
    assert "complex_cases         0   <- no report of this class" in capsys.readouterr().out


def test_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere.csv")]) == 2
    assert f"{tmp_path / 'nowhere.csv'} does not exist" in capsys.readouterr().err


def test_table_without_text_is_refused_with_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "reports.csv", ("uid", "text"), ("1", "Normal chest."))
    assert main([str(source), "--out", str(tmp_path / "labels.csv")]) == 2
    assert "no column findings, impression, report; found: uid, text" in capsys.readouterr().err
    assert not (tmp_path / "labels.csv").exists()


def test_folder_that_does_not_exist_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "reports.csv", ("report",), ("Normal chest.",))
    assert main([str(source), "--out", str(tmp_path / "nowhere" / "labels.csv")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_labelling_needs_no_torch() -> None:
    check = "import sys, xr2text_core.label; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


# -- tables as people keep them


WHOLE = "INDICATION: Pneumonia, CHF.\n\nFINDINGS: Lungs are clear. No effusion.\n\nIMPRESSION: No acute disease."


def test_reports_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "reports.csv", ("report",), ("Normal chest.",))
    before = source.read_bytes()
    assert main([str(source), "--out", str(source)]) == 2
    assert "would overwrite the input" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_what_a_whole_report_asks_is_not_what_it_finds(tmp_path: Path) -> None:
    (row,) = labels_of(write(tmp_path / "reports.csv", ("report",), (WHOLE,)))
    assert (row["normal"], row["findings"]) == ("true", "")


def test_names_of_columns_may_be_in_capitals(tmp_path: Path) -> None:
    rows = labels_of(write(tmp_path / "reports.csv", ("ID", "REPORT"), ("a7", "Right pneumothorax.")))
    assert [(row["id"], row["findings"]) for row in rows] == [("a7", "pneumothorax")]


@pytest.mark.parametrize("empty", ["", "nan", "None", " ", "XXXX", "___"])
def test_a_row_without_text_has_an_id_and_no_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], empty: str
) -> None:
    source = write(
        tmp_path / "reports.csv", ("uid", "findings", "impression"), ("1", empty, empty), ("2", "Clear.", "")
    )
    first, second = labels_of(source)
    assert first == dict.fromkeys(COLUMNS, "") | {"id": "1"}
    assert (second["id"], second["normal"]) == ("2", "true")
    shown = capsys.readouterr()
    assert "1 reports labelled" in shown.out
    assert "warning: left out 1: the report is empty, so its row has no labels (row 2)" in shown.err


def test_damaged_rows_are_named_and_the_others_labelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "reports.csv"
    source.write_text('id,report\n1,"Clear\n2,Right pneumothorax.\n3,a,b\n', encoding="utf-8")
    assert [row["id"] for row in labels_of(source)] == ["2"]
    shown = capsys.readouterr().err
    assert "quotation mark" in shown and "(row 2)" in shown and "(row 4)" in shown


def test_semicolons_are_called_semicolons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "reports.csv"
    source.write_text("id;report\n1;Clear.\n", encoding="utf-8")
    assert main([str(source), "--out", str(tmp_path / "labels.csv")]) == 2
    assert "Columns are separated by commas, here by semicolons" in capsys.readouterr().err


def test_reports_that_are_not_english_are_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels_of(write(tmp_path / "reports.csv", ("report",), *[("Kein Pneumothorax. Kein Infiltrat.",)] * 3))
    assert capsys.readouterr().err.count("most reports are not English") == 1
    labels_of(write(tmp_path / "reports.csv", ("report",), *[("No pneumothorax. No infiltrate.",)] * 3))
    assert "English" not in capsys.readouterr().err


def test_a_table_in_a_compressed_file_is_read(tmp_path: Path) -> None:
    source = tmp_path / "reports.csv.gz"
    source.write_bytes(gzip.compress(b"report\nRight pneumothorax.\n"))
    assert labels_of(source)[0]["findings"] == "pneumothorax"
