"""Reads MIMIC-CXR in the three forms in which it is used.

Tree: mimic-cxr-2.0.0-metadata.csv(.gz), -split.csv(.gz), files/p10/p10000032/s50414267/<dicom>.jpg (.dcm where there is
no .jpg) and the reports files/p10/p10000032/s50414267.txt. R2Gen: annotation.json and images/. Parquet: rows of image,
findings, impression.
"""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xr2text_core.data.priors import Place, is_time
from xr2text_core.data.readers import mimic_parquet, r2gen, record_index
from xr2text_core.data.readers.files import Folders, find_file
from xr2text_core.data.readers.records import Record, dataset_of
from xr2text_core.data.readers.tables import read_table
from xr2text_core.data.readers.texts import clean_indication, clean_text, decoded
from xr2text_core.data.readers.views import view_name
from xr2text_core.data.splits import split_name
from xr2text_core.data.study import Dataset, DatasetError, LeftOut
from xr2text_core.report.report import Report
from xr2text_core.report.sections import read_with_indication

logger = logging.getLogger(__name__)

METADATA, SPLIT = "mimic-cxr-2.0.0-metadata.csv", "mimic-cxr-2.0.0-split.csv"
REPORT_FOLDERS = (
    "files",
    "mimic-cxr-reports/files",
    "reports/files",
    "mimic-cxr/files",
    "mimic-cxr-reports",
    "reports",
)
IMAGE_FOLDERS = ("files", "mimic-cxr-jpg/files", "images/files", "images", "")
IMAGE_ENDINGS = (".jpg", ".dcm")  # in order of preference: MIMIC-CXR-JPG, MIMIC-CXR
LAYOUT = (
    f"Expected one of: {METADATA}(.gz) and {SPLIT}(.gz) with files/p10/p10000032/s50414267/*.jpg (or .dcm) and the "
    "reports files/p10/p10000032/s50414267.txt (also in mimic-cxr-reports/files/); annotation.json + images/ (R2Gen); "
    "*.parquet with the columns image, findings, impression"
)


@dataclass
class _Rows:
    """The rows of one study."""

    subject_id: str
    splits: set[str] = field(default_factory=set)  # more than one is a leak
    views: dict[str, str] = field(default_factory=dict)  # by dicom id
    time: str = ""  # of the first film, ISO 8601


def read(root: Path) -> Dataset:
    """Read MIMIC-CXR from `root`, whichever of the three layouts it has. Raises DatasetError."""
    left_out = LeftOut()
    warnings: list[str] = []
    tables = [table for table in (find_file(root, METADATA), find_file(root, SPLIT)) if table is not None]
    annotation = find_file(root, r2gen.FILE_NAME)
    if tables:
        records = _jpg_tree_or_index(tables, left_out)
    elif annotation is not None:
        records = r2gen.read_annotation(annotation, left_out)
    elif parquet_files := mimic_parquet.find(root):
        records = mimic_parquet.read_rows(root, parquet_files, left_out)
        warnings = [mimic_parquet.WARNING]
    else:
        raise DatasetError(f"{root}: no MIMIC-CXR data set was found there. {LAYOUT}")
    return dataset_of("mimic-cxr", root, records, left_out, LAYOUT, warnings=warnings)


def _jpg_tree_or_index(tables: Sequence[Path], left_out: LeftOut) -> list[Record]:
    """Read the tree, or the index of an earlier reading that found every file.

    Delete the index (xr2text_index.bin) after editing reports. Images that vanished are noticed by the image cache.
    """
    root = tables[0].parent
    stamps = record_index.stamps_of(tables)
    records = record_index.load_records(root, stamps)
    if records is None:
        records = _jpg_tree(tables, left_out)
        if not left_out.counts:
            record_index.save_records(root, stamps, records)
    return records


def _jpg_tree(tables: Sequence[Path], left_out: LeftOut) -> list[Record]:
    root = tables[0].parent.absolute()
    studies = _studies(tables, left_out)
    logger.info("reading the reports of %d studies in %s", len(studies), root)  # a minute for 200,000 on a slow disk
    folders = Folders()
    report_stems = [_folder(*study) for study in studies.items()]
    image_stems = [stem for study in studies.items() for stem in _image_stems(*study)]
    reports = _base(root, REPORT_FOLDERS, report_stems, (".txt",), folders, "report")
    images = _base(root, IMAGE_FOLDERS, image_stems, IMAGE_ENDINGS, folders, "image")
    records: list[Record] = []
    for study_id, rows in studies.items():
        record = _record(study_id, rows, images, reports, folders, left_out)
        if record is not None:
            records += [replace(record, split=split) for split in sorted(rows.splits) or [""]]
    return records


