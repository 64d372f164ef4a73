"""Scores the reports of a file beside the baselines that need no image, and beside those of a second file. No torch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.pairs import Pairs, candidates_for, pair
from xr2text_core.data.readers.texts import LABELS_DO_NOT_APPLY, are_english
from xr2text_core.data.report_files import KnownReports, read_candidates, read_known, read_known_dataset
from xr2text_core.data.study import DatasetError
from xr2text_core.inference.ceiling import ceiling_row
from xr2text_core.metrics.findings.reading import reading_measures
from xr2text_core.metrics.outcome import NO_EXTRAS, Extras, Outcome
from xr2text_core.metrics.rows import References, Row, trivial_rows

NEEDS_IMAGES = ("nearest train image (needs a checkpoint)",)


@dataclass(frozen=True)
class Sources:
    """Where reports lie: `file` has the candidates; references stand there too, or in `references`, or in a data set.

    `train` are training reports, for the baselines; a data set and an annotation.json bring their own.
    """

    file: Path
    references: Path | None = None
    data: str = ""
    root: str = ""
    split: str = ""
    section: str = "findings"
    train: Path | None = None
    against: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All that is read, and must not be written over."""
        root = [Path(self.root)] if self.root and Path(self.root).is_file() else []
        return [each for each in (self.file, self.references, self.train, self.against) if each] + root


def score_file(sources: Sources, protocol: str, extras: Extras = NO_EXTRAS) -> Outcome:
    """All scores that need neither images nor a model. Raises DatasetError."""
    candidates = read_candidates(sources.file)
    known = _known(sources, candidates.references, candidates.texts)
    pairs = pair(candidates, known, sources.split)
    train, val = _training(sources, known)
    without_prior = [name in known.without_prior for name in pairs.ids]
    references = References.beside(pairs.references, protocol, train, extras.meteor, without_prior)
    reports = _reports(sources, pairs)
    about = {"candidates": sources.file.name, "data": known.name, "split": "+".join(pairs.splits)}
    return Outcome(
        about={**about, "section": known.section, **references.about},
        models=[references.row_with_intervals(name, texts) for name, texts in reports.items()],
        others=_others(references, pairs, known, train, val),
        differences=references.paired_differences(*reports.values()) if len(reports) == 2 else {},
        unmeasured=NEEDS_IMAGES,
        clinical=extras.clinical_scores(reports, pairs.references),
        reading=reading_measures(pairs.candidates, pairs.references, [()] * len(pairs.ids)),
        notes=[*known.warnings, *_language(known, pairs), *pairs.notes, *extras.notes],
    )


def _language(known: KnownReports, pairs: Pairs) -> list[str]:
    """One warning where most references are not English, unless the data set has it already."""
    is_told = LABELS_DO_NOT_APPLY in known.warnings or are_english(pairs.references)
    return [] if is_told else [LABELS_DO_NOT_APPLY]


def _known(sources: Sources, beside: KnownReports | None, wanted: Collection[str]) -> KnownReports:
    """The references: of the file or data set that was named, else those beside the candidates."""
    if sources.data:
        return read_known_dataset(sources.data, sources.root, sources.section)
    if sources.references:
        return read_known(sources.references, sources.section, wanted)
    if beside is None:
        raise DatasetError(
            f"{sources.file}: there are no references in it; add a column reference, or give --references FILE "
            "(a CSV, or an annotation.json of R2Gen) or --data NAME --root DIR"
        )
    return beside


def _training(sources: Sources, known: KnownReports) -> tuple[list[str], list[str]]:
    """Training and validation reports; a file without splits is training reports altogether."""
    source = read_known(sources.train, sources.section) if sources.train else known
    train, val = source.split("train"), source.split("val")
    if sources.train and not train:
        train = [text for text in source.texts.values() if text.strip()]
    return train, val


def _reports(sources: Sources, pairs: Pairs) -> dict[str, list[str]]:
    """The reports that are compared by the name of their row: of one file, or of two."""
    if sources.against is None:
        return {sources.file.name: pairs.candidates}
    names = [path.name for path in (sources.file, sources.against)]
    if len(set(names)) == 1:
        names = [path.as_posix() for path in (sources.file, sources.against)]
    if len(set(names)) == 1:
        raise DatasetError(f"--against {sources.against} is the file that is scored; name another one")
    return dict(zip(names, (pairs.candidates, candidates_for(pairs, read_candidates(sources.against))), strict=True))


def _others(
    references: References, pairs: Pairs, known: KnownReports, train: Sequence[str], val: Sequence[str]
) -> list[Row]:
    rows = trivial_rows(references, pairs.candidates, train, val)
    if known.images:
        rows.append(ceiling_row(references, [known.images[name] for name in pairs.ids], known.section))
    return rows
