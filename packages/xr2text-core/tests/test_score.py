"""Reports in a file are scored as evaluate scores those of a checkpoint, as far as they go without images."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from xr2text_core import score
from xr2text_core.metrics.rows import References
from xr2text_core.report.labeler import LABELER_VERSION

SHARED_DATA = Path(__file__).parents[3].parent / "shared" / "data"
REFERENCES = {
    "a": "There is a large left pleural effusion. The heart is normal in size.",
    "b": "There is a right pneumothorax.",
    "c": "The lungs are clear.",
    "d": "The heart is enlarged.",
}
CANDIDATES = {**REFERENCES, "d": "The heart is normal.", "c": "The lungs are clear. No effusion."}
TRAIN = ["The lungs are clear.", "The lungs are clear.", "The heart is enlarged.", "No pneumothorax."]


def write(path: Path, header: str, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([tuple(header.split(",")), *rows])
    return path


def pairs_file(path: Path, header: str = "id,candidate,reference") -> Path:
    return write(path, header, [(name, CANDIDATES[name], text) for name, text in REFERENCES.items()])


def candidates_file(path: Path, header: str = "id,candidate") -> Path:
    return write(path, header, list(CANDIDATES.items()))


def annotation(path: Path) -> Path:
    entries = [{"id": name, "report": text, "image_path": [f"{name}.png"]} for name, text in REFERENCES.items()]
    train = [{"id": f"train-{number}", "report": text, "image_path": []} for number, text in enumerate(TRAIN)]
    path.write_text(json.dumps({"train": train, "val": [{"id": "v", "report": TRAIN[2]}], "test": entries}))
    return path


def scored(file: Path, *flags: str) -> list[dict[str, str]]:
    out = file.parent / "out"
    assert score.main([str(file), "--out", str(out), *flags]) == 0
    with (out / f"scores_{file.stem}.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert score.main(list(arguments)) == 2
    return capsys.readouterr().err


def test_candidates_and_references_of_one_file_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, shuffled, nearest = scored(pairs_file(tmp_path / "mine.csv"))
    right = References(list(REFERENCES.values()), "clean-full").row("", list(CANDIDATES.values())).scores
    assert float(model["bleu_4"]) == right.bleu_4 and float(model["clinical_f1"]) == right.clinical_f1
    assert (model["row"], model["labeler"], model["protocol"]) == ("mine.csv", str(LABELER_VERSION), "clean-full")
    assert model["bleu_4_low"] and shuffled["row"] == "images shuffled among studies"
    assert nearest["row"].startswith("nearest train image") and nearest["bleu_4"] == ""
    shown = capsys.readouterr().out
    assert "loss -" in shown and "pleural effusion" in shown


def test_training_reports_bring_the_rows_that_read_no_image(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "report", [(text,) for text in TRAIN])
    rows = {row["row"]: row for row in scored(pairs_file(tmp_path / "mine.csv"), "--train", str(train))}
    assert {"best constant report", "most frequent report", "random training report"} <= set(rows)
    constant = References(list(REFERENCES.values()), "clean-full").row("", ["The lungs are clear."] * 4)
    assert float(rows["most frequent report"]["bleu_1"]) == constant.scores.bleu_1


@pytest.mark.parametrize("header", ["ID,Candidate", "Study ID,Predicted Report", "study_id,generated-text", "UID,HYP"])
def test_references_are_found_by_id_whatever_the_columns_are_called(tmp_path: Path, header: str) -> None:
    references = write(tmp_path / "ref.csv", "StudyID,Ground Truth", list(reversed(REFERENCES.items())))
    by_file = scored(candidates_file(tmp_path / "x.csv", header), "--references", str(references))
    assert by_file[0]["bleu_4"] == scored(pairs_file(tmp_path / "mine.csv"))[0]["bleu_4"]


def test_an_annotation_file_brings_references_split_and_training_reports(tmp_path: Path) -> None:
    rows = scored(candidates_file(tmp_path / "x.csv"), "--references", str(annotation(tmp_path / "annotation.json")))
    assert rows[0]["split"] == "test" and "best constant report" in [row["row"] for row in rows]
    assert rows[0]["bleu_4"] == scored(pairs_file(tmp_path / "mine.csv"))[0]["bleu_4"]


def test_a_study_id_finds_the_report_that_its_images_share(tmp_path: Path) -> None:
    path = tmp_path / "annotation.json"
    entry = [{"id": f"image-{number}", "study_id": 7, "report": REFERENCES["a"]} for number in (1, 2)]
    path.write_text(json.dumps({"train": [], "val": [], "test": entry}))
    file = write(tmp_path / "x.csv", "study_id,candidate", [("7", REFERENCES["a"])])
    assert float(scored(file, "--references", str(path))[0]["bleu_4"]) == pytest.approx(1)


def test_a_data_set_brings_references_and_the_ceiling_of_the_phantom(tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", "id,candidate", [(f"phantom-20000{number:02}", TRAIN[0]) for number in range(20)])
    rows = {row["row"]: row for row in scored(file, "--data", "phantom", "--split", "test")}
    assert float(rows["ceiling: phantom's own writer"]["clinical_f1"]) > 0.99
    assert rows["x.csv"]["section"] == "findings" and "best constant report" in rows


def test_two_files_are_compared_on_the_same_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = pairs_file(tmp_path / "mine.csv")
    other = write(tmp_path / "other.csv", "id,candidate", [(name, "The lungs are clear.") for name in REFERENCES])
    rows = scored(mine, "--against", str(other))
    assert [row["row"] for row in rows[:2]] == ["mine.csv", "other.csv"]
    with (tmp_path / "out/paired_mine.csv").open() as file:
        (bleu_4,) = [row for row in csv.DictReader(file) if row["score"] == "bleu_4"]
    assert float(bleu_4["value"]) == pytest.approx(float(rows[0]["bleu_4"]) - float(rows[1]["bleu_4"]))
    assert "mine.csv minus other.csv" in capsys.readouterr().out
    short = write(tmp_path / "short.csv", "id,candidate", [("a", "The lungs are clear.")])
    assert "has no candidate for 3 of 4 studies (b, c, d)" in error(capsys, str(mine), "--against", str(short))
    assert "is the file that is scored" in error(capsys, str(mine), "--against", str(mine))


def test_what_is_left_over_on_either_side_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = write(tmp_path / "ref.csv", "id,reference", [*REFERENCES.items(), ("e", "Edema."), ("f", " ")])
    file = write(tmp_path / "x.csv", "id,candidate", [*CANDIDATES.items(), ("f", "Edema."), ("z", "Edema.")])
    (model, *_) = scored(file, "--references", str(references))
    said = capsys.readouterr().err
    assert model["num_reports"] == "4" and "1 candidates have no reference in ref.csv" in said and "(z)" in said
    assert "1 studies have a blank reference" in said and "1 of 6 references of ref.csv have no candidate (e)" in said
    assert "(z)" in model["warnings"]


def test_the_columns_that_were_found_are_named_where_one_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = write(tmp_path / "x.csv", "id,words", [("a", "b")])
    assert "no column holds the generated reports; found: id, words" in error(capsys, str(nobody))
    alone = candidates_file(tmp_path / "y.csv")
    assert "give --references FILE" in error(capsys, str(alone))
    semicolons = tmp_path / "z.csv"
    semicolons.write_text("id;candidate;reference\na;b;c\n")
    assert "found: id;candidate;reference" in error(capsys, str(semicolons))
    two = write(tmp_path / "two.csv", "id,prediction,generated,reference", [("a", "b", "c", "d")])
    assert "which column is meant, prediction, generated?" in error(capsys, str(two))


def test_ids_that_do_not_fit_are_shown_from_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "x.csv", "id,candidate", [("1", "b")])
    text = error(capsys, str(file), "--references", str(annotation(tmp_path / "annotation.json")))
    assert "none of its 1 ids (1) is among the 9 of annotation.json (train-0" in text
    twice = write(tmp_path / "y.csv", "id,candidate,reference", [("1", "b", "c"), ("1", "d", "e")])
    assert "the id 1 stands there twice" in error(capsys, str(twice))
    assert "no such file" in error(capsys, str(tmp_path / "none.csv"))


def test_no_input_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, other = pairs_file(tmp_path / "a.csv"), pairs_file(tmp_path / "scores_a.csv")
    before = other.read_bytes()
    text = error(capsys, str(mine), "--against", str(other), "--out", str(tmp_path))
    assert "scores_a.csv" in text and other.read_bytes() == before
    (tmp_path / "file").write_text("")
    assert "give another folder with --out" in error(capsys, str(mine), "--out", str(tmp_path / "file"))


def test_rare_words_of_references_are_unknown_to_r2gen_protocols_where_training_reports_are_given(
    tmp_path: Path,
) -> None:
    train = write(tmp_path / "train.csv", "report", [(text,) for text in TRAIN])
    mine = pairs_file(tmp_path / "mine.csv")
    alone = scored(mine, "--protocol", "r2gen-iu")
    beside = scored(mine, "--protocol", "r2gen-iu", "--train", str(train))
    assert float(beside[0]["bleu_1"]) < float(alone[0]["bleu_1"])


def test_references_that_are_not_english_get_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    german = "Kein Pneumothorax. Kein Infiltrat. Herz nicht vergrößert, keine Stauung der Lunge."
    rows = [(str(number), german, german) for number in range(4)]
    scored(write(tmp_path / "x.csv", "id,candidate,reference", rows))
    assert capsys.readouterr().err.count("most reports are not English") == 1


def test_without_a_finding_in_any_reference_label_f1_is_a_dash_and_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    normal = ["The lungs are clear.", "The heart is normal.", "No effusion.", "No pneumothorax."]
    other = write(tmp_path / "y.csv", "id,candidate", [(text, "Edema.") for text in normal])
    file = write(tmp_path / "x.csv", "id,candidate,reference", [(text, text, text) for text in normal])
    model, *_ = scored(file, "--against", str(other), "--train", str(file))
    assert (model["clinical_f1"], model["clinical_f1_low"], float(model["rouge_l"])) == ("", "", 1)
    shown = capsys.readouterr()
    (line,) = [line for line in shown.out.splitlines() if line.startswith("label F1  ")]
    assert line.split() == ["label", "F1", "-", "-", "-"] and "label F1" not in shown.err


def test_torch_is_not_imported(tmp_path: Path) -> None:
    flags = [str(pairs_file(tmp_path / "mine.csv")), "--out", str(tmp_path / "out")]
    program = (
        "import sys\n"
        "from xr2text_core import score\n"
        f"code = score.main({flags!r})\n"
        "assert code == 0 and not {'torch', 'transformers', 'radeval', 'matplotlib'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_published_reports_that_are_four_for_everybody_look_like_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reports that CvT2DistilGPT2's authors released for IU X-Ray, against R2Gen's references."""
    file = SHARED_DATA / "iu-predictions" / "cvt2distilgpt2.csv"
    references = SHARED_DATA / "iu-xray" / "r2gen" / "annotation.json"
    if not (file.exists() and references.exists()):
        pytest.skip(f"the published reports are not at {file}")
    assert score.main([str(file), "--references", str(references), "--out", str(tmp_path)]) == 0
    with (tmp_path / "scores_cvt2distilgpt2.csv").open() as table:
        model = next(csv.DictReader(table))
    assert float(model["bleu_4"]) == pytest.approx(0.1758, abs=5e-5)
    assert float(model["rouge_l"]) == pytest.approx(0.3752, abs=5e-5)
    assert float(model["cider"]) == pytest.approx(0.690, abs=5e-4)
    assert (model["distinct_reports"], float(model["clinical_f1"])) == ("4", 0)
    assert "only 4 distinct reports for 590 studies" in capsys.readouterr().err