def _studies(tables: Iterable[Path], left_out: LeftOut) -> dict[str, _Rows]:
    """Join the tables: images with views from the metadata, splits from the split table. One of them is enough."""
    studies: dict[str, _Rows] = {}
    for table in tables:
        for line, row in read_table(table, needed=("dicom_id", "subject_id", "study_id")):
            split = None if isinstance(row, str) else split_name(row.get("split", ""))
            if isinstance(row, str) or split is None:
                left_out.add("broken row", f"{table.name} row {line}")
                continue
            study = studies.setdefault(row["study_id"], _Rows(row["subject_id"]))
            study.views.setdefault(row["dicom_id"], view_name(row.get("viewposition", "")))
            study.splits |= {split} - {""}
            study.time = min(filter(None, (study.time, _time(row))), default="")
    return studies


def _time(row: dict[str, str]) -> str:
    """Return StudyDate (21800506) and StudyTime (213014.531, its first zeros perhaps lost) as ISO 8601; "" without."""
    day, time = row.get("studydate", "").strip().partition(".")[0], row.get("studytime", "").strip()
    if not re.fullmatch(r"\d{8}", day):
        return ""
    clock, _, fraction = time.partition(".")
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if not re.fullmatch(r"\d{1,6}", clock):
        return date
    clock = clock.zfill(6)
    moment = f"{date}T{clock[:2]}:{clock[2:4]}:{clock[4:]}" + (f".{fraction[:6]}" if fraction.isdigit() else "")
    return moment if is_time(moment) else date


def _folder(study_id: str, rows: _Rows) -> str:
    return f"p{rows.subject_id[:2]}/p{rows.subject_id}/s{study_id}"


def _image_stems(study_id: str, rows: _Rows) -> list[str]:
    return [f"{_folder(study_id, rows)}/{dicom_id}" for dicom_id in rows.views]


def _base(
    root: Path, candidates: Iterable[str], stems: list[str], endings: Sequence[str], folders: Folders, what: str
) -> str:
    """Return the folder of the files, with the first ending that has any; archives unpack in several ways."""
    bases = [str(root / candidate) for candidate in candidates if next((root / candidate).glob("p1?"), None)]
    for ending in endings:
        for base in bases:
            if any(folders.has(f"{base}/{stem}{ending}") for stem in stems):
                return base
    example = f"{root}/files/{stems[0]}{endings[0]}" if stems else "any row in the tables"
    raise DatasetError(f"{root}: no {what} of the tables exists (for example {example}). {LAYOUT}")


def _record(
    study_id: str, rows: _Rows, image_base: str, report_base: str, folders: Folders, left_out: LeftOut
) -> Record | None:
    images = []
    for stem, view in zip(_image_stems(study_id, rows), rows.views.values(), strict=True):
        paths = (os.path.normpath(f"{image_base}/{stem}{ending}") for ending in IMAGE_ENDINGS)
        image = next(filter(None, map(folders.find, paths)), None)
        if image is not None:
            images.append((image, view))
        else:
            left_out.add("image is missing", f"{stem}{IMAGE_ENDINGS[0]}")
    report = _report(f"{report_base}/{_folder(study_id, rows)}.txt", folders, left_out)
    if report is None:
        return None
    texts, indication = report
    findings, impression = clean_text(texts.findings), clean_text(texts.impression)
    return Record(
        study_id,
        tuple(images),
        findings,
        impression,
        rows.subject_id,
        "",
        clean_indication(indication),
        Place(rows.time),
    )


def _report(path: str, folders: Folders, left_out: LeftOut) -> tuple[Report, str] | None:
    """Return the sections and the indication of a report file in any encoding; text without headers is findings."""
    if not folders.has(path):
        left_out.add("report file is missing", path)
        return None
    try:
        content = Path(path).read_bytes()
    except OSError:
        left_out.add("report file cannot be read", path)
        return None
    return read_with_indication(decoded(content))
