"""What the readers share: tables, texts, views, finding image files, and turning records into a Dataset."""

import csv
import gzip
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.images.formats import IMAGE_SUFFIXES
from xr2text_core.data.splits import assign_splits
from xr2text_core.data.study import Dataset, DatasetError, LeftOut, Study
from xr2text_core.report.report import Report

VIEW_ORDER = {"PA": 0, "AP": 0, "unknown": 1, "lateral": 2}  # images of a study: frontal ones first

_MARK = re.compile(r"[-/]?(?:X{3,}|_{3,})[-/]?")
_PUNCTUATION_RUN = re.compile(r"([,;:.])(?:\s*[,;:.])+")


@dataclass(frozen=True)
class Record:
    """A study as read from its source, before empty reports are excluded and splits assigned."""

    study_id: str
    images: tuple[tuple[str, str], ...]  # (absolute path, view)
    findings: str
    impression: str
    patient_id: str
    split: str = ""  # one of SPLITS, or "" if the source has none


class Folders:
    """Checks whether files exist, with one listing per folder instead of one call per file."""

    def __init__(self) -> None:
        self._listings: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - strings, for speed
            except OSError:
                self._listings[folder] = frozenset()
        return name in self._listings[folder]


def image_files(root: Path) -> dict[str, str]:
    """Return every image below `root` by its file name (the first in alphabetical order of folders wins)."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES):
                found.setdefault(name, os.path.join(folder, name))  # noqa: PTH118 - strings, for speed
    return found


def find_file(root: Path, name: str) -> Path | None:
    """Return the file `name` (also with .gz) in `root` or one of its direct sub-folders."""
    for pattern in (name, f"{name}.gz", f"*/{name}", f"*/{name}.gz"):
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                return path
    return None


def read_table(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Yield (line number, row by column name) of a CSV file, gzip included; None for a row of wrong length.

    Column names are lower case. Raises DatasetError when the file is not UTF-8 text or lacks a needed column.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            rows = csv.reader(file)
            header = [name.strip().lower() for name in next(rows, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                raise DatasetError(
                    f"{path}: the header has no column {', '.join(missing)}; found: {', '.join(header) or 'nothing'}. "
                    "Columns are separated by commas"
                )
            for cells in rows:
                while len(cells) > len(header) and not cells[-1]:
                    cells.pop()  # spreadsheets pad rows with empty cells
                if cells:
                    is_whole = len(cells) == len(header)
                    yield rows.line_num, dict(zip(header, cells, strict=True)) if is_whole else None
    except (UnicodeDecodeError, csv.Error, OSError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read as a CSV file in UTF-8: {error}. Save it as UTF-8 CSV") from error


def clean_text(text: str) -> str:
    """Return the text on one line without de-identification marks (XXXX, ___); "" when no letter is left."""
    if "XXX" in text or "___" in text:
        text = _MARK.sub(" ", text)
        text = re.sub(r"\(\s*\)", " ", text)
        text = re.sub(r"\s+([,;:.)])", r"\1", text)
        text = _PUNCTUATION_RUN.sub(lambda run: "." if "." in run.group() else run.group(1), text)
        text = re.sub(r"^[\s,;:.]+", "", text)
    text = " ".join(text.split())
    return text if any(map(str.isalpha, text)) and text.lower() != "nan" else ""


def view_name(word: str) -> str:
    """Return "PA", "AP", "lateral" or "unknown" for a source's name of the projection ("AP SUPINE", "LL", ...)."""
    words = word.upper().replace("_", " ").replace("-", " ").split()
    if not words:
        return "unknown"
    if words[0] in ("PA", "AP"):
        return words[0]
    return "lateral" if {"LATERAL", "LAT", "LL", "L"} & set(words) else "unknown"


def dataset_of(
    name: str, root: Path, records: Iterable[Record], left_out: LeftOut, notes: Sequence[str] = (), layout: str = ""
) -> Dataset:
    """Exclude records without text or images, order images, assign splits. DatasetError if nothing is left."""
    usable = [record for record in records if _is_usable(record, left_out)]
    if not usable:
        why = "; ".join(left_out.lines()) or "no rows were found"
        raise DatasetError(f"no usable study in {root}: {why}. {layout}".strip())
    split_of, split_notes = assign_splits((record.patient_id, record.split) for record in usable)
    studies = tuple(_study(record, split_of[record.patient_id, record.split]) for record in usable)
    return Dataset(name, str(root), studies, left_out, (*notes, *split_notes))


def _is_usable(record: Record, left_out: LeftOut) -> bool:
    if not record.images:
        left_out.add("study without any image", record.study_id)
        return False
    if not (record.findings or record.impression):
        left_out.add("the report is empty", record.study_id)
        return False
    return True


def _study(record: Record, split: str) -> Study:
    images = record.images
    if len(images) > 1:
        images = tuple(sorted(dict(images).items(), key=lambda image: VIEW_ORDER[image[1]]))
    paths, views = zip(*images, strict=True)
    return Study(record.study_id, paths, views, Report(record.findings, record.impression), record.patient_id, split)
