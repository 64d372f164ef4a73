"""Labels the reports in a CSV file by rules: findings, regions, severity, normal or not, stage of the curriculum.

    python -m xr2text_core.label reports.csv --out labels.csv

The text is in the columns `findings` and `impression`, or in `report`; a whole report is split into its sections. The
id is taken from `study_id`, `uid` or `id`, else it is the number of the row. A row without text gets no labels.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from xr2text_core.data.readers.tables import read_table
from xr2text_core.data.readers.texts import LABELS_DO_NOT_APPLY, are_english, clean_text, sections_of
from xr2text_core.data.study import LeftOut
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.run.atomic import replace_text
from xr2text_core.run.errors import UserError
from xr2text_core.run.outputs import keep_inputs
from xr2text_core.training.curriculum import STAGES, stage_of

TEXT_COLUMNS = ("findings", "impression", "report")
ID_COLUMNS = ("study_id", "uid", "id")
COLUMNS = ("id", "normal", "findings", "uncertain", "absent", "regions", "severity", "stage")


@dataclass(frozen=True)
class Table:
    """What was read of a table: (id, text) of every whole row, "" for a row without text, and the rows left out."""

    reports: list[tuple[str, str]]
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def are_english(self) -> bool:
        return are_english([text for _, text in self.reports if text])


def read(source: Path) -> Table:
    """Read the reports of a table. Raises UserError."""
    if not source.exists():
        raise UserError(f"{source} does not exist; give the CSV file with the reports")
    table = Table([])
    table.reports.extend(_reports(source, table.left_out))
    return table


def _reports(source: Path, left_out: LeftOut) -> Iterator[tuple[str, str]]:
    for number, (line, row) in enumerate(read_table(source, any_of=TEXT_COLUMNS), start=1):
        if isinstance(row, str):
            left_out.add(row, f"row {line}")
            continue
        text = _text(row)
        if not text:
            left_out.add("the report is empty, so its row has no labels", f"row {line}")
        yield next((row[name] for name in ID_COLUMNS if row.get(name)), str(number)), text


def _text(row: Mapping[str, str]) -> str:
    """The sections, divided by a blank line so that no sentence runs from one into the next; "" without a word."""
    report = sections_of(row)
    return "\n\n".join(text for text in (report.findings, report.impression) if clean_text(text))


def label(name: str, text: str) -> dict[str, str]:
    """Return the row of one report, lists joined by ";" in the order of the vocabulary; only the id without text."""
    if not text:
        return {"id": name}
    labels = label_report(text)
    return {
        "id": name,
        "normal": str(labels.is_normal).lower(),
        "findings": _join(labels.present, FINDINGS),
        "uncertain": _join(labels.uncertain, FINDINGS),
        "absent": _join(labels.absent, FINDINGS),
        "regions": _join(labels.regions, REGIONS),
        "severity": labels.severity or "",
        "stage": stage_of(labels),
    }


def _join(words: frozenset[str], order: Sequence[str]) -> str:
    return ";".join(word for word in order if word in words)


def write(target: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the labels in one step: whole, or not at all. Raises UserError."""
    content = io.StringIO()
    writer = csv.DictWriter(content, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    try:
        replace_text(target, content.getvalue())
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}; give another file with --out") from error


def label_table(source: Path, target: Path) -> None:
    """Label every row of `source` into `target`, and print how many reports belong to each stage. Raises UserError."""
    keep_inputs("--out", [target], [source])
    if not target.resolve().parent.is_dir():
        raise UserError(f"cannot write {target}: no such folder; give another file with --out")
    table = read(source)
    rows = [label(name, text) for name, text in tqdm(table.reports, desc="Labelling", unit="report")]
    write(target, rows)
    for stage in STAGES:
        count = sum(row.get("stage") == stage for row in rows)
        print(f"{stage:15s} {count:7d}{'   <- no report of this class' if count == 0 else ''}")
    print(f"{sum('stage' in row for row in rows)} reports labelled -> {target}")
    for line in table.left_out.lines():
        print(f"warning: {line}", file=sys.stderr)
    if not table.are_english:
        print(f"warning: {LABELS_DO_NOT_APPLY}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.label",
        usage="%(prog)s FILE [flags]",
        description=" ".join(__doc__.split("\n\n")[0::2]),
    )
    parser.add_argument("reports", type=Path, metavar="FILE", help="CSV file with the reports")
    parser.add_argument(
        "--out", type=Path, default=Path("labels.csv"), metavar="FILE", help="CSV file to write (default: labels.csv)"
    )
    options = parser.parse_args(arguments)
    try:
        label_table(options.reports, options.out)
    except UserError as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
