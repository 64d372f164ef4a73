"""Studies ready for training: their reports as tokens and labels."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.images.cache import ImageCache
from xr2text_core.data.ragged import Ragged
from xr2text_core.data.read_reports import Labels, read_reports
from xr2text_core.data.study import DatasetError, Study
from xr2text_core.report.tokenizer import QUESTION_TOKENS, ReportTokenizer


@dataclass(frozen=True)
class ReadyStudies:
    """Studies of one split with their reports as tokens and labels; images stay in the cache."""

    study_ids: list[str]
    images: list[tuple[str, ...]]  # the films of each, as named in the cache: the frontal one, perhaps a lateral one
    references: list[str]
    labels: Labels  # a ReportLabels per study
    tokens: Ragged  # a list of token ids per study
    questions: Ragged | None = None  # the same of indications, for a model that reads them; an empty list for none

    def __len__(self) -> int:
        return len(self.study_ids)

    @property
    def frontal(self) -> list[str]:
        """The frontal image of each study."""
        return [films[0] for films in self.images]


def usable(studies: list[Study], cache: ImageCache, section: str) -> list[Study]:
    """The studies whose frontal image could be read and whose report has text in this section."""
    return [study for study in studies if study.frontal not in cache.unreadable and study.report.section(section)]


def check_asked_for(studies: Sequence[Study], indication: bool) -> None:
    """DatasetError where no study has what the flags of a run ask for."""
    if indication and not any(study.indication for study in studies):
        raise DatasetError(
            f"--indication: none of the {len(studies)} training studies has an indication; leave the flag out, or give "
            "the data set one (docs/datasets.md)"
        )


def make_ready(
    studies: Sequence[Study],
    section: str,
    tokenizer: ReportTokenizer,
    max_tokens: int,
    folder: Path | None = None,
    views: str = "frontal",
    unreadable: Container[str] = (),
    indication: bool = False,
) -> ReadyStudies:
    """Select the section to train on, tokenize and label it; `folder` keeps the result for the next start.

    `views`: "frontal" or "all"; a lateral image that is `unreadable` is missing. `indication`: whether the model
    reads it.
    """
    references = [study.report.section(section) for study in studies]
    read = read_reports(references, tokenizer, max_tokens, folder)
    return ReadyStudies(
        study_ids=[study.study_id for study in studies],
        images=[tuple(film for film in study.films(views) if film not in unreadable) for study in studies],
        references=references,
        labels=read.labels,
        tokens=read.tokens,
        questions=_questions(studies, tokenizer) if indication else None,
    )


def _questions(studies: Sequence[Study], tokenizer: ReportTokenizer) -> Ragged:
    return Ragged.of(tokenizer.encode_if_any([study.indication for study in studies], QUESTION_TOKENS))
