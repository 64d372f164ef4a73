"""Reads any data set that is a CSV file with one row per image.

Columns: image (path, relative to the CSV), report (or findings and impression), and optionally study_id, patient_id,
view, split, indication, history, date and prior_study_id; others are ignored. Rows that share a study_id are one study
of several images. A report with headers is cut into its sections. A large table without excluded rows gets an index
beside it (xr2text_index.bin); the image cache notices images that vanish.
"""

import os
from dataclasses import replace
from pathlib import Path

from xr2text_core.data.priors import Place
from xr2text_core.data.readers import record_index
from xr2text_core.data.readers.files import Folders
from xr2text_core.data.readers.leaks import copies_across_splits
from xr2text_core.data.readers.records import Record, dataset_of, merged
from xr2text_core.data.readers.tables import read_table
from xr2text_core.data.readers.texts import TEXT_COLUMNS, clean_text, indication_of, sections_of
from xr2text_core.data.readers.views import view_name
from xr2text_core.data.splits import split_name
from xr2text_core.data.study import Dataset, DatasetError, LeftOut

LAYOUT = (
    "Expected: a CSV file (or a folder with manifest.csv) with the columns image and report, or image, findings and "
    "impression; images relative to the CSV; optional study_id, patient_id, view, split, indication, history, date, "
    "prior_study_id"
)
FILE_NAME = "manifest.csv"
INDEXED_FROM = 20_000  # studies; fewer are read in a second


def read(root: Path) -> Dataset:
    """Read a manifest: a CSV file, or a folder that holds manifest.csv (or .csv.gz). Raises DatasetError."""
    path = root / FILE_NAME if root.is_dir() else root
    if root.is_dir() and not path.is_file() and (compressed := root / f"{FILE_NAME}.gz").is_file():
        path = compressed
    if not path.is_file():
        raise DatasetError(f"{path}: no such file. {LAYOUT}")
    left_out = LeftOut()
    lost: set[str] = set()
    records = _records_or_index(path, left_out, lost)
    dataset = dataset_of("manifest", root, records, left_out, layout=LAYOUT, lost=lost)
    return replace(dataset, warnings=(*dataset.warnings, *copies_across_splits(dataset.studies)))


def _records_or_index(path: Path, left_out: LeftOut, lost: set[str]) -> list[Record]:
    base = os.path.abspath(path.parent)  # noqa: PTH100 - strings, for speed with 200,000 rows
    stamps = [*record_index.stamps_of([path]), [base]]
    records = record_index.load_records(path.parent, stamps)
    if records is None:
        records = _records(path, base, left_out, lost)
        if len(records) >= INDEXED_FROM and not left_out.counts:
            record_index.save_records(path.parent, stamps, records)
    return records


def _records(path: Path, base: str, left_out: LeftOut, lost: set[str]) -> list[Record]:
    """The studies; `lost` gets the ids of rows without an image or a known split."""
    folders = Folders()
    rows = read_table(path, needed=("image",), any_of=TEXT_COLUMNS)
    records = []
    for line, row in rows:
        record = _record(base, line, row, folders, left_out)
        if record is not None:
            records.append(record)
        elif isinstance(row, dict):
            lost |= {_study_id(row), f"{row.get('patient_id', '').strip()}/{_study_id(row)}"}
    return _with_unique_ids(merged(records, left_out))


def _study_id(row: dict[str, str]) -> str:
    return row.get("study_id", "").strip() or row["image"].strip()


def _record(base: str, line: int, row: dict[str, str] | str, folders: Folders, left_out: LeftOut) -> Record | None:
    """Turn a row into a study of one image, or count why not."""
    where = f"row {line}"
    if isinstance(row, str):
        left_out.add(row, where)
        return None
    name = row["image"].strip()
    image = folders.find(os.path.normpath(os.path.join(base, name))) if name else None  # noqa: PTH118 - as above
    if image is None:
        left_out.add("image is missing", name or where)
        return None
    split = split_name(row.get("split", ""))
    if split is None:
        left_out.add("unknown split (known: train, val, test)", where)
        return None
    report = sections_of(row)
    return Record(
        study_id=_study_id(row),
        images=((image, view_name(row.get("view", ""))),),
        findings=clean_text(report.findings),
        impression=clean_text(report.impression),
        patient_id=row.get("patient_id", "").strip(),
        split=split,
        indication=indication_of(row),
        place=Place(row.get("date", "").strip(), row.get("prior_study_id", "").strip(), line),
    )


def _with_unique_ids(records: list[Record]) -> list[Record]:
    """Name studies PATIENT/STUDY where two patients have one of the same number."""
    studies = {(record.patient_id, record.study_id) for record in records}
    if len({study_id for _, study_id in studies}) == len(studies):
        return records
    return [
        replace(
            record,
            study_id=_of_patient(record, record.study_id),
            place=replace(record.place, prior_id=_of_patient(record, record.place.prior_id)),
        )
        for record in records
    ]


def _of_patient(record: Record, study_id: str) -> str:
    return f"{record.patient_id}/{study_id}".lstrip("/") if study_id else ""
