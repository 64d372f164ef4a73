"""Tables as CSV files: rows by column name, with the line on which they stand."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

from xr2text_core.data.study import DatasetError


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
        raise DatasetError(
            f"{path} cannot be read as a CSV file in UTF-8: {error}. Save it again as UTF-8 CSV"
        ) from error
