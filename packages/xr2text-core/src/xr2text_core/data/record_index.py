"""Keeps what a reader found in hundreds of thousands of small files in one file, so that later starts take seconds."""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xr2text_core.data.reading import Record

logger = logging.getLogger(__name__)

FILE_NAME = "xr2text_index.json"


def stamps_of(tables: Iterable[Path], modules: Iterable[str]) -> list[list[Any]]:
    """Return what must not have changed for an index to hold: length and time of the tables, content of the code."""
    code = b"".join(Path(module).read_bytes() for module in modules)
    tables_by_time = [[table.name, table.stat().st_size, table.stat().st_mtime_ns] for table in tables]
    return [*tables_by_time, [len(code), zlib.crc32(code)]]


def load_records(root: Path, stamps: list[list[Any]]) -> list[Record] | None:
    """Return the records of an earlier reading, or None when there is none or something changed since."""
    try:
        content = json.loads((root / FILE_NAME).read_text("utf-8"))
        if content["stamps"] != stamps:
            return None
        base = f"{root.absolute()}{os.sep}"
        return [
            Record(
                study_id, tuple((base + path, view) for path, view in images), findings, impression, patient_id, split
            )
            for study_id, images, findings, impression, patient_id, split in content["records"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_records(root: Path, stamps: list[list[Any]], records: Sequence[Record]) -> None:
    """Write the index beside the data. A folder that is not writable only means slower starts."""
    base = f"{root.absolute()}{os.sep}"
    rows = [
        (
            record.study_id,
            [(path.removeprefix(base), view) for path, view in record.images],
            *(record.findings, record.impression, record.patient_id, record.split),
        )
        for record in records
    ]
    temporary = root / f"{FILE_NAME}.tmp"
    try:
        temporary.write_text(json.dumps({"stamps": stamps, "records": rows}), "utf-8")
        temporary.replace(root / FILE_NAME)
    except OSError as error:
        logger.info("no index was written, so the next start reads all reports again: %s", error)
