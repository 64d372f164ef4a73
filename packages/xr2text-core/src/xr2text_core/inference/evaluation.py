"""Scores a model on studies: loss, written reports and their scores, in any number of processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from tqdm.auto import tqdm

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.inference.composer import Composer
from xr2text_core.inference.reading import Reading, pen_of, write_as
from xr2text_core.machine.memory import ADVICE, OutOfMemory, if_it_fits
from xr2text_core.machine.processes import ALONE, Processes
from xr2text_core.metrics.scores import Scores, score_reports
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.writing.generation import write_reports
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer

EVALUATION_BATCH = 64  # reports written at once
LOSS_AT_ONCE = 8  # studies encoded, and their losses computed, at once


@dataclass(frozen=True)
class Evaluation:
    """loss is the token cross-entropy in nats; one candidate per reference, in the same order.

    `drafts` are what the decoder wrote by itself; `reading` is None for a model that decides no findings first.
    """

    loss: float
    candidates: list[str]
    references: list[str]
    scores: Scores
    drafts: list[str]
    reading: Reading | None = None


def evaluate(
    model: XR2TextModel,
    tokenizer: ReportTokenizer,
    batches: BatchMaker,
    max_tokens: int,
    protocol: str,
    num_beams: int = 1,
    progress: bool = False,
    stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    composer: Composer | None = None,
) -> Evaluation | None:
    """Loss, generated reports and scores over all studies of `batches`; None when `stop` returned True.

    With the `composer` of the model the reports are those of its pen, without one they are the decoder's.

    Ranks share the work and get the same result. The model keeps its mode, train or eval.
    """
    studies = batches.studies
    # References of about the same length share a batch, so that the loss wastes little padding.
    by_length = sorted(range(len(studies)), key=lambda index: len(studies.tokens[index]))
    size = EVALUATION_BATCH
    mine = processes.share([by_length[start : start + size] for start in range(0, len(by_length), size)])
    with eval_mode(model):
        parts = processes.gather(write_all(model, tokenizer, batches, mine, max_tokens, num_beams, progress, stop))
    written = [part for part in parts if part is not None]
    if len(written) < len(parts):
        return None
    reports = {index: report for part in written for index, report in part.reports.items()}
    drafts = [reports.get(index, "") for index in range(len(studies))]  # a study whose image was lost gets none
    loss = sum(part.loss_sum for part in written) / max(1, sum(part.num_tokens for part in written))
    reading = _joined([part for each in written for part in each.read], len(studies))
    candidates = drafts
    if reading is not None and composer is not None:
        candidates = write_as(pen_of(model), drafts, reading, composer)
    scores = score_reports(candidates, studies.references, protocol)
    return Evaluation(loss, candidates, studies.references, scores, drafts, reading)


def _joined(read: Sequence[tuple[Sequence[int], Reading]], num_studies: int) -> Reading | None:
    """All studies in order; None where nothing was read."""
    rows = [row for part, _ in read for row in part]
    return Reading.joined([part for _, part in read], rows, num_studies) if read else None


@dataclass
class WrittenReports:
    """What one rank wrote, by the index of a study, what it read, and the summed loss (nats) of the references."""

    reports: dict[int, str] = field(default_factory=dict)
    read: list[tuple[Sequence[int], Reading]] = field(default_factory=list)
    loss_sum: float = 0.0
    num_tokens: int = 0


def write_all(
    model: XR2TextModel,
    tokenizer: ReportTokenizer,
    batches: BatchMaker,
    groups: Sequence[Sequence[int]],
    max_tokens: int,
    num_beams: int,
    progress: bool,
    stop: Callable[[], bool],
) -> WrittenReports | None:
    """Loss and reports of groups of studies; a group that does not fit into memory is halved."""
    torch.cuda.empty_cache()  # the allocator's blocks fit the sizes of training, and a GPU may not hold both
    written, waiting = WrittenReports(), deque(groups)
    total, is_silent = sum(map(len, groups)), None if progress else True
    with tqdm(total=total, desc="Generating reports", unit="report", disable=is_silent, leave=False) as bar:
        while waiting:
            if stop():
                return None
            indices = waiting.popleft()
            batch = batches.plain(indices)
            if not len(batch):  # every image of it was lost
                continue
            result = if_it_fits(partial(evaluate_batch, model, tokenizer, batch, max_tokens, num_beams))
            if result is None:
                if len(indices) == 1:
                    raise OutOfMemory(f"out of memory with a batch of one report: {ADVICE}")
                torch.cuda.empty_cache()
                waiting.extendleft([indices[len(indices) // 2 :], indices[: len(indices) // 2]])
                continue
            loss_sum, reports, read = result
            written.loss_sum += loss_sum
            written.num_tokens += batch.num_tokens
            written.reports.update(zip(batch.studies, reports, strict=True))
            written.read += [(batch.studies, read)] if read else []
            bar.update(len(indices))
    return written


def evaluate_batch(
    model: XR2TextModel, tokenizer: ReportTokenizer, batch: Batch, max_tokens: int, num_beams: int
) -> tuple[float, list[str], Reading | None]:
    """Loss (summed over tokens), generated reports and findings of a batch, encoded once for all.

    All but the writing takes a few studies at a time: many would need, and fragment, more GPU memory than training.
    """
    encoded, losses = [], []
    with torch.no_grad():
        for part in batch.parts(LOSS_AT_ONCE):
            seen = model.get_encoder()(**part.inputs)
            losses.append(model(encoder_outputs=seen, labels=part.tokens, num_labels=part.num_tokens).token_loss_sum)
            encoded.append(seen)
        loss = float(torch.stack(losses).sum())
    read = [found for part in encoded if (found := Reading.of(model, part))]
    reading = Reading.joined(read, range(len(batch)), len(batch)) if read else None
    return loss, write_reports(model, tokenizer, _together(encoded), max_tokens, num_beams), reading


def _together(parts: Sequence[VisualOutput]) -> VisualOutput:
    """What the decoder attends to in all parts of a batch."""
    masks = [part.attention_mask for part in parts if part.attention_mask is not None]
    memory = torch.cat([part[0] for part in parts])
    return VisualOutput(memory, attention_mask=torch.cat(masks) if masks else None)


@contextmanager
def eval_mode(model: XR2TextModel) -> Iterator[None]:
    """Eval mode inside the block, restored even after an error."""
    was_training = model.training
    model.train(False)
    try:
        yield
    finally:
        model.train(was_training)
