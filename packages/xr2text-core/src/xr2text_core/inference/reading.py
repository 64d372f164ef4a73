"""What a model reads in studies, and the reports that say so.

N studies, F findings, K reports of the bank. A study whose images were lost has NaN logits, and no finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.batches import finding_targets
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.inference.composer import Composer, ReportBank
from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.changes.comparisons import CHANGES
from xr2text_core.report.changes.wording import GONE
from xr2text_core.report.editing import edited
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS

NO_LAST_STUDY = -1
PENS = ("decoder", "edited", "composed")  # who writes; StudyHead.pen is a place in this list


@dataclass(frozen=True)
class Reading:
    """Of whole studies: logits and calibrated probabilities (N, F), which findings are to be written, bool (N, F), the
    weights that the films give to the reports of the bank (N, K), and what became of each finding since the last study
    (N, F): NO_LAST_STUDY without one, 0 nothing, else 1 + the place in CHANGES."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    decided: NDArray[np.bool_]
    wording: NDArray[np.float32]
    became: NDArray[np.int8]

    @classmethod
    def of(cls, model: XR2TextModel, seen: VisualOutput) -> "Reading | None":
        """What the study head read in encoded images; None for a model without one."""
        study = model.encoder.study
        if study is None or seen.thumbnails is None or seen.finding_logits is None:
            return None
        logits, decision = seen.finding_logits[:, -1].float(), study.decision
        found = (
            logits,
            decision.probability(logits),
            decision.decide(logits),
            study.thumbnails.wording(seen.thumbnails),
            _became(seen, logits),
        )
        return cls(*(each.detach().cpu().numpy() for each in found))

    @classmethod
    def joined(cls, parts: Sequence["Reading"], rows: Sequence[int], num_studies: int) -> "Reading":
        """Parts whose rows, one after the other, belong at these places among so many studies."""
        whole = []
        for values in zip(*(vars(part).values() for part in parts), strict=True):
            stacked = np.concatenate(values)
            fill = np.nan if np.issubdtype(stacked.dtype, np.floating) else 0
            placed = np.full((num_studies, *stacked.shape[1:]), fill, stacked.dtype)
            placed[list(rows)] = stacked
            whole.append(placed)
        return cls(*whole)

    def changes(self, row: int) -> dict[str, str] | None:
        """What became of the findings of a study, as far as it agrees with what is decided; None without a last one."""
        if (self.became[row] == NO_LAST_STUDY).all():
            return None
        told = zip(FINDINGS, self.became[row], self.decided[row], strict=True)
        worded = ((finding, CHANGES[code - 1], is_there) for finding, code, is_there in told if code > 0)
        return {finding: change for finding, change, is_there in worded if is_there != (change == GONE)}

    def corrected(self, findings: Mapping[str, bool]) -> "Reading":
        """The same where somebody knows better: these findings are there, or are not."""
        probabilities, decided = self.probabilities.copy(), self.decided.copy()
        for finding, is_there in findings.items():
            column = FINDINGS.index(finding)
            probabilities[:, column], decided[:, column] = float(is_there), is_there
        return replace(self, probabilities=probabilities, decided=decided)


def _became(seen: VisualOutput, logits: Tensor) -> Tensor:
    nothing = torch.full_like(logits, NO_LAST_STUDY, dtype=torch.int8)
    if seen.change_logits is None or seen.is_compared is None:
        return nothing
    return seen.change_logits.argmax(2).to(torch.int8).where(seen.is_compared[:, None], nothing)


def write_as(pen: str, drafts: Sequence[str], reading: Reading, composer: Composer) -> list[str]:
    """The reports of one pen: the decoder's drafts, those edited to say what was decided, or composed ones.

    `edited` keeps a draft that says exactly what was decided as it is. A study that was not read gets no
    report. Of a model that reads the last study, both say what became of the findings.
    """
    if pen == "decoder":
        return list(drafts)
    if pen == "composed":
        probabilities, wording = np.nan_to_num(reading.probabilities), np.nan_to_num(reading.wording)
        texts = composer.write(reading.decided, probabilities, wording)
        texts = ["" if np.isnan(logits).any() else text for text, logits in zip(texts, reading.logits, strict=True)]
    else:
        pairs = ((draft, named(decided)) for draft, decided in zip(drafts, reading.decided, strict=True))
        texts = [
            draft if label_report(draft).present == wanted else edited(draft, wanted, composer.bank.phrases)
            for draft, wanted in pairs
        ]
    if composer.bank.changes is None:
        return texts
    return [
        _with_changes(text, named(decided), reading.changes(row), composer.bank)
        for row, (text, decided) in enumerate(zip(texts, reading.decided, strict=True))
    ]


def _with_changes(text: str, wanted: frozenset[str], became: Mapping[str, str] | None, bank: ReportBank) -> str:
    """The report with what became of findings. One that goes with its comparison is asserted again; a report that
    would say less than before is left as it is.
    """
    assert bank.changes is not None
    written = bank.changes.write(text, became)
    if text and (not written or label_report(written).present != wanted):
        written = bank.changes.write(edited(written, wanted, bank.phrases), became)
    is_good = bool(written) and label_report(written).present == label_report(text).present
    return written if is_good else text


def named(decided: NDArray[np.bool_]) -> frozenset[str]:
    """The names of the findings that are True, (F,)."""
    return frozenset(finding for finding, is_there in zip(FINDINGS, decided, strict=True) if is_there)


def pen_of(model: XR2TextModel) -> str:
    """Who writes; of a model that decides no findings first always the decoder."""
    return PENS[0 if model.encoder.study is None else int(model.encoder.study.pen)]


def present(studies: ReadyStudies) -> NDArray[np.bool_]:
    """Which findings each report asserts, (N, F)."""
    return np.array([finding_targets(labels)[-1] == 1 for labels in studies.labels])
