"""A validation fits what is decided, chooses who writes, and survives weights that have exploded."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.inference.reading import PENS, pen_of, write_as
from xr2text_core.metrics.scores import score_reports
from xr2text_core.model.study_head import StudyHead
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training import validation
from xr2text_core.training.parts import Parts
from xr2text_core.training.trainer import PROTOCOL, Trainer
from xr2text_core.training.validation import reading_columns, validate

FLAGS = ["--num-studies", "24", "--val-studies", "12", "--image-size", "64", "--epochs", "1", "--max-tokens", "24"]


@pytest.fixture
def run(tmp_path: Path) -> Trainer:
    """A run before its first step."""
    return Trainer(settings_of(parse_arguments([*FLAGS, "--batch", "8", "--out", str(tmp_path)])))


def test_the_pen_is_that_of_the_best_words_and_findings_on_validation_studies(run: Trainer) -> None:
    found = validate(run.parts, PROTOCOL)
    assert found is not None and found.reading is not None
    worths = []
    for pen in PENS:
        scores = score_reports(
            write_as(pen, found.drafts, found.reading, run.parts.composer), found.references, PROTOCOL
        )
        worths.append(scores.bleu_4 + scores.rouge_l + scores.clinical_f1)
    assert pen_of(run.model) == PENS[int(np.argmax(worths))]
    again = run.evaluate()
    assert again.candidates == found.candidates and again.scores == found.scores


def test_thresholds_are_those_of_the_validation_studies(run: Trainer) -> None:
    found = validate(run.parts, PROTOCOL)
    assert found is not None and found.reading is not None and run.model.encoder.study is not None
    decision = run.model.encoder.study.decision
    asked = float(decision.sensitivity) * decision.prevalence.numpy()
    assert np.abs(found.reading.decided.mean(0) - asked).max() <= 1 / 12
    columns = reading_columns(found, run.data.val)
    assert 0 <= columns["says_what_it_saw"] <= 1


def test_exploded_weights_change_no_threshold_and_end_no_validation(run: Trainer) -> None:
    assert validate(run.parts, PROTOCOL) is not None
    study = run.model.encoder.study
    assert study is not None
    before = {name: tensor.clone() for name, tensor in study.decision.state_dict().items()}
    study.thumbnails.share.fill_(0.25)
    with torch.no_grad():
        study.films.findings[0].bias.fill_(torch.nan)  # type: ignore[union-attr, operator]
    found = validate(run.parts, PROTOCOL)
    assert found is not None and len(found.candidates) == 12
    assert all(torch.equal(tensor, before[name]) for name, tensor in study.decision.state_dict().items())
    assert float(study.thumbnails.share) == 0.25
    assert validate(run.parts, PROTOCOL, stop=lambda: True) is None and float(study.thumbnails.share) == 0.25
    assert np.isnan(list(reading_columns(found, run.data.val).values())).all()


def test_a_validation_whose_images_are_all_lost_ends_no_run(run: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run.parts.val_batches.plain
    monkeypatch.setattr(BatchMaker, "plain", lambda self, indices: whole([]))
    found = validate(run.parts, PROTOCOL)
    assert found is not None and found.candidates == [""] * 12
    assert np.isnan(list(reading_columns(found, run.data.val).values())).all()


def test_a_validation_that_does_not_fit_into_memory_reads_fewer_studies_at_once(
    run: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, whole, sizes = run.model.encoder.study, validation._read_batch, list[int]()
    assert study is not None
    assert validate(run.parts, PROTOCOL) is not None
    before = {name: tensor.clone() for name, tensor in study.state_dict().items()}

    def small(parts: Parts, study: StudyHead, batch: Batch) -> list[validation.Row]:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(parts, study, batch)

    monkeypatch.setattr(validation, "_read_batch", small)
    assert validate(run.parts, PROTOCOL) is not None
    assert sizes == [12, 6, 3, 3, 6, 3, 3]
    for name, tensor in study.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=1e-4, atol=1e-4)


def test_a_choice_of_the_auc_against_the_score_is_logged(run: Trainer, caplog: pytest.LogCaptureFixture) -> None:
    progress, logged = run.progress, run.run_log
    logging.getLogger("xr2text_core").propagate = True
    with caplog.at_level(logging.INFO, logger="xr2text_core.train"):
        for epoch, (score, auc) in enumerate([(0.55, 0.70), (0.50, 0.78), (0.60, 0.74)], start=1):
            progress.epoch, before = epoch, progress.best
            logged.choice(before, score, progress.count_score(score, auc, 0.02), progress)
    first, second = [message for message in caplog.messages if "standard error" in message]
    assert first.startswith("Epoch 2 replaces epoch 1 as the best although its score is lower (0.5000, was 0.5500)")
    assert second.startswith("Epoch 3 has a higher score (0.6000) than the best, but reads the image worse")
