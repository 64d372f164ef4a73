"""Reads reports to be scored and what they are compared with: CSV tables, R2Gen's annotation.json, or a data set.

Texts are taken as they stand. Columns are found by their usual names, whatever their case and spelling: `Study ID` is
`study_id`, `Ground Truth` is a reference.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.readers.tables import read_table
from xr2text_core.data.splits import split_name
from xr2text_core.data.study import DatasetError
from xr2text_core.report.report import Report
from xr2text_core.settings.settings import Settings

ID = ("id", "study_id", "uid", "dicom_id", "image_id", "report_id", "sample_id", "study", "image", "filename")
CANDIDATE = (
    "candidate", "candidates", "prediction", "predictions", "predicted", "predicted_report", "pred", "generated",
    "generated_report", "generated_text", "hypothesis", "hypotheses", "hyp", "model_output", "output",
)  # fmt: skip
REFERENCE = (
    "reference", "references", "reference_report", "ref", "ground_truth", "ground_truth_report", "gt", "target",
    "truth", "true_report", "gold", "original_report",
)  # fmt: skip
TEXT = ("report", "report_text", "text")  # whose it is follows from the other columns

Row = dict[str, str]


@dataclass(frozen=True)
class KnownReports:
    """Reports of radiologists: text and split ("" where none is given) by id; phantoms also have the image by id."""

    name: str  # of the file or the data set
    texts: dict[str, str]
    section: str = ""  # that was taken of the reports; "" for texts as they stand
    splits: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # of the data set
    without_prior: frozenset[str] = frozenset()  # ids of studies that are known to have no prior study

    def split(self, name: str) -> list[str]:
        """The texts of a split that are not blank."""
        return [text for each, text in self.texts.items() if self.splits.get(each) == name and text.strip()]


@dataclass(frozen=True)
class Candidates:
    """Generated reports by id, and the references that stand beside them, if any do."""

    path: Path
    texts: dict[str, str]
    references: KnownReports | None


def read_candidates(path: Path) -> Candidates:
    """Read generated reports; DatasetError where the table has no such column, no rows, or one id twice."""
    rows = _rows(path)
    columns = list(rows[0])
    candidate = _find(path, columns, CANDIDATE)
    # Beside a column of candidates, "report" is the radiologist's.
    references = (*REFERENCE, *TEXT) if candidate else REFERENCE
    candidate = candidate or _find(path, columns, TEXT)
    if candidate is None:
        raise _missing(path, columns, "the generated reports", CANDIDATE)
    reference, id_column = _find(path, columns, references), _find(path, columns, ID)
    if id_column is None and reference is None:
        raise _missing(path, columns, "the ids, by which references are found", ID)
    ids = _ids(rows, id_column)
    texts = _by_id(path, zip(ids, (row[candidate] for row in rows), strict=True), is_twice_fine=False)
    if reference is None:
        return Candidates(path, texts, None)
    return Candidates(
        path, texts, KnownReports(path.name, dict(zip(ids, (row[reference] for row in rows), strict=True)))
    )


def read_known(path: Path, section: str, wanted: Collection[str] = ()) -> KnownReports:
    """Read references or training reports from a CSV or an annotation.json; DatasetError.

    A CSV has a column of references or reports, or findings and impression, of which `section` is taken. `wanted` are
    the ids of the candidates: an annotation.json knows its reports by image and by study.
    """
    if path.suffix.lower() == ".json":
        return _read_annotation(path, wanted)
    rows = _rows(path)
    columns = list(rows[0])
    text = _find(path, columns, REFERENCE) or _find(path, columns, TEXT)
    if text is None and not {"findings", "impression"} & set(columns):
        raise _missing(path, columns, "the references", (*REFERENCE[:1], *TEXT[:1], "findings", "impression"))
    ids = _ids(rows, _find(path, columns, ID))
    texts = [
        row[text] if text else Report(row.get("findings", ""), row.get("impression", "")).section(section)
        for row in rows
    ]
    splits = {name: split_name(row.get("split", "")) or "" for name, row in zip(ids, rows, strict=True)}
    return KnownReports(path.name, _by_id(path, zip(ids, texts, strict=True)), "" if text else section, splits)


def read_known_dataset(name: str, root: str, section: str) -> KnownReports:
    """The reports of a data set as it is trained on: one section, without the marks of removed text. DatasetError."""
    defaults = Settings()  # the phantom of a run without flags
    dataset = read_dataset(name, root, defaults.num_studies, defaults.seed)
    studies = dataset.studies
    return KnownReports(
        name,
        {study.study_id: study.report.section(section) for study in studies},
        section,
        {study.study_id: study.split for study in studies},
        {study.study_id: study.frontal for study in studies} if name == "phantom" else {},
        dataset.warnings,
        frozenset(study.study_id for study in studies if study.prior is None),
    )


def _read_annotation(path: Path, wanted: Collection[str]) -> KnownReports:
    try:
        content = json.loads(path.read_text("utf-8"))
        entries = [(str(entry.get("split") or split), entry) for split, part in content.items() for entry in part]
        by_study = {str(entry.get("study_id", "")) for _, entry in entries}.intersection(wanted)
        key = "study_id" if by_study else "id"
        texts = _by_id(path, ((str(entry[key]), str(entry["report"])) for _, entry in entries))
        return KnownReports(
            path.name, texts, "", {str(entry[key]): split_name(split) or "" for split, entry in entries}
        )
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{path} is not an R2Gen annotation file: {type(error).__name__}: {error}. "
            "Expected: {train, val, test: [{id, report}, ...]}"
        ) from error


def _rows(path: Path) -> list[Row]:
    """The rows of a table, of which none may be broken: a study left out changes every score."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    rows = []
    for line, row in read_table(path, ()):
        if not isinstance(row, dict):
            reason = row or "the row has more or fewer cells than the header"
            raise DatasetError(f"{path}, line {line}: {reason}. Columns are separated by commas, texts are in quotes")
        rows.append(row)
    if not rows:
        raise DatasetError(f"{path}: no rows were found below the header")
    return rows


def _ids(rows: Sequence[Row], column: str | None) -> list[str]:
    """The ids in a column; without one, the numbers of the rows from 1."""
    return [row[column].strip() if column else str(number) for number, row in enumerate(rows, start=1)]


def _by_id(path: Path, reports: Iterable[tuple[str, str]], is_twice_fine: bool = True) -> dict[str, str]:
    """Texts by id; an id may stand twice where several images share one report, never with two reports."""
    texts: dict[str, str] = {}
    for name, text in reports:
        if not name:
            raise DatasetError(f"{path}: a row has no id; fill the column, every study needs its own")
        if name in texts and not (is_twice_fine and texts[name] == text):
            raise DatasetError(f"{path}: the id {name} stands there twice; each study has one report")
        texts[name] = text
    return texts


def _find(path: Path, columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has one of these names; the first of `names` wins, and of other texts there may be only one."""
    known = [_plain(name) for name in names]
    found = sorted((known.index(_plain(column)), column) for column in columns if _plain(column) in known)
    if len(found) > 1 and found[0][0] > 0 and names is not ID:
        several = ", ".join(column for _, column in found)
        raise DatasetError(f"{path}: which column is meant, {several}? Rename it to {names[0]}")
    return found[0][1] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _missing(path: Path, columns: Sequence[str], what: str, names: Sequence[str]) -> DatasetError:
    return DatasetError(
        f"{path}: no column holds {what}; found: {', '.join(columns)}. Name it {names[0]} "
        f"({', '.join(names[1:4])} will do too); columns are separated by commas"
    )
