"""Rows beside a model, the warnings they give rise to, and the tables on screen and in files."""

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from xr2text_core.metrics import table
from xr2text_core.metrics.findings.reading import Measure
from xr2text_core.metrics.published import published_table
from xr2text_core.metrics.rows import CONSTANT, SHUFFLED, References, trivial_rows, warnings
from xr2text_core.metrics.scores import score_reports

NORMAL = "The heart is normal in size. The lungs are clear."
REFERENCES = [
    NORMAL,
    "There is a large left pleural effusion. The heart is normal in size.",
    "There is a right pneumothorax. The heart is enlarged.",
    "The heart is enlarged. No effusion is seen.",
    "The lungs are clear. There is scoliosis of the spine.",
    "There is a small right pleural effusion. No pneumothorax.",
    "A pacemaker is seen. The lungs are clear and the heart is normal.",
    "Both lungs are hyperinflated. No consolidation is seen.",
]
TRAIN = [NORMAL, NORMAL, "There is a right pneumothorax.", "The heart is enlarged. No effusion."]
YARDSTICK = References(REFERENCES, "clean-full")


def test_a_model_that_gives_everybody_one_report_is_warned_about() -> None:
    candidates = [NORMAL] * len(REFERENCES)
    model = YARDSTICK.row_with_intervals("m.pt", candidates)
    found = "\n".join(warnings(model, trivial_rows(YARDSTICK, candidates, TRAIN, REFERENCES)))
    assert "m.pt: BLEU-4 + ROUGE-L" in found and "m.pt: label F1 0.0000 does not beat" in found
    assert "only 1 distinct reports for 8 studies" in found and "when the reports go to other studies" in found


def test_a_model_that_sees_is_not_warned_about() -> None:
    model = YARDSTICK.row_with_intervals("m.pt", REFERENCES)
    assert warnings(model, trivial_rows(YARDSTICK, REFERENCES, TRAIN, REFERENCES)) == []


def test_good_reports_given_to_the_wrong_studies_are_warned_about() -> None:
    wrong = REFERENCES[1:] + REFERENCES[:1]
    model = YARDSTICK.row_with_intervals("m.pt", wrong)
    shuffled = YARDSTICK.row(SHUFFLED, REFERENCES[2:] + REFERENCES[:2])
    (found,) = warnings(model, [shuffled])
    assert "when the reports go to other studies" in found


def test_the_constant_is_picked_on_the_validation_references_not_on_those_that_are_scored() -> None:
    val = ["There is a right pneumothorax."] * 3
    constant = next(row for row in trivial_rows(YARDSTICK, REFERENCES, TRAIN, val) if row.name == CONSTANT)
    assert constant.scores == score_reports([val[0]] * len(REFERENCES), REFERENCES)
    assert constant.bleu_and_rouge < YARDSTICK.row("", [NORMAL] * len(REFERENCES)).bleu_and_rouge


def test_rows_that_cannot_be_had_are_left_out() -> None:
    assert [row.name for row in trivial_rows(YARDSTICK, REFERENCES, [], [])] == [SHUFFLED]
    single = References(REFERENCES[:1], "clean-full")
    assert SHUFFLED not in [row.name for row in trivial_rows(single, REFERENCES[:1], TRAIN, [])]


def test_intervals_hold_the_scores_of_the_row() -> None:
    candidates = [*REFERENCES[:4], *[NORMAL] * 4]
    row = YARDSTICK.row_with_intervals("m.pt", candidates)
    values = {name: getattr(row.scores, name) for name in table.MEASURES}
    values["clinical_f1_abnormal"] = row.clinical.macro_abnormal
    assert set(row.intervals) == set(values)
    for name, interval in row.intervals.items():
        assert interval.value == pytest.approx(values[name])
        assert interval.low < values[name] < interval.high or interval.high == pytest.approx(values[name])


