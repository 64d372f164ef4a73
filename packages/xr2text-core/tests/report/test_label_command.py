"""`python -m xr2text_core.label` on small tables."""

import csv
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
