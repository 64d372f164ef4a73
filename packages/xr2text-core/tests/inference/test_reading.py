"""What is decided is what is written, by every pen but the decoder's own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xr2text_core.data.batches import BatchMaker
from xr2text_core.generate import main as generate
from xr2text_core.inference.composer import Composer, ReportBank
from xr2text_core.inference.reading import NO_LAST_STUDY, PENS, Reading, named, pen_of, present, write_as
from xr2text_core.inference.reports import reports_for
from xr2text_core.inference.trained import load_model
from xr2text_core.metrics.clinical_f1 import present_findings
from xr2text_core.model.build import build_model
from xr2text_core.model.decision import NUM_STATES, PRESENT
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.changes.comparisons import CHANGES, changes, has_comparison
from xr2text_core.report.changes.wording import ChangeWording
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS
from xr2text_core.run.checkpoint import Checkpoint, save_checkpoint

NUM_STUDIES = 6


@pytest.fixture(scope="module")
def composer(batches: BatchMaker) -> Composer:
    return Composer(ReportBank.of(batches.studies.references))


@pytest.fixture
def reading(composer: Composer) -> Reading:
    """Of six studies, each with the findings of another report of the bank; the films suggest nothing."""
    decided = composer.bank.labels[:NUM_STUDIES]
    probabilities = np.where(decided, 0.9, 0.05).astype(np.float32)
    wording = np.zeros((NUM_STUDIES, len(composer.bank.texts)), np.float32)
    became = np.full(decided.shape, NO_LAST_STUDY, np.int8)
    return Reading(np.log(probabilities / (1 - probabilities)), probabilities, decided, wording, became)


@pytest.mark.parametrize("pen", ["edited", "composed"])
def test_a_pen_says_what_was_decided_and_nothing_else(pen: str, reading: Reading, composer: Composer) -> None:
    drafts = list(composer.bank.texts[::-1][:NUM_STUDIES])
    written = write_as(pen, drafts, reading, composer)
    assert (present_findings(written) == reading.decided).all()
    assert write_as("decoder", drafts, reading, composer) == drafts


def test_an_edit_keeps_a_draft_that_says_it_all_already(reading: Reading, composer: Composer) -> None:
    drafts = list(composer.bank.texts[:NUM_STUDIES])
    assert write_as("edited", drafts, reading, composer) == drafts


def test_a_finding_that_somebody_corrects_is_written_as_corrected(reading: Reading, composer: Composer) -> None:
    corrected = reading.corrected({"cardiomegaly": True, "pleural effusion": False})
    for report in write_as("composed", [""] * NUM_STUDIES, corrected, composer):
        said = named(present_findings([report])[0])
        assert "cardiomegaly" in said and "pleural effusion" not in said
    column = FINDINGS.index("cardiomegaly")
    assert (corrected.probabilities[:, column] == 1).all() and not reading.decided[:, column].all()


def test_parts_are_joined_in_the_order_of_the_studies_and_a_lost_one_is_not_a_number(reading: Reading) -> None:
    first, second = (Reading(*(values[rows] for values in vars(reading).values())) for rows in ([4, 0], [1, 5]))
    whole = Reading.joined([first, second], [4, 0, 1, 5], NUM_STUDIES)
    kept = [0, 1, 4, 5]
    assert (whole.logits[kept] == reading.logits[kept]).all() and (whole.decided[kept] == reading.decided[kept]).all()
    assert np.isnan(whole.logits[[2, 3]]).all() and not whole.decided[[2, 3]].any()


@pytest.mark.parametrize("pen", ["edited", "composed"])
def test_a_pen_says_what_became_of_findings_as_far_as_it_agrees_with_what_is_decided(
    pen: str, reading: Reading, composer: Composer
) -> None:
    changes_of_bank = ChangeWording({"new": ", which is new.", "larger": ", larger."}, {"edema": ("No edema now.", 0)})
    knowing = Composer(replace(composer.bank, changes=changes_of_bank))
    row = next(row for row in range(NUM_STUDIES) if len(named(reading.decided[row])) == 1)
    [finding] = named(reading.decided[row])
    reading.became[:] = 0
    reading.became[:, FINDINGS.index("fracture")] = 1 + CHANGES.index("new")  # but it is not decided
    reading.became[row, FINDINGS.index(finding)] = 1 + CHANGES.index("new")
    reading.became[row + 1] = NO_LAST_STUDY
    assert reading.changes(row) == {finding: "new"} and reading.changes(row + 1) is None
    drafts = [f"{text} Stable appearance since the prior study." for text in composer.bank.texts[:NUM_STUDIES]]
    written = write_as(pen, drafts, reading, knowing)
    assert changes(written[row]) == {finding: "new"} and not has_comparison(written[row + 1])
    assert (present_findings(written) == reading.decided).all()
    assert write_as("decoder", drafts, reading, knowing) == drafts


def test_a_report_that_does_nothing_but_compare_keeps_its_findings_and_is_never_empty(composer: Composer) -> None:
    wording = ChangeWording({"larger": ", increased since the prior study."}, {})
    bank = replace(composer.bank, changes=wording)
    drafts = ["Heart size remains enlarged, as before.", "No significant interval change.", "Stable."]
    decided = np.zeros((3, len(FINDINGS)), dtype=bool)
    decided[0, FINDINGS.index("cardiomegaly")] = True
    became = np.zeros(decided.shape, np.int8)
    became[0, FINDINGS.index("cardiomegaly")] = 1 + CHANGES.index("larger")
    became[1, FINDINGS.index("fracture")] = 1 + CHANGES.index("resolved")
    became[2] = NO_LAST_STUDY
    numbers = np.zeros(decided.shape, np.float32)
    reading = Reading(numbers, numbers, decided, np.zeros((3, len(bank.texts)), np.float32), became)
    written = write_as("edited", drafts, reading, Composer(bank))
    assert all(written) and (present_findings(written) == decided).all()
    assert changes(written[0]) == {"cardiomegaly": "larger"} and not has_comparison(written[2])


@torch.no_grad()
def test_what_became_of_findings_is_read_where_there_is_a_last_film(desk_model: XR2TextModel, desk: BatchMaker) -> None:
    batch = desk.plain(range(12))
    seen = desk_model.eval().encoder(**batch.inputs)
    reading = Reading.of(desk_model, seen)
    assert reading is not None and batch.is_film is not None
    has_film = batch.is_film[:, 2].numpy()
    assert 0 < has_film.sum() < 12
    assert (reading.became[~has_film] == NO_LAST_STUDY).all()
    assert (reading.became[has_film] == seen.change_logits.argmax(2).numpy()[has_film]).all()


@torch.no_grad()
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_in_mixed_precision_the_decoder_is_told_exactly_what_is_decided(
    tiny_model: XR2TextModel, batches: BatchMaker, precision: torch.dtype
) -> None:
    model, batch = tiny_model.eval(), batches.plain(range(NUM_STUDIES))
    study = model.encoder.study
    assert study is not None
    told: list[torch.Tensor] = []
    with torch.autocast("cpu", precision):
        logits = model.encoder(batch.images).finding_logits[:, -1]
        study.decision.quantiles.copy_(logits[0].float() - 1e-3)  # thresholds that neither half precision can hold
        study.states.register_forward_pre_hook(lambda _, inputs: told.append(inputs[0] % NUM_STATES))
        reading = Reading.of(model, model.encoder(batch.images))
    assert reading is not None and reading.wording.dtype == reading.logits.dtype == np.float32
    assert ((told[0] == PRESENT).numpy() == reading.decided).all() and reading.decided[0].all()


@pytest.mark.parametrize("pen", PENS)
def test_no_pen_writes_a_report_of_a_study_whose_images_were_lost(
    pen: str, reading: Reading, composer: Composer
) -> None:
    rows = list(range(1, NUM_STUDIES))
    kept = Reading(*(values[rows] for values in vars(reading).values()))
    drafts = ["", *composer.bank.texts[1:NUM_STUDIES]]
    written = write_as(pen, drafts, Reading.joined([kept], rows, NUM_STUDIES), composer)
    assert written[0] == "" and all(written[1:])


def test_a_model_of_before_findings_came_first_writes_with_its_decoder(tiny_model: XR2TextModel) -> None:
    study = tiny_model.encoder.study
    assert study is not None
    study.pen.fill_(PENS.index("composed"))
    assert pen_of(tiny_model) == "composed"
    tiny_model.encoder.study = None
    assert pen_of(tiny_model) == "decoder"


def test_a_model_of_version_0_1_has_no_composer_even_after_more_training(
    tokenizer: ReportTokenizer, composer: Composer, tmp_path: Path
) -> None:
    model = build_model("phantom", "phantom", "none", 64, 48, tokenizer, findings_first=False)
    names = ("findings_first", "teach_encoder", "num_reports", "views", "pixel_mean", "pixel_std")  # newer than 0.1
    config = {name: value for name, value in model.config.to_dict().items() if name not in names}
    checkpoint = Checkpoint(
        settings={"image_size": 64, "max_tokens": 48}, fingerprint="", config=json.dumps(config),
        tokenizer=tokenizer.to_json(), progress={}, model=model.state_dict(), optimizer={},
        bank=composer.bank.to_json(),
    )  # fmt: skip
    save_checkpoint(tmp_path / "old.pt", checkpoint)
    trained = load_model(tmp_path / "old.pt")
    assert trained.composer is None and trained.operating_point == {}
    films = [[np.zeros((64, 64), np.uint8)]]
    assert reports_for(trained, films, num_beams=1).reading is None
    (tmp_path / "film.png").write_bytes(b"not read before the flags are checked")
    assert generate([str(tmp_path / "film.png"), "--checkpoint", str(tmp_path / "old.pt"), "--with", "edema"]) == 2


def test_the_findings_of_a_study_are_those_that_its_report_asserts(batches: BatchMaker) -> None:
    assert (present(batches.studies) == present_findings(batches.studies.references)).all()
