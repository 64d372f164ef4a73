"""Rows of scores as aligned text and as CSV files; protocol, section, split and decoding are in every CSV row."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from xr2text_core.metrics.bootstrap import PairedDifference
from xr2text_core.metrics.clinical_f1 import ClinicalF1
from xr2text_core.metrics.protocols import describe
from xr2text_core.metrics.rows import Row
from xr2text_core.metrics.scores import MEASURES

COLUMNS = (
    ("BLEU-1", "bleu_1", ".4f"),
    ("BLEU-4", "bleu_4", ".4f"),
    ("ROUGE-L", "rouge_l", ".4f"),
    ("CIDEr", "cider", ".3f"),
    ("label F1", "clinical_f1", ".3f"),
    ("abnormal", "clinical_f1_abnormal", ".3f"),
    ("distinct", "distinct_reports", "d"),
    ("commonest", "commonest_share", ".0%"),
    ("length", "length_ratio", ".2f"),
)
LEGEND = (
    "label F1: macro F1 of our rule labeler's findings, not CheXbert; abnormal: the same over abnormal references; "
    "distinct: different reports;\ncommonest: share of the commonest report; length: candidate / reference tokens; "
    "below a model: 95 % bootstrap intervals over studies"
)
INTERVALS = (*MEASURES, "clinical_f1_abnormal")
TITLES = {
    **{name: title for title, name, _ in COLUMNS},
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "clinical_f1": "rule-label F1",
}


def heading(about: Mapping[str, str], num_studies: int) -> str:
    """Data, protocol and reference lengths behind the table, in two lines."""
    return (
        f"{about['data']}, {about['split']} split, {num_studies} studies, {about['section']} section, beam "
        f"{about['beams']}; {describe(about['protocol'])}\n"
        f"references: {about['reference_tokens_mean']} tokens on average, median {about['reference_tokens_median']}, "
        f"95 % at most {about['reference_tokens_p95']}, longest {about['reference_tokens_max']}; "
        f"the protocol cuts {float(about['reference_share_cut']):.0%}"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, intervals in a line below their row."""
    width = max(len(row.name) for row in rows)
    lines = [" ".join([" " * width, *(f"{title:>9}" for title, _, _ in COLUMNS)])]
    for row in rows:
        values = _values(row)
        lines.append(" ".join([f"{row.name:<{width}}", *(_cell(values[name], form) for _, name, form in COLUMNS)]))
        if row.intervals:
            lines.append(" ".join([" " * width, *(f"{_span(row, name):>9}" for _, name, _ in COLUMNS)]).rstrip())
    return "\n".join([*lines, LEGEND])


def finding_table(clinical: ClinicalF1) -> str:
    """Precision, recall and F1 of every finding that at least one reference asserts, commonest first."""
    lines = [f"{'finding':<26} {'references':>10} {'precision':>9} {'recall':>9} {'F1':>9}"]
    seen = [(name, score) for name, score in clinical.per_finding.items() if score.support]
    for name, score in sorted(seen, key=lambda item: -item[1].support):
        numbers = [_cell(number, ".3f") for number in (score.precision, score.recall, score.f1)]
        lines.append(" ".join([f"{name:<26} {score.support:>10d}", *numbers]))
    return "\n".join(lines)


def paired_table(differences: Mapping[str, PairedDifference]) -> str:
    """First minus second checkpoint, interval and p-value of every score."""
    lines = [f"{'score':<14} {'difference':>10} {'95 % interval':>20} {'p':>7}"]
    for name, each in differences.items():
        if math.isnan(each.value):  # undefined for either: rule-label F1 where no reference has a finding
            lines.append(f"{TITLES[name]:<14} {'-':>10} {'-':>20} {'-':>7}")
            continue
        interval = f"{each.low:+.4f} to {each.high:+.4f}"
        lines.append(f"{TITLES[name]:<14} {each.value:>+10.4f} {interval:>20} {each.p_value:>7.3f}")
    return "\n".join(lines)


def write_table(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """One CSV row per table row; `<score>_low` and `<score>_high` are empty where no interval was computed."""
    _write(path, [{"row": row.name, **_values(row), **_limits(row), **about} for row in rows])


def write_findings(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """One CSV row per table row and finding of the vocabulary."""
    _write(
        path,
        [
            {"row": row.name, "finding": finding, **asdict(score), **about}
            for row in rows
            for finding, score in row.clinical.per_finding.items()
        ],
    )


def write_paired(path: Path, differences: Mapping[str, PairedDifference], about: Mapping[str, str]) -> None:
    """One CSV row per score: first minus second checkpoint."""
    _write(path, [{"score": name, **asdict(each), **about} for name, each in differences.items()])


def _values(row: Row) -> dict[str, float | int]:
    return {**asdict(row.scores), "clinical_f1_abnormal": row.clinical.macro_abnormal}


def _limits(row: Row) -> dict[str, float | str]:
    limits: dict[str, float | str] = {}
    for name in INTERVALS:
        interval = row.intervals.get(name)
        limits[f"{name}_low"] = interval.low if interval else ""
        limits[f"{name}_high"] = interval.high if interval else ""
    return limits


def _cell(value: float, form: str) -> str:
    """A number in nine characters; a dash where it is undefined."""
    return f"{'-':>9}" if math.isnan(value) else f"{value:>9{form}}"


def _span(row: Row, name: str) -> str:
    """The interval in nine characters: .534-.591, or 3.73-5.30."""
    interval = row.intervals.get(name)
    if interval is None or math.isnan(interval.low):
        return ""
    return f"{_short(interval.low)}-{_short(interval.high)}"


def _short(value: float) -> str:
    return f"{value:.3f}"[1:] if value < 0.9995 else f"{value:.2f}"


def _known(value: object) -> object:
    """The value of a cell; an empty one where a score is undefined."""
    return "" if isinstance(value, float) and math.isnan(value) else value


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([{name: _known(value) for name, value in row.items()} for row in rows])
