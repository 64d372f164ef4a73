"""The validation of an epoch: fit what is decided on validation studies, then write and score their reports."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from xr2text_core.data.batches import Batch
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.inference.evaluation import Evaluation, eval_mode, evaluate
from xr2text_core.inference.reading import PENS, present, write_as
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.machine.memory import ADVICE, OutOfMemory, if_it_fits
from xr2text_core.metrics.clinical_f1 import present_findings
from xr2text_core.metrics.findings.auc import finding_auc
from xr2text_core.metrics.scores import Scores, score_reports
from xr2text_core.model.decision import FEWEST
from xr2text_core.model.study_head import StudyHead
from xr2text_core.training.parts import Parts

SHARES = (0.0, 0.25, 0.5, 1.0)  # of the thumbnails' logits beside the network's
AT_ONCE = 16
Row = tuple[int, NDArray[np.float32], NDArray[np.float32]]  # a study, the logits of its head and of its thumbnails


def score_split(parts: Parts, protocol: str, split: str, num_beams: int) -> Evaluation:
    """Scores of the current weights on a split, with the thresholds and the pen of the last validation."""
    batches = parts.val_batches
    if split != "val":
        trained = TrainedModel(parts.model, parts.data.tokenizer, parts.settings, parts.accelerator.device)
        batches = trained.batches(parts.data.dataset.split(split))
    with parts.accelerator.autocast():
        evaluation = evaluate(
            parts.model, parts.data.tokenizer, batches, parts.settings.max_tokens, protocol, num_beams,
            composer=parts.composer,
        )  # fmt: skip
    assert evaluation is not None  # it was given no `stop`
    return evaluation


def validate(
    parts: Parts, protocol: str, progress: bool = True, stop: Callable[[], bool] = lambda: False
) -> Evaluation | None:
    """Decide thresholds, share of the thumbnails and pen on the validation studies; their scores, None if stopped."""
    study = parts.model.encoder.study
    with parts.accelerator.autocast():
        if study is not None and not _fit(parts, study, stop):
            return None
        evaluation = evaluate(
            parts.model, parts.data.tokenizer, parts.val_batches, parts.settings.max_tokens, protocol,
            progress=progress, stop=stop, processes=parts.processes,
        )  # fmt: skip
    if evaluation is None or evaluation.reading is None or study is None:
        return evaluation
    return _with_best_pen(parts, study, evaluation, protocol)


def _fit(parts: Parts, study: StudyHead, stop: Callable[[], bool]) -> bool:
    """Fit the decision to what the head reads in the validation studies; False when stopped."""
    truth = present(parts.val_batches.studies)
    mine = parts.processes.share(list(range(len(truth))))
    share_before = study.thumbnails.share.clone()
    study.thumbnails.share.zero_()
    read: list[Row] = []
    torch.cuda.empty_cache()  # as before the reports: a GPU may not hold the allocator's blocks of training too
    with eval_mode(parts.model), torch.no_grad():
        for start in range(0, len(mine), AT_ONCE):
            if stop():
                break
            read += _read(parts, study, mine[start : start + AT_ONCE])
    study.thumbnails.share.copy_(share_before)  # who stops now saves a checkpoint
    gathered = parts.processes.gather((read, bool(stop())))
    if any(is_stopped for _, is_stopped in gathered):
        return False
    if not any(each for each, _ in gathered):  # every image was lost
        return True
    rows, head, extra = zip(*(row for each, _ in gathered for row in each), strict=True)
    head_logits, extra_logits = np.stack(head).astype(np.float64), np.stack(extra).astype(np.float64)
    is_finite = np.isfinite(head_logits).all(1)
    if not is_finite.any():  # the weights have exploded; Progress.judge keeps them from being saved
        return True
    head_logits, extra_logits, truth = head_logits[is_finite], extra_logits[is_finite], truth[list(rows)][is_finite]
    share = max(SHARES, key=lambda each: (_macro(head_logits + each * extra_logits, truth), -each))
    study.thumbnails.share.fill_(share)
    study.decision.fit(head_logits + share * extra_logits, truth)
    return True


def _read(parts: Parts, study: StudyHead, indices: Sequence[int]) -> list[Row]:
    """What is read in these studies; half of them at a time where all do not fit into memory."""
    batch = parts.val_batches.plain(indices)
    if not len(batch):  # every image of it was lost
        return []
    read = if_it_fits(partial(_read_batch, parts, study, batch))
    if read is not None:
        return read
    if len(indices) == 1:
        raise OutOfMemory(f"out of memory with a batch of one study: {ADVICE}")
    torch.cuda.empty_cache()
    half = len(indices) // 2
    return [*_read(parts, study, indices[:half]), *_read(parts, study, indices[half:])]


def _read_batch(parts: Parts, study: StudyHead, batch: Batch) -> list[Row]:
    seen = parts.model.encoder(**batch.inputs)
    logits = seen.finding_logits[:, -1], study.thumbnails.logits(seen.thumbnails)
    return list(zip(batch.studies, *(each.float().cpu().numpy() for each in logits), strict=True))


def _macro(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Macro AUC; 0 where no finding is common enough."""
    return float(np.nan_to_num(finding_auc(logits, truth, min_positives=FEWEST, num_resamples=1).macro.value))


def reading_columns(evaluation: Evaluation, studies: ReadyStudies) -> dict[str, float]:
    """The columns of the history that tell the eye from the pen; NaN for a model that decides no findings first."""
    names = ("finding_auc", "finding_auc_se", "says_what_it_saw")
    reading = evaluation.reading
    if reading is None:
        return dict.fromkeys(names, np.nan)
    is_read = np.isfinite(reading.logits).all(1)
    if not is_read.any():
        return dict.fromkeys(names, np.nan)
    auc = finding_auc(reading.logits[is_read], present(studies)[is_read], min_positives=FEWEST)
    said = present_findings(evaluation.candidates)
    exact = float((said == reading.decided).all(1)[is_read].mean())
    return dict(zip(names, (auc.macro.value, auc.standard_error, exact), strict=True))


def _with_best_pen(parts: Parts, study: StudyHead, evaluation: Evaluation, protocol: str) -> Evaluation:
    """The evaluation with the reports of the best pen, which becomes that of the model."""
    assert evaluation.reading is not None
    best = evaluation
    study.pen.zero_()  # the evaluation is of the decoder's own reports
    for number, pen in enumerate(PENS[1:], start=1):
        texts = write_as(pen, evaluation.drafts, evaluation.reading, parts.composer)
        scored = replace(evaluation, candidates=texts, scores=score_reports(texts, evaluation.references, protocol))
        if _worth(scored.scores) > _worth(best.scores):
            best = scored
            study.pen.fill_(number)
    return best


def _worth(scores: Scores) -> float:
    """Words and findings count alike."""
    return scores.bleu_4 + scores.rouge_l + float(np.nan_to_num(scores.clinical_f1))