def test_without_an_abnormal_reference_there_is_no_abnormal_interval() -> None:
    row = References([NORMAL, NORMAL], "clean-full").row_with_intervals("m.pt", [NORMAL, NORMAL])
    assert "clinical_f1_abnormal" not in row.intervals and math.isnan(row.clinical.macro_abnormal)
    assert "m.pt" in table.table([row])


def test_an_undefined_score_is_a_dash_on_screen_and_an_empty_cell_in_a_file(tmp_path: Path) -> None:
    row = References([NORMAL, NORMAL], "clean-full").row_with_intervals("m.pt", [NORMAL, NORMAL])
    line = table.table([row]).splitlines()[1].split()
    assert (line[5], line[6]) == ("-", "-")  # label F1, abnormal
    table.write_table(tmp_path / "scores.csv", [row], {})
    table.write_findings(tmp_path / "findings.csv", [row], {})
    written = (tmp_path / "scores.csv").read_text() + (tmp_path / "findings.csv").read_text()
    assert "nan" not in written.lower()
    differences = References([NORMAL], "clean-full").paired_differences([NORMAL], [NORMAL])
    assert table.paired_table(differences).splitlines()[-1].split()[-3:] == ["-", "-", "-"]


def test_every_line_of_the_table_has_its_numbers_below_the_titles() -> None:
    rows = [YARDSTICK.row_with_intervals("model", REFERENCES), *trivial_rows(YARDSTICK, REFERENCES, TRAIN, TRAIN)]
    lines = table.table(rows).splitlines()[: len(rows) + 2]
    assert {len(line) for line in lines[:2]} == {len(lines[0])}
    assert lines[1].split()[:3] == ["model", "1.0000", "1.0000"] and max(map(len, lines)) <= 120


@pytest.mark.parametrize("width", [80, 100, 119, 120, 200])
def test_a_table_that_is_wider_than_the_screen_is_folded_into_several(width: int) -> None:
    row = YARDSTICK.row_with_intervals("same findings, composed without the image", REFERENCES)
    needs = ("nearest train image (needs a checkpoint)",)
    text = table.table([row, *trivial_rows(YARDSTICK, REFERENCES, TRAIN, TRAIN)], needs, width)
    assert max(map(len, text.splitlines())) <= width
    titles = [line.split("  ") for line in text.splitlines() if line.startswith("   ") and "length" in line]
    assert len(titles) == 1 and text.count("BLEU-4") == 1  # every column once
    assert text.count("best constant report") == (2 if width < 119 else 1)
    whole = table.table([row], needs).split()
    assert {word for word in table.table([row], needs, width).split() if "." in word} == {
        word for word in whole if "." in word
    }


def test_what_stands_above_and_below_the_table_fits_the_screen_too() -> None:
    about = {"data": "iu-xray", "split": "test", "section": "findings", "beams": "4", "protocol": "r2gen-iu"}
    text = table.heading({**about, **References(REFERENCES, "r2gen-iu").about}, 590, 80)
    assert max(map(len, text.splitlines())) <= 80 and "the protocol cuts" in " ".join(text.split())
    assert max(map(len, published_table(80).splitlines())) <= 80
    measures = [Measure("obedience: reports that say exactly this", "decided", 0.98765, 0.9, 1.0, num_studies=3858)]
    shown = table.reading_table(measures, 80).splitlines()
    assert max(map(len, shown)) <= 80 and shown[1].split()[-5:] == ["0.988", "0.900", "to", "1.000", "3858"]


def test_the_finding_table_lists_findings_of_the_references_commonest_first() -> None:
    candidates = [*REFERENCES[:2], NORMAL, *REFERENCES[3:]]
    lines = table.finding_table(YARDSTICK.row("", candidates).clinical).splitlines()
    names = [line[:26].strip() for line in lines]
    assert set(names[1:3]) == {"pleural effusion", "cardiomegaly"} and "edema" not in names
    assert next(line for line in lines if "pneumothorax" in line).split()[1:] == ["1", "-", "0.000", "0.000"]


