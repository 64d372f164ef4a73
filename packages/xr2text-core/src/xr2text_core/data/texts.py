"""What a model reads beside the films of a study: texts as token ids, and what the last report says of findings."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from xr2text_core.data.ragged import Ragged
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.report.statements import UNKNOWN
from xr2text_core.report.tokenizer import IGNORED


@dataclass(frozen=True)
class Texts:
    """Of B studies: token ids (B, T), padded with `IGNORED`, which is all that a study without the text has.

    None for a model that takes no such text.
    """

    question: Tensor | None = None
    prior_report: Tensor | None = None
    prior_days: Tensor | None = None  # (B,), NaN where nobody knows
    prior_findings: Tensor | None = None  # (B, F), places in STATEMENTS: what the last report says of each finding

    def part(self, rows: slice) -> "Texts":
        """Those of some studies, as long as before: padding changes nothing."""
        return Texts(*(None if each is None else each[rows] for each in vars(self).values()))

    def to(self, device: torch.device) -> "Texts":
        return Texts(*(None if each is None else each.to(device) for each in vars(self).values()))

    @property
    def inputs(self) -> dict[str, Tensor]:
        """As keyword arguments of the model."""
        named = {
            "question_ids": self.question, "prior_report_ids": self.prior_report, "prior_days": self.prior_days,
            "prior_findings": self.prior_findings,
        }  # fmt: skip
        return {name: each for name, each in named.items() if each is not None}


NO_TEXTS = Texts()


class Hidden(NamedTuple):
    """The studies, by index, whose question or whose last study a model does not see."""

    questions: Container[int] = ()
    priors: Container[int] = ()


NOTHING = Hidden()


def texts_of(studies: ReadyStudies, indices: Sequence[int], hidden: Hidden = NOTHING) -> Texts:
    """Of some studies, without what is hidden."""
    question = report = days = findings = None
    if studies.questions is not None:
        question = _shown(studies.questions, indices, hidden.questions)
    if studies.priors is not None:
        report = _shown(studies.priors.reports, indices, hidden.priors)
        shown = [np.nan if index in hidden.priors else studies.priors.days[index] for index in indices]
        days = torch.tensor(shown, dtype=torch.float32)
        is_hidden = torch.tensor([index in hidden.priors for index in indices], dtype=torch.bool)
        findings = torch.from_numpy(studies.priors.findings[list(indices)]).long()
        findings = findings.masked_fill(is_hidden[:, None], UNKNOWN)
    return Texts(question, report, days, findings)


def _shown(texts: Ragged, indices: Sequence[int], hidden: Container[int]) -> Tensor:
    return padded([[] if index in hidden else texts[index] for index in indices])


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as (B, T), padded with `IGNORED`."""
    longest = max((len(sequence) for sequence in sequences), default=0)
    rows = [[*sequence, *[IGNORED] * (longest - len(sequence))] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.int64).view(len(rows), longest)
