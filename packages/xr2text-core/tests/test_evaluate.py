"""A checkpoint is scored beside what needs no model, and a report can be had for any image."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xr2text_core import evaluate, gallery, generate
from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.study import DatasetError
from xr2text_core.drawing.names import draw_image
from xr2text_core.inference import evaluation, scoring
from xr2text_core.inference.comparison import mean_features, same_studies_for, studies_to_score
from xr2text_core.inference.desk import Desk, report_from
from xr2text_core.inference.reports import reports_for
from xr2text_core.inference.trained import load_model
from xr2text_core.metrics.outcome import CURVES
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.labeler import label_report
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS
from xr2text_core.run.checkpoint import load_checkpoint, save_checkpoint
from xr2text_core.run.console import set_up_console
from xr2text_core.run.errors import UserError
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

CHECKPOINT = "checkpoints/best_model.pt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that was trained for a moment."""
    folder = tmp_path_factory.mktemp("run")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "1", "--max-tokens", "20"]
    assert Trainer(settings_of(parse_arguments([*flags, "--out", str(folder)]))).fit() == 0
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def score(folder: Path, *flags: str) -> tuple[int, list[dict[str, str]]]:
    code = evaluate.main(["--checkpoint", str(folder / CHECKPOINT), "--out", str(folder / "scores"), *flags])
    return code, read(folder / "scores" / f"scores_best_model_test{part_of(flags)}.csv")


def part_of(flags: tuple[str, ...]) -> str:
    """What the names of files say of `--num-studies`."""
    return f"_first_{flags[flags.index('--num-studies') + 1]}" if "--num-studies" in flags else ""


def test_the_table_carries_trivial_rows_beside_the_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = score(run, "--num-studies", "6", "--beams", "2")
    assert code == 0
    names = [row["row"] for row in rows]
    assert names[0] == "best_model.pt"
    assert {"images shuffled among studies", "best constant report", "random training report"} <= set(names)
    assert {row["protocol"] for row in rows} == {"clean-full"} and {row["section"] for row in rows} == {"findings"}
    shown = capsys.readouterr()
    assert "best constant report" in shown.out and "published" not in shown.out
    assert "warning: best_model.pt: " in shown.err  # it was trained for a moment only


def test_the_nearest_neighbour_row_speaks_as_the_most_similar_training_image(run: Path) -> None:
    flags = ["--split", "train", "--num-studies", "6", "--beams", "1"]
    code = evaluate.main(["--checkpoint", str(run / CHECKPOINT), "--out", str(run / "scores"), *flags])
    rows = {row["row"]: row for row in read(run / "scores" / "scores_best_model_train_first_6.csv")}
    assert code == 0 and float(rows["nearest of 24 train images"]["bleu_4"]) == pytest.approx(1)  # each finds itself
    _, rows_without = score(run, "--num-studies", "4", "--beams", "1", "--neighbours", "0")
    assert not any(row["row"].startswith("nearest") for row in rows_without)
    _, rows_of_half = score(run, "--num-studies", "4", "--beams", "1", "--neighbours", "13")
    assert any(row["row"] == "nearest of 12 train images" for row in rows_of_half)


def test_a_run_with_a_desk_is_scored_against_what_was_drawn(tmp_path: Path) -> None:
    flags = ["--desk", "--num-studies", "16", "--val-studies", "4", "--image-size", "64", "--epochs", "1"]
    assert Trainer(settings_of(parse_arguments([*flags, "--max-tokens", "20", "--out", str(tmp_path)]))).fit() == 0
    code, rows = score(tmp_path, "--num-studies", "40", "--beams", "1")
    by_name = {row["row"]: row for row in rows}
    assert code == 0
    ceiling = by_name["ceiling: phantom's own writer"]
    assert float(ceiling["invented_comparisons"]) == 0 and float(ceiling["clinical_f1"]) == pytest.approx(1)
    assert float(by_name["random training report"]["invented_comparisons"]) > 0
    assert "last report copied, else the constant" in by_name
    measured = {row["name"]: row for row in read(tmp_path / "scores/scores_best_model_test_first_40_reading.csv")}
    shares = ("changes worded right", "changes right, last report copied", "denials that the question asks for")
    assert all(0 <= float(measured[name]["value"]) <= 1 and measured[name]["truth"] == "drawn" for name in shares)
    assert "AUC of what only the lateral film shows" in measured


