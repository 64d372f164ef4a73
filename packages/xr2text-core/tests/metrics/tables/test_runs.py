"""Several runs become one table with honest spreads, and only runs of the same studies do."""

import csv
import math
import re
from pathlib import Path

import pytest

from xr2text_core.metrics.clinical_f1 import clinical_f1
from xr2text_core.metrics.findings.reading import reading_measures
from xr2text_core.metrics.outcome import Outcome
from xr2text_core.metrics.rows import References
from xr2text_core.metrics.tables import runs
from xr2text_core.metrics.tables.runs import Spread, read_runs
from xr2text_core.run.errors import UserError

REFERENCES = ["The heart is enlarged.", "The lungs are clear.", "There is edema in both lungs.", "No effusion."]
REPORTS = {
    "a": ["The heart is enlarged.", "The lungs are clear.", "There is edema.", "No effusion."],
    "b": ["The heart is enlarged.", "The lungs are clear.", "The lungs are clear.", "No pleural effusion."],
    "c": ["The lungs are clear."] * 4,
}
ABOUT = {"checkpoint": "best_model.pt", "split": "test", "beams": "4", "data": "phantom", "section": "findings"}


def written(folder: Path, name: str, references: list[str] = REFERENCES, **about: str) -> Path:
    """The files of a run, as `evaluate` writes them."""
    known = References(references, "clean-full")
    reports = REPORTS[name]
    outcome = Outcome(
        about={**ABOUT, **known.about, **about},
        models=[known.row_with_intervals(f"{name}.pt", reports)],
        others=[known.row("best constant report", ["The lungs are clear."] * 4)],
        reading=reading_measures(reports, references, [()] * 4),
    )
    outcome.write(folder / name, "best_model_test")
    return folder / name / "scores_best_model_test.csv"


@pytest.fixture
def three(tmp_path: Path) -> dict[str, Path]:
    return {name: written(tmp_path, name) for name in REPORTS}


def test_the_interval_is_students_t_of_the_textbook() -> None:
    spread = Spread.of([1.0, 2.0, 3.0])
    assert (spread.mean, spread.sd) == (2, 1)
    assert (round(spread.low, 3), round(spread.high, 3)) == (-0.484, 4.484)


def test_runs_that_agree_have_no_spread_and_an_undefined_score_has_none() -> None:
    assert Spread.of([0.5, 0.5]) == Spread(0.5, 0.0, 0.5, 0.5)
    assert all(math.isnan(value) for value in vars(Spread.of([0.5, math.nan])).values())
    assert Spread.of([0.5, math.nan]).lines(".3f") == ["-", "-", "-"]
    assert Spread(12.5, 1.5, 10.0, 15.0).lines("d") == ["12.5", "± 1.5", "10.0-15.0"]
    assert Spread(0.1, 0.25, -0.05, 0.25).lines(".3f") == ["0.100", "± 0.250", "-.050-.250"]


def test_the_file_holds_the_mean_of_what_was_written_for_each_run(three: dict[str, Path], tmp_path: Path) -> None:
    runs.write(read_runs(three), tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
        rows = {(row["row"], row["score"]): row for row in csv.DictReader(file)}
    f1 = [clinical_f1(reports, REFERENCES).macro for reports in REPORTS.values()]
    found = rows["model", "clinical_f1"]
    assert float(found["mean"]) == pytest.approx(sum(f1) / 3)
    assert [float(value) for value in found["values"].split()] == pytest.approx(f1, abs=1e-5)
    assert found["runs"] == "a b c" and found["protocol"] == "clean-full" and found["num_reports"] == "4"
    assert float(rows["best constant report", "bleu_1"]["sd"]) == pytest.approx(0)
    assert ("false findings per normal study, all findings", "labels") in rows


@pytest.mark.parametrize("width", [80, 10_000])
def test_the_table_shows_mean_deviation_and_interval_and_fits(three: dict[str, Path], width: int) -> None:
    text = runs.show(read_runs(three), width)
    assert max(map(len, text.splitlines())) <= max(width, 0) or width > 80
    spread = Spread.of([clinical_f1(reports, REFERENCES).macro for reports in REPORTS.values()])
    assert f"{spread.mean:.3f}" in text and f"± {spread.sd:.3f}" in text
    assert "means of 3 runs (a, b, c)" in " ".join(text.split()) and "over runs (Student's t)" in " ".join(text.split())
    assert "false findings per normal study" in text
    assert not re.search(r"best constant.*\n +±", text)  # it is the same in every run


def test_the_table_for_a_thesis_says_what_the_spread_is_over(three: dict[str, Path], tmp_path: Path) -> None:
    runs.write_latex(read_runs(three), tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert "\\toprule" in text and "Student's t" in text and "label F1" in text


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"protocol": "r2gen-iu"}, "protocol clean-full and r2gen-iu"),
        ({"split": "val"}, "split test and val"),
        ({"beams": "1"}, "beams 4 and 1"),
        ({"section": "both"}, "section findings and both"),
        ({"labeler": "1"}, "labeler "),
    ],
)
def test_runs_that_were_scored_differently_are_refused(tmp_path: Path, about: dict[str, str], said: str) -> None:
    files = {"a": written(tmp_path, "a"), "b": written(tmp_path, "b", **about)}
    with pytest.raises(UserError, match=f"a and b are not comparable .*{said}"):
        read_runs(files)


def test_runs_of_other_studies_are_refused_though_they_are_as_many(tmp_path: Path) -> None:
    files = {"a": written(tmp_path, "a"), "b": written(tmp_path, "b", REFERENCES[::-1])}
    with pytest.raises(UserError, match="reference_digest"):
        read_runs(files)


def test_what_a_run_chose_on_validation_studies_may_differ(tmp_path: Path) -> None:
    files = {"a": written(tmp_path, "a", sensitivity="1"), "b": written(tmp_path, "b", sensitivity="1.3")}
    assert [run.name for run in read_runs(files)] == ["a", "b"]


def test_what_is_missing_is_named(three: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two runs"):
        read_runs({"a": three["a"]})
    with pytest.raises(UserError, match=r"--runs d: no .*scores_best_model_test.csv.*`evaluate` writes it"):
        read_runs({**three, "d": tmp_path / "d" / "scores_best_model_test.csv"})
    old = tmp_path / "old.csv"
    old.write_text("row,bleu_1,bleu_1_low,protocol\nbest_model.pt,0.1,,clean-full\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column reference_digest: score the run again"):
        read_runs({"a": three["a"], "old": old})