def test_files_say_in_every_row_what_was_measured(tmp_path: Path) -> None:
    row = YARDSTICK.row_with_intervals("model", REFERENCES)
    about = {"protocol": "clean-full", "section": "findings"}
    table.write_table(tmp_path / "new" / "scores.csv", [row, replace(row, name="other", intervals={})], about)
    table.write_findings(tmp_path / "findings.csv", [row], about)
    differences = YARDSTICK.paired_differences(REFERENCES, [NORMAL] * len(REFERENCES))
    table.write_paired(tmp_path / "paired.csv", differences, about)
    for path in (tmp_path / "new" / "scores.csv", tmp_path / "findings.csv", tmp_path / "paired.csv"):
        with path.open() as file:
            assert all(
                each["protocol"] == "clean-full" and each["section"] == "findings" for each in csv.DictReader(file)
            )
    with (tmp_path / "new" / "scores.csv").open() as file:
        first, second = csv.DictReader(file)
    assert float(first["bleu_4_low"]) <= float(first["bleu_4"]) and second["bleu_4_low"] == ""


def test_the_table_of_a_thesis_has_every_row_its_interval_and_what_it_depends_on(tmp_path: Path) -> None:
    row = YARDSTICK.row_with_intervals("best_model.pt", REFERENCES)
    others = trivial_rows(YARDSTICK, REFERENCES, TRAIN, TRAIN)
    path = tmp_path / "new" / "table.tex"
    table.write_latex(path, [row, *others], "iu-xray, others <unk>\n95 % at most 50 tokens", ["nearest image"])
    text = path.read_text(encoding="utf-8")
    body = text.partition("\\midrule")[2].partition("\\bottomrule")[0].strip().splitlines()
    assert len(body) == 1 + 1 + len(others) + 1  # the model, its intervals, the baselines, a row of dashes
    assert body[0].startswith("best\\_model.pt & 1.0000") and all(line.count(" & ") == 9 for line in body)
    assert (
        body[1].count("1.00-1.00") >= 4
        and "label F1" in text
        and "others \\textless{}unk\\textgreater{}. 95 \\% at most 50 tokens. label F1: macro" in text
    )
    assert not re.search(r"(?<!\\)[%_#]", text)


def test_a_paired_test_of_a_report_list_with_itself_finds_no_difference() -> None:
    differences = YARDSTICK.paired_differences(REFERENCES, REFERENCES)
    assert {each.value for each in differences.values()} == {0} and {each.p_value for each in differences.values()} == {
        1
    }
    assert "BLEU-4            +0.0000" in table.paired_table(differences)


def test_published_numbers_come_with_their_remark() -> None:
    text = published_table()
    assert "0.128    0.293" in text and "0.142    0.312" in text and "0.160    0.330" in text
    assert "Protocols differ" in text and "0.4806 / 0.7742" in text


def test_invented_comparisons_have_a_column_where_it_is_known_which_studies_have_no_prior(tmp_path: Path) -> None:
    known = replace(YARDSTICK, without_prior=[True] + [False] * (len(REFERENCES) - 1))
    rows = [known.row("inventing", ["Stable cardiomegaly."] * len(REFERENCES)), known.row("honest", REFERENCES)]
    lines = table.table(rows).splitlines()
    assert lines[0].endswith("invented") and lines[1].endswith("100.0%") and lines[2].endswith("0.0%")
    assert "of studies that have none" in lines[-1]
    unknown = [YARDSTICK.row("x", REFERENCES)]
    assert "invented" not in table.table(unknown)
    table.write_table(tmp_path / "known.csv", rows, {})
    table.write_table(tmp_path / "unknown.csv", unknown, {})
    cells = [_rows(tmp_path / f"{name}.csv")[0]["invented_comparisons"] for name in ("known", "unknown")]
    assert cells == ["1.0", ""]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