def test_two_checkpoints_are_compared_on_the_same_studies(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(run / "checkpoints/final_model.pt")
    code, rows = score(run, "--num-studies", "6", "--beams", "1", "--against", other, "--published")
    assert code == 0
    assert [row["row"] for row in rows[:2]] == ["best_model.pt", "final_model.pt"] and rows[1]["bleu_4_high"]
    (bleu_4,) = [row for row in read(run / "scores/paired_best_model_test_first_6.csv") if row["score"] == "bleu_4"]
    assert float(bleu_4["value"]) == 0 and float(bleu_4["p_value"]) == 1  # one epoch: best and final are the same
    shown = capsys.readouterr().out
    assert "best_model.pt minus final_model.pt" in shown and "ORGAN" in shown


def test_a_checkpoint_that_learned_the_scored_studies_is_not_compared(run: Path) -> None:
    trained = load_model(run / CHECKPOINT)
    scored = studies_to_score(trained, "train", 4, "", "clean-full")
    elsewhere = replace(scored, dataset=replace(scored.dataset, studies=()))  # a split in which nobody learned them
    with pytest.raises(DatasetError, match=r"other\.pt was trained on 4 of the 4 scored studies"):
        same_studies_for(trained, Path("other.pt"), trained, elsewhere, "")


def test_a_checkpoint_of_another_section_is_not_compared(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load_checkpoint(run / CHECKPOINT)
    found.settings["section"] = "impression"
    save_checkpoint(tmp_path / "other.pt", found)
    code, _ = score(run, "--num-studies", "4", "--beams", "1", "--against", str(tmp_path / "other.pt"))
    assert code == 2
    assert "was trained with --section impression, the other checkpoint with findings" in capsys.readouterr().err


def test_reports_and_findings_go_to_files_of_their_own(run: Path) -> None:
    score(run, "--num-studies", "4", "--beams", "1", "--save-reports", "--neighbours", "0")
    reports = read(run / "scores/reports_best_model_test_first_4.csv")
    assert len(reports) == 4 and all(row["reference"] for row in reports)
    findings = read(run / "scores/scores_best_model_test_first_4_findings.csv")
    assert {row["finding"] for row in findings} == set(FINDINGS) and findings[0]["protocol"] == "clean-full"


def test_the_scores_of_a_few_studies_are_not_written_over_those_of_the_whole_split(run: Path) -> None:
    score(run, "--beams", "1", "--neighbours", "0")
    whole = {path: path.read_bytes() for path in (run / "scores").glob("*_test.csv")}
    assert run / "scores/scores_best_model_test.csv" in whole
    score(run, "--num-studies", "3", "--beams", "1", "--neighbours", "0")
    assert all(path.read_bytes() == content for path, content in whole.items())


def test_the_screen_of_an_evaluation_fits_80_columns(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    score(run, "--num-studies", "3", "--beams", "1", "--neighbours", "0", "--frontier", "--published")
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("written to")]
    assert max(map(len, shown)) <= 80


def test_figures_of_the_image_head_carry_the_names_of_the_scores(run: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra figures is not installed")
    flags = ["--num-studies", "80", "--beams", "1", "--neighbours", "0", "--figures", "svg", "--frontier"]
    assert score(run, *flags)[0] == 0
    for kind in (*(kind for kind in CURVES if not kind.endswith("_mesh")), "frontier"):  # nobody coded phantoms
        assert (run / f"scores/{kind}_best_model_test_first_80.svg").read_bytes().startswith(b"<?xml"), kind
    drawn = (run / "scores/roc_best_model_test_first_80.svg").read_text(encoding="utf-8")
    assert "best_model.pt, test split of phantom, 80 studies; truth: rule labels" in drawn
    table = read(run / "scores/scores_best_model_test_first_80_reading.csv")
    values = {row["finding"]: float(row["value"]) for row in table if row["name"] == "finding AUC"}
    panels = re.findall(r"<!-- ([a-z ]+) \(n = \d+\) -->.*?<!-- AUC ([\d.]+) -->", drawn, re.DOTALL)
    assert panels
    assert all(f"{values[finding]:.2f}" == number for finding, number in panels)


def test_figures_without_scikit_learn_are_refused_before_the_work(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xr2text_core.evaluate.find_spec", lambda name: None)
    assert evaluate.main(["--checkpoint", str(run / CHECKPOINT), "--figures"]) == 2
    assert "--figures needs scikit-learn: `pip install scikit-learn`" in capsys.readouterr().err


def test_r2gen_protocols_keep_only_words_of_the_training_reports(run: Path) -> None:
    _, rows = score(run, "--num-studies", "20", "--beams", "1", "--protocol", "r2gen-mimic", "--neighbours", "0")
    _, whole = score(run, "--num-studies", "20", "--beams", "1", "--neighbours", "0")
    assert float(rows[-1]["bleu_1"]) < float(whole[-1]["bleu_1"])  # the ceiling says rare words, which became <unk>


def test_the_phantoms_own_writer_is_the_ceiling(run: Path) -> None:
    _, rows = score(run, "--num-studies", "20", "--beams", "1")
    ceiling = next(row for row in rows if row["row"].startswith("ceiling"))
    assert float(ceiling["clinical_f1"]) > 0.99
    assert all(float(ceiling["bleu_4"]) > float(row["bleu_4"]) for row in rows if row is not ceiling)


def test_the_model_keeps_its_mode_even_where_the_evaluation_ends_early(
    tiny_model: XR2TextModel, batches: BatchMaker, tokenizer: ReportTokenizer
) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    for is_training in (True, False):
        tiny_model.train(is_training)
        assert evaluation.evaluate(tiny_model, tokenizer, batches, 4, "clean-full")
        assert tiny_model.training == is_training
        assert evaluation.evaluate(tiny_model, tokenizer, batches, 4, "clean-full", stop=lambda: True) is None
        assert tiny_model.training == is_training
        with pytest.raises(KeyboardInterrupt):
            evaluation.evaluate(tiny_model, tokenizer, batches, 4, "clean-full", stop=interrupt)
        assert tiny_model.training == is_training


def test_a_missing_checkpoint_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--checkpoint", str(tmp_path / "none.pt")]) == 2
    assert "none.pt: no such checkpoint" in capsys.readouterr().err


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(draw_image(f"phantom:5/{number}", 128)).save(folder / f"{number}.png")
    return folder


def test_a_report_is_printed_for_an_image(run: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(images / "0.png"), "--checkpoint", str(run / CHECKPOINT), "--beams", "1"]) == 0
    captured = capsys.readouterr()
    assert "not a medical device" in captured.err


def test_a_folder_gives_a_report_and_a_picture_for_each_image(
    run: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.png").write_bytes(b"not an image")
    flags = ["--checkpoint", str(run / CHECKPOINT), "--attention", str(tmp_path / "seen.png")]
    assert generate.main([str(images), *flags]) == 2  # one could not be read
    captured = capsys.readouterr()
    assert captured.out.count(".png: ") == 2 and "broken.png" in captured.err
    pictures = [np.asarray(Image.open(tmp_path / f"seen_00{number}.png")) for number in (1, 2)]
    assert all(picture.std() > 1 for picture in pictures)


def test_a_finding_that_is_known_is_written_and_one_that_is_denied_is_not(
    run: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--checkpoint", str(run / CHECKPOINT), "--with", "Pleural-Effusion", "--with", "edema=absent"]
    assert generate.main([str(images / "0.png"), *flags, "--without", "cardiomegaly"]) == 0
    captured = capsys.readouterr()
    said = label_report(captured.out).present
    assert "pleural effusion" in said and not said & {"edema", "cardiomegaly"}
    assert "findings: pleural effusion 100%" in captured.err and "not written:" in captured.err


def test_a_more_sensitive_model_writes_more_findings(
    run: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = []
    for sensitivity in ("0.1", "8"):
        flags = ["--checkpoint", str(run / CHECKPOINT), "--sensitivity", sensitivity]
        assert generate.main([str(images), *flags]) == 0
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("findings:")]
        counts.append(sum(line.split("|")[0].count("%") for line in lines))
    assert counts[0] < counts[1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--with", "plural efusion"], "did you mean: pleural effusion"),
        (["--with", "edema=maybe"], "a finding is present or absent"),
        (["--sensitivity", "0"], "--sensitivity"),
    ],
)
def test_a_finding_or_a_sensitivity_that_makes_no_sense_is_refused_by_name(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        generate.main(["film.png", *flags])
    assert words in capsys.readouterr().err


def test_more_films_than_a_model_sees_are_one_clear_error(
    run: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--study", "--checkpoint", str(run / CHECKPOINT)]
    assert generate.main([str(images / "0.png"), str(images / "1.png"), *flags]) == 2
    assert "--study has 2 films" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["0.png", "--indication", "Cough."], "reads no indication: leave --indication out"),
        (["0.png", "--prior-image", "1.png"], "reads no last study: leave --prior-image out"),
        (["0.png", "--prior-report", "The lungs are clear."], "--prior-report belongs to the film of the last study"),
        (["0.png", "--prior-days", "3"], "--prior-days belongs to the film of the last study: add --prior-image"),
        (["0.png", "1.png", "--indication", "Cough."], "found 2 studies"),
        (["0.png", "--prior-image", "."], "--prior-image .: a folder; give one film"),
        (["0.png", "--prior-image", "nowhere"], "--prior-image nowhere: no such file"),
        (["--study", "0.png", "0.png"], "--study has the same film twice"),
        (["--study", "0.png", "1.png"], "give no more, the frontal one first"),
        (["0.png", "--attention", "picture.txt"], "--attention picture.txt: the name must end in .png, .pdf, .svg"),
        (["0.png", "--attention", "nowhere/a.pdf"], "there is no folder nowhere"),
    ],
)
def test_what_a_model_does_not_read_or_is_not_of_one_study_is_refused(
    run: Path, images: Path, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [str(images / flag) if flag.endswith(".png") else flag for flag in flags]
    assert generate.main([*named, "--checkpoint", str(run / CHECKPOINT)]) == 2
    assert words in capsys.readouterr().err


@pytest.fixture(scope="module")
def desk_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that reads all of a desk, trained for a moment."""
    folder = tmp_path_factory.mktemp("desk")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "1", "--max-tokens", "20"]
    read = ["--desk", "--views", "all", "--indication", "--prior"]
    assert Trainer(settings_of(parse_arguments([*flags, *read, "--out", str(folder)]))).fit() == 0
    return folder


def test_all_that_lies_on_a_desk_can_be_given(
    desk_run: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "last.txt"
    report.write_text("FINDINGS: The lungs are clear.\nIMPRESSION: Normal chest.")
    model = ["--checkpoint", str(desk_run / CHECKPOINT), "--beams", "1"]
    prior = ["--prior-image", str(images / "1.png"), "--prior-report", str(report), "--prior-days", "12"]
    films = [str(images / "0.png"), str(images / "1.png")]
    asked = ["--indication", "Cough."]
    for flags in ([films[0]], films, [films[0], *asked], [films[0], *prior], ["--study", *films, *prior, *asked]):
        assert generate.main([*flags, *model]) == 0
    assert "error" not in capsys.readouterr().err
    assert generate.main([films[0], *model, "--prior-image", str(tmp_path / "none.png")]) == 2
    assert "none.png" in capsys.readouterr().err
    assert generate.main([films[0], *model, *prior[:2], "--prior-report", "lost.txt"]) == 2
    assert "--prior-report lost.txt: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "section", "expected"),
    [
        ("The lungs are clear.", "findings", "The lungs are clear."),
        ("FINDINGS: The lungs are clear.\nIMPRESSION: Normal.", "impression", "Normal."),
        ("The lungs are clear.", "impression", "The lungs are clear."),
        ("CHF/edema", "findings", "CHF/edema"),
        ("", "findings", ""),
    ],
)
def test_a_prior_report_is_the_section_that_the_model_reads(given: str, section: str, expected: str) -> None:
    assert report_from(given, section) == expected


NO_REPORTS = {  # name: its contents, if there is such a file, and what is said of it
    "lost.txt": (None, "no such file"),
    "my last report.txt": (None, "no such file"),
    "./reports/lost": (None, "no such file"),
    "last report of march 2.txt": (None, "no such file"),
    "reports/dr. smith/last.txt": (None, "no such file"),
    "C:\\Users\\My Name\\my old last report.txt": (None, "no such file"),
    "folder": (None, "a folder"),
    "empty.txt": (b" \n", "the file is empty"),
    "film.png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "the file is no text"),
    "noise.txt": (bytes(range(256)), "the file is no text"),
    "model.pt": (bytes(2**20 + 1), "longer than any report"),
}


@pytest.mark.parametrize("name", NO_REPORTS)
def test_a_prior_report_that_is_no_file_of_a_report_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, words = NO_REPORTS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"--prior-report {name}: ") + f".*{words}"):
        report_from(name, "findings")


def test_a_long_report_is_taken_as_text() -> None:
    report = "The lungs are clear. " * 500
    assert report_from(report, "findings") == report.strip()


def test_a_folder_is_refused_where_phantoms_are_drawn(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--checkpoint", str(run / CHECKPOINT), "--root", str(tmp_path)]
    assert gallery.main([*flags, "--out", str(tmp_path / "page.html")]) == 2
    assert f"--root {tmp_path}: phantoms are drawn and lie in no folder" in capsys.readouterr().err
    assert evaluate.main(flags) == 2
    assert "lie in no folder" in capsys.readouterr().err


def test_a_question_reaches_the_report_of_its_study_alone(desk_run: Path, images: Path) -> None:
    trained = load_model(desk_run / CHECKPOINT)
    film = [draw_image("phantom:5/0", 64)]
    with_question = Desk(indication="Cough and fever.").texts(trained).inputs
    assert (with_question["question_ids"] >= 0).all() and not (with_question["prior_report_ids"] >= 0).any()
    assert Desk().texts(trained).inputs == {}
    one, three = (reports_for(trained, [film] * count, 1) for count in (1, 3))
    assert one.reports * 3 == three.reports


def test_no_image_at_all_is_one_clear_error(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(tmp_path), "--checkpoint", str(run / CHECKPOINT)]) == 2
    assert "no images in" in capsys.readouterr().err


def test_what_spoils_scores_is_a_warning_in_training_beside_the_scores_and_in_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = leaking_manifest(tmp_path / "films")
    flags = ["--data", "manifest", "--root", str(root), "--preset", "phantom", "--image-size", "64", "--epochs", "1"]
    train = Trainer(settings_of(parse_arguments([*flags, "--max-tokens", "20", "--out", str(tmp_path)])))
    set_up_console()
    assert train.fit() == 0
    assert "[WARNING] manifest: LEAK: 1 patient is in more than one" in capsys.readouterr().out
    code, rows = score(tmp_path, "--beams", "1")
    assert code == 0
    assert {row["warnings"].partition(";")[0] for row in rows} == {
        "LEAK: 1 patient is in more than one of the given splits"
    }
    assert "warning: LEAK: 1 patient is" in capsys.readouterr().err


def leaking_manifest(root: Path) -> Path:
    """Six studies, of which one of training and one of test belong to the same patient."""
    root.mkdir()
    rows = ["image,report,patient_id,split"]
    for number, split in enumerate(("train", "train", "train", "val", "test", "test")):
        Image.fromarray(draw_image(f"phantom:0/{number}", 64)).save(root / f"{number}.png")
        rows.append(f"{number}.png,No pleural effusion {number}.,p{number % 5},{split}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def test_the_loss_of_many_studies_is_that_of_a_few_at_a_time(
    tiny_model: XR2TextModel, batches: BatchMaker, tokenizer: ReportTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "LOSS_AT_ONCE", 4)
    batch, sizes = batches.plain(range(7)), []
    model = tiny_model.eval()
    expected = float(model(pixel_values=batch.images, labels=batch.tokens).token_loss_sum.detach())
    model.lm_head.register_forward_hook(lambda _, inputs, logits: sizes.append(len(logits)))
    loss, reports, _ = evaluation.evaluate_batch(model, tokenizer, batch, max_tokens=1, num_beams=1)
    assert loss == pytest.approx(expected, rel=1e-5) and len(reports) == 7
    tokens = (batch.tokens >= 0).sum(1)
    assert sizes == [int(tokens[:4].sum()), int(tokens[4:].sum()), 7]  # tokens; the last one writes


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_trained_model_writes_in_the_precision_of_its_training_where_it_is_computed_in_hardware(
    run: Path, precision: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load_model(run / CHECKPOINT)
    trained = replace(trained, settings=replace(trained.settings, precision=precision), device=torch.device("cpu"))
    for has_bf16 in (False, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=has_bf16: {"amx_bf16": found})
        assert trained.autocast()._enabled is (has_bf16 and precision == "bf16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    on_gpu = replace(trained, device=torch.device("cuda")).autocast()
    assert (on_gpu._enabled, on_gpu.fast_dtype) == (True, dtype)


@pytest.mark.parametrize("use", ["evaluate", "generate", "features"])
def test_every_use_of_a_trained_model_computes_in_the_precision_of_its_training(
    run: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    trained = load_model(run / CHECKPOINT)
    trained.model.cpu()
    trained = replace(trained, settings=replace(trained.settings, precision="bf16"), device=torch.device("cpu"))
    dtypes: set[torch.dtype] = set()
    for part in (trained.model.encoder.images, trained.model.lm_head):
        part.register_forward_hook(lambda _, inputs, output: dtypes.add(output.dtype))
    batches = trained.batches(trained.dataset().split("val"))
    uses: dict[str, Callable[[], object]] = {
        "evaluate": lambda: scoring._written(trained, batches, "clean-full", 1),
        "generate": lambda: reports_for(trained, [[draw_image("phantom:0/0", 64)]], 1),
        "features": lambda: mean_features(trained, batches),
    }
    uses[use]()
    assert dtypes == {torch.bfloat16}
