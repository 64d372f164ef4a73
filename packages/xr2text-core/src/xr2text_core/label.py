"""Label the reports of a table by rules: findings, regions, severity, normal or not, stage of the curriculum.

    python -m xr2text_core.label reports.csv --out labels.csv

The table is a CSV with the text in columns `findings` and/or `impression`, or in `report`; the id is taken from
`study_id`, `uid` or `id`, else it is the number of the row.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.training.curriculum import STAGES, stage_of

TEXT_COLUMNS = ("findings", "impression", "report")
ID_COLUMNS = ("study_id", "uid", "id")
COLUMNS = ("id", "normal", "findings", "uncertain", "absent", "regions", "severity", "stage")


class LabelError(ValueError):
    """The table cannot be labelled; the message names the file and says what to do."""


def label_table(source: Path, target: Path) -> dict[str, int]:
    """Label every row of `source` into `target`; return how many reports belong to each stage."""
    rows = _read(source)
    counts = dict.fromkeys(STAGES, 0)
    try:
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for number, row in enumerate(tqdm(rows, desc="Labelling", unit="report"), start=1):
                labelled = label_row(row, number)
                counts[labelled["stage"]] += 1
                writer.writerow(labelled)
    except OSError as error:
        raise LabelError(f"cannot write {target}: {error.strerror}; give another file with --out") from error
    return counts


def label_row(row: dict[str, str], number: int) -> dict[str, str]:
    """Return the labels of one row, lists joined by ";" in the order of the vocabulary."""
    labels = label_report(_text(row))
    return {
        "id": next((row[name] for name in ID_COLUMNS if row.get(name)), str(number)),
        "normal": str(labels.is_normal).lower(),
        "findings": _join(labels.present, FINDINGS),
        "uncertain": _join(labels.uncertain, FINDINGS),
        "absent": _join(labels.absent, FINDINGS),
        "regions": _join(labels.regions, REGIONS),
        "severity": labels.severity or "",
        "stage": stage_of(labels),
    }


def _read(source: Path) -> list[dict[str, str]]:
    csv.field_size_limit(2**24)  # characters; the default of 131,072 is too small for some exported tables
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or []
    except FileNotFoundError:
        raise LabelError(f"{source} does not exist; give the CSV file with the reports") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"cannot read {source} as a CSV in UTF-8: {error}") from error
    if not set(TEXT_COLUMNS) & set(columns):
        found = ", ".join(columns) or "none"
        raise LabelError(f"{source} has no column {', '.join(TEXT_COLUMNS)}; found: {found}. Rename the text column.")
    return rows


def _text(row: dict[str, str]) -> str:
    """The sections, each closed by a blank line so that no sentence runs from one into the next."""
    return "\n\n".join(row[name] for name in TEXT_COLUMNS if row.get(name))


def _join(words: frozenset[str], order: Sequence[str]) -> str:
    return ";".join(word for word in order if word in words)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path, help="CSV file with the reports")
    parser.add_argument("--out", type=Path, default=Path("labels.csv"), help="CSV file to write (default: labels.csv)")
    options = parser.parse_args(arguments)
    try:
        counts = label_table(options.reports, options.out)
    except LabelError as error:
        print(f"[ERROR] {error}", file=sys.stderr)
        return 2
    for stage, count in counts.items():
        print(f"{stage:15s} {count:7d}{'   <- no report of this class' if count == 0 else ''}")
    print(f"{sum(counts.values())} reports labelled -> {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
