"""Tables as CSV files: rows by column name, with the line on which they begin.

The csv module reads them rather than pandas, because it stops at a row with a damaged quotation mark: that row alone is
left out and named by its line, and the rows that it would have swallowed are read.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from xr2text_core.data.readers.texts import encoding_of, is_no_value
from xr2text_core.data.study import DatasetError

WRONG_LENGTH = "the row has more or fewer cells than the header"
OPEN_QUOTE = "the row has a quotation mark that is not closed, or one inside a cell that is not doubled"
LONGEST_CELL = 2**24  # characters; the csv module's own limit of 131,072 is too small for some exported tables
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(
    path: Path, needed: Sequence[str] = (), any_of: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield (line, row by column name) of a CSV file, gzip included; for a broken row the reason instead.

    Column names are lower case, and a cell that says it is empty ("nan", "NULL", "N/A", ...) is "". Raises DatasetError
    when the file is no text in UTF-8 or UTF-16, or has no column of `needed`, or none of `any_of`.
    """
    csv.field_size_limit(LONGEST_CELL)
    try:
        with _opened(path) as file:
            rows = _rows(file.readlines())
            header = [name.strip().lower() for name in next((cells for _, cells in rows if cells), None) or []]
            _check_header(path, header, needed, any_of)
            for line, cells in rows:
                if cells is None:
                    yield line, OPEN_QUOTE
                elif cells:
                    yield line, _row(header, cells)
    except (UnicodeError, OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path} cannot be read as a CSV file in UTF-8: {_reason(error)}. Save it as UTF-8 CSV"
        ) from error


def _opened(path: Path) -> IO[str]:
    open_it = gzip.open if path.suffix.lower() == ".gz" else open
    with open_it(path, "rb") as file:
        encoding = encoding_of(file.read(4))
    return open_it(path, "rt", encoding=encoding, newline="")


def _rows(lines: list[str]) -> Iterator[tuple[int, list[str] | None]]:
    """Yield (line, cells); None for a row whose quotation marks do not match, after which the next line is a row."""
    start = 0
    while start < len(lines):
        rows = csv.reader(map(lines.__getitem__, range(start, len(lines))), strict=True, skipinitialspace=True)
        first = start
        try:
            for cells in rows:
                yield first + 1, cells
                first = start + rows.line_num
            return
        except csv.Error:
            yield first + 1, None
            start = first + 1


def _row(header: list[str], cells: list[str]) -> dict[str, str] | str:
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()  # spreadsheets pad rows with empty cells
    if len(cells) != len(header):
        return WRONG_LENGTH
    return {name: "" if is_no_value(cell) else cell for name, cell in zip(header, cells, strict=True)}


def _check_header(path: Path, header: list[str], needed: Sequence[str], any_of: Sequence[str]) -> None:
    missing = [name for name in needed if name not in header]
    if not missing and any_of and not set(any_of) & set(header):
        missing = list(any_of)
    if not missing:
        return
    found = ", ".join(header) or "nothing"
    used = next((word for mark, word in OTHER_SEPARATORS.items() if mark in found), "")
    advice = f", here by {used}: save the table with commas" if used else "; rename the column"
    one_of = " (one of them is enough)" if missing == list(any_of) else ""
    raise DatasetError(
        f"{path}: the header has no column {', '.join(missing)}; found: {found}{one_of}. "
        f"Columns are separated by commas{advice}"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
