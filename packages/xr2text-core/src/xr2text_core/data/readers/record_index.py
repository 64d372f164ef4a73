"""An index file beside a large table, or hundreds of thousands of small files: what a reader found in them.

Later starts load it in a second. It holds report text, like the data set.
"""

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xr2text_core.data.checked_file import load_checked, save_checked
from xr2text_core.data.priors import Place
from xr2text_core.data.readers.records import Record
from xr2text_core.report import sections

TEXTS = ("findings", "impression", "patient_id", "split", "indication")
FILE_NAME = "xr2text_index.bin"


def stamps_of(tables: Iterable[Path]) -> list[list[Any]]:
    """Return what must be unchanged for an index to be valid: length and time of the tables, code of the readers."""
    modules = [*sorted(Path(__file__).parent.glob("*.py")), Path(sections.__file__)]
    code = b"".join(module.read_bytes() for module in modules)
    tables_by_time = [[table.name, table.stat().st_size, table.stat().st_mtime_ns] for table in tables]
    return [*tables_by_time, [len(code), zlib.crc32(code)]]


def load_records(root: Path, stamps: list[list[Any]]) -> list[Record] | None:
    """Return the records of an earlier reading, or None if there is none or something has changed since."""
    payload = load_checked(root / FILE_NAME)
    if payload is None:
        return None
    content = json.loads(payload)
    if content["stamps"] != stamps:
        return None
    base = f"{root.absolute()}{os.sep}"
    return [_record(base, *row) for row in content["records"]]


def _record(base: str, study_id: str, images: list[list[str]], place: list[Any], texts: dict[str, Any]) -> Record:
    join = os.path.join  # keeps the absolute path of an image elsewhere
    return Record(study_id, tuple([(join(base, path), view) for path, view in images]), place=Place(*place), **texts)


def save_records(root: Path, stamps: list[list[Any]], records: Sequence[Record]) -> None:
    """Write the index beside the data. A folder that is not writable only means slower starts."""
    base = f"{root.absolute()}{os.sep}"
    rows = [
        (
            record.study_id,
            [(path.removeprefix(base), view) for path, view in record.images],
            (record.place.time, record.place.prior_id, record.place.line),
            {name: getattr(record, name) for name in TEXTS},
        )
        for record in records
    ]
    save_checked(root / FILE_NAME, json.dumps({"stamps": stamps, "records": rows}).encode())
