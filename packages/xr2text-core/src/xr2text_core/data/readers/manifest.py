"""Reads any data set that is a CSV file with one row per image.

Columns: image (path, relative to the CSV), report (or findings and impression), and optionally study_id, patient_id,
view and split; others are ignored. Rows that share a study_id are one study of several images. A large table without
excluded rows gets an index beside it (xr2text_index.bin); the image cache notices images that vanish.
"""

import os
from pathlib import Path

from xr2text_core.data.readers import reading, record_index
from xr2text_core.data.readers.reading import Folders, Record, clean_text, dataset_of, read_table, view_name
from xr2text_core.data.splits import split_name
from xr2text_core.data.study import Dataset, DatasetError, LeftOut

LAYOUT = (
    "Expected: a CSV file (or a folder with manifest.csv) with the columns image and report, or image, findings and "
    "impression; images relative to the CSV; optional study_id, patient_id, view, split"
)
INDEXED_FROM = 20_000  # studies; fewer are read in a second


def read(root: Path) -> Dataset:
    """Read a manifest: a CSV file, or a folder that holds manifest.csv. Raises DatasetError."""
    path = root / "manifest.csv" if root.is_dir() else root
    if not path.is_file():
        raise DatasetError(f"{path}: no such file. {LAYOUT}")
    left_out = LeftOut()
    return dataset_of("manifest", root, _records_or_index(path, left_out), left_out, layout=LAYOUT)


def _records_or_index(path: Path, left_out: LeftOut) -> list[Record]:
    base = os.path.abspath(path.parent)  # noqa: PTH100 - strings, for speed with 200,000 rows
    stamps = [*record_index.stamps_of([path], [__file__, reading.__file__]), [base]]
    records = record_index.load_records(path.parent, stamps)
    if records is None:
        records = _records(path, base, left_out)
        if len(records) >= INDEXED_FROM and not left_out.counts:
            record_index.save_records(path.parent, stamps, records)
    return records


def _records(path: Path, base: str, left_out: LeftOut) -> list[Record]:
    studies: dict[tuple[str, str], Record] = {}
    folders = Folders()
    for line, row in read_table(path, needed=("image",)):
        record = _record(path, base, line, row, folders, left_out)
        if record is not None:
            _add(studies, record, left_out)
    return _with_unique_ids(studies)


def _record(
    path: Path, base: str, line: int, row: dict[str, str] | None, folders: Folders, left_out: LeftOut
) -> Record | None:
    """Turn a row into a study of one image, or count why not."""
    where = f"row {line}"
    if row is None:
        left_out.add("the row has more or fewer cells than the header", where)
        return None
    image = os.path.normpath(os.path.join(base, row["image"].strip()))  # noqa: PTH118 - two rows may name one file
    if not row["image"].strip() or not folders.has(image):
        left_out.add("image is missing", row["image"].strip() or where)
        return None
    split = split_name(row.get("split", ""))
    if split is None:
        left_out.add("unknown split (known: train, val, test)", where)
        return None
    if not {"report", "findings", "impression"} & row.keys():
        raise DatasetError(f"{path}: the header has no column report, and no findings or impression. {LAYOUT}")
    study_id = row.get("study_id", "").strip() or row["image"].strip()
    return Record(
        study_id=study_id,
        images=((image, view_name(row.get("view", ""))),),
        findings=clean_text(row.get("findings") or row.get("report", "")),
        impression=clean_text(row.get("impression", "")),
        patient_id=row.get("patient_id", "").strip() or study_id,
        split=split,
    )


def _add(studies: dict[tuple[str, str], Record], record: Record, left_out: LeftOut) -> None:
    """Add the image to its study. A study has one report: the first of its rows that has one."""
    key = (record.patient_id, record.study_id)  # some sources number the studies of each patient from 1
    known = studies.setdefault(key, record)
    if known is record:
        return
    known_text, text = (known.findings, known.impression), (record.findings, record.impression)
    if any(text) and any(known_text) and text != known_text:
        left_out.add("a second, different report of the same study (its image is kept)", record.study_id)
    findings, impression = known_text if any(known_text) else text
    images = (*known.images, *record.images)
    studies[key] = Record(known.study_id, images, findings, impression, known.patient_id, known.split)


def _with_unique_ids(studies: dict[tuple[str, str], Record]) -> list[Record]:
    if len({study_id for _, study_id in studies}) == len(studies):
        return list(studies.values())
    return [
        Record(f"{record.patient_id}/{record.study_id}", *list(vars(record).values())[1:])
        for record in studies.values()
    ]
