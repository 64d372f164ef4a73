"""Studies ready for training: their reports as tokens and labels."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from xr2text_core.data.images.cache import ImageCache
from xr2text_core.data.ragged import Ragged
from xr2text_core.data.read_reports import Labels, read_reports
from xr2text_core.data.study import DatasetError, Study
from xr2text_core.report.changes.comparisons import CHANGES, changes, without_comparisons
from xr2text_core.report.statements import finding_statements
from xr2text_core.report.tokenizer import PRIOR_TOKENS, QUESTION_TOKENS, ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS
from xr2text_core.settings.settings import Inputs

ONE_FILM = Inputs()


@dataclass(frozen=True, eq=False)
class ReadyPriors:
    """The last study of each study, and what its own report says without it."""

    is_there: NDArray[np.bool_]  # whether there is one whose film can be read
    reports: Ragged  # token ids; an empty list for none
    days: NDArray[np.float32]  # between the studies, NaN where nobody knows
    findings: NDArray[np.int8]  # (N, F), places in STATEMENTS: what its report says of each finding
    changes: NDArray[np.int8]  # (N, F), what the report says became of each finding: 0 nothing, else 1 + CHANGES' index
    alone: list[str]  # the reports of the studies without comparisons; "" where nothing else is said
    alone_tokens: Ragged  # the same as token ids; of the whole report where nothing else is said


@dataclass(frozen=True)
class ReadyStudies:
    """Studies of one split with their reports as tokens and labels; images stay in the cache."""

    study_ids: list[str]
    images: list[tuple[str, ...]]  # the films of each, as `Study.films` places them, named as in the cache
    references: list[str]
    labels: Labels  # a ReportLabels per study
    tokens: Ragged  # a list of token ids per study
    questions: Ragged | None = None  # the same of indications, for a model that reads them; an empty list for none
    priors: ReadyPriors | None = None  # for a model that reads them

    def __len__(self) -> int:
        return len(self.study_ids)

    @property
    def frontal(self) -> list[str]:
        """The frontal image of each study."""
        return [films[0] for films in self.images]

    @property
    def to_compose_from(self) -> list[str]:
        """Reports whose sentences may be written again: comparisons are true of one study alone."""
        return self.priors.alone if self.priors is not None and any(self.priors.alone) else self.references


def usable(studies: list[Study], cache: ImageCache, section: str) -> list[Study]:
    """The studies whose frontal image could be read and whose report has text in this section."""
    return [study for study in studies if study.frontal not in cache.unreadable and study.report.section(section)]


def check_asked_for(studies: Sequence[Study], inputs: Inputs) -> None:
    """DatasetError where no study has what the flags of a run ask for."""
    asked = {"indication": (inputs.indication, "an indication"), "prior": (inputs.prior, "an earlier study")}
    for name, (is_asked_for, what) in asked.items():
        if is_asked_for and not any(getattr(study, name) for study in studies):
            raise DatasetError(
                f"--{name}: none of the {len(studies)} training studies has {what}; leave the flag out, or see in "
                "docs/datasets.md how a data set gives it"
            )


def make_ready(
    studies: Sequence[Study],
    section: str,
    tokenizer: ReportTokenizer,
    max_tokens: int,
    folder: Path | None = None,
    inputs: Inputs = ONE_FILM,
    unreadable: Container[str] = (),
) -> ReadyStudies:
    """Select the section to train on, tokenize and label it; `folder` keeps the result for the next start.

    `inputs`: what the model reads; a further film that is `unreadable` is missing.
    """
    references = [study.report.section(section) for study in studies]
    read = read_reports(references, tokenizer, max_tokens, folder)
    return ReadyStudies(
        study_ids=[study.study_id for study in studies],
        images=[_readable(study, inputs, unreadable) for study in studies],
        references=references,
        labels=read.labels,
        tokens=read.tokens,
        questions=_questions(studies, tokenizer) if inputs.indication else None,
        priors=_priors(studies, section, tokenizer, max_tokens, unreadable) if inputs.prior else None,
    )


def _readable(study: Study, inputs: Inputs, unreadable: Container[str]) -> tuple[str, ...]:
    """Its films, without those that cannot be read."""
    films = [film if film not in unreadable else "" for film in study.films(inputs.views, inputs.prior)]
    while films[-1:] == [""]:
        films.pop()
    return tuple(films)


def _questions(studies: Sequence[Study], tokenizer: ReportTokenizer) -> Ragged:
    return Ragged.of(tokenizer.encode_if_any([study.indication for study in studies], QUESTION_TOKENS))


def _priors(
    studies: Sequence[Study], section: str, tokenizer: ReportTokenizer, max_tokens: int, unreadable: Container[str]
) -> ReadyPriors:
    priors = [None if study.prior and study.prior.image in unreadable else study.prior for study in studies]
    reports = [prior.report.section(section) if prior else "" for prior in priors]
    days = [prior.days if prior and prior.days is not None else np.nan for prior in priors]
    references = [study.report.section(section) for study in studies]
    read = [
        (without_comparisons(reference), _changes(reference), finding_statements(report))
        for reference, report in tqdm(
            zip(references, reports, strict=True),
            desc="Reading last reports", total=len(studies), unit="study", disable=None, leave=False,
        )
    ]  # fmt: skip
    alone = [each for each, _, _ in read]
    taught = [text or reference for text, reference in zip(alone, references, strict=True)]
    return ReadyPriors(
        is_there=np.array([prior is not None for prior in priors], dtype=bool),
        reports=Ragged.of(tokenizer.encode_if_any(reports, PRIOR_TOKENS)),
        days=np.array(days, dtype=np.float32),
        findings=np.array([said for _, _, said in read], dtype=np.int8).reshape(-1, len(FINDINGS)),
        changes=np.array([became for _, became, _ in read], dtype=np.int8).reshape(-1, len(FINDINGS)),
        alone=alone,
        alone_tokens=Ragged.of(tokenizer.encode(taught, max_tokens)),
    )


def _changes(report: str) -> list[int]:
    said = changes(report)
    return [1 + CHANGES.index(said[finding]) if finding in said else 0 for finding in FINDINGS]
