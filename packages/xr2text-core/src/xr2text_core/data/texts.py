"""What a model reads beside the films of a study, as token ids."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xr2text_core.data.ready import ReadyStudies
from xr2text_core.report.tokenizer import IGNORED, QUESTION_TOKENS, ReportTokenizer


@dataclass(frozen=True)
class Texts:
    """Of B studies: token ids (B, T), padded with `IGNORED`, which is all that a study without the text has.

    None for a model that takes no such text.
    """

    question: Tensor | None = None

    def part(self, rows: slice) -> "Texts":
        """Those of some studies, as long as before: padding changes nothing."""
        return Texts(*(None if each is None else each[rows] for each in vars(self).values()))

    def to(self, device: torch.device) -> "Texts":
        return Texts(*(None if each is None else each.to(device) for each in vars(self).values()))

    @property
    def inputs(self) -> dict[str, Tensor]:
        """As keyword arguments of the model."""
        named = {"question_ids": self.question}
        return {name: each for name, each in named.items() if each is not None}


NO_TEXTS = Texts()


def texts_of(studies: ReadyStudies, indices: Sequence[int], hidden: Container[int] = ()) -> Texts:
    """Of some studies; the questions of those in `hidden` are not shown."""
    questions = studies.questions
    if questions is None:
        return NO_TEXTS
    return Texts(padded([[] if index in hidden else questions[index] for index in indices]))


def questions_of(tokenizer: ReportTokenizer, indications: Sequence[str]) -> Tensor:
    """`Texts.question` of studies with these indications; "" for none."""
    return padded(tokenizer.encode_if_any(indications, QUESTION_TOKENS))


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as (B, T), padded with `IGNORED`."""
    longest = max((len(sequence) for sequence in sequences), default=0)
    rows = [[*sequence, *[IGNORED] * (longest - len(sequence))] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.int64).view(len(rows), longest)
