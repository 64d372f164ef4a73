"""Rows of scores as aligned text and as CSV files; protocol, section, split and decoding are in every CSV row.

A score that is undefined or was not measured is NaN or missing: a dash in a table, an empty cell in a file.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from xr2text_core.metrics.bootstrap import PairedDifference
from xr2text_core.metrics.clinical_f1 import ClinicalF1
from xr2text_core.metrics.findings.reading import MACRO, Measure
from xr2text_core.metrics.protocols import describe
from xr2text_core.metrics.radeval_scores import ClinicalScore
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
READING_LEGEND = (
    "labels: our rule labeler's reading of the references; MeSH: annotators' codes; F1 and AUC: macro over findings "
    "with at least 10 positives"
)
DASH = "-"
INTERVALS = (*MEASURES, "clinical_f1_abnormal")
TITLES = {
    **{name: title for title, name, _ in COLUMNS},
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "clinical_f1": "rule-label F1",
}


def heading(about: Mapping[str, str], num_studies: int) -> str:
    """Data, protocol and reference lengths behind the table, in two lines."""
    parts = [
        about["data"],
        f"{about['split']} split" if about["split"] else "",
        f"{num_studies} studies",
        f"{about['section']} section" if about["section"] else "",
        f"beam {about['beams']}" if about.get("beams") else "",
    ]
    return (
        f"{', '.join(filter(None, parts))}; {describe(about['protocol'])}\n"
        f"references: {about['reference_tokens_mean']} tokens on average, median {about['reference_tokens_median']}, "
        f"95 % at most {about['reference_tokens_p95']}, longest {about['reference_tokens_max']}; "
        f"the protocol cuts {float(about['reference_share_cut']):.0%}"
    )


def table(rows: Sequence[Row], unmeasured: Sequence[str] = ()) -> str:
    """The rows as aligned text, intervals in a line below their row; `unmeasured` are rows of dashes."""
    width = max(map(len, [*(row.name for row in rows), *unmeasured]))
    extra = tuple((name.upper(), name, ".4f") for name in dict.fromkeys(name for row in rows for name in row.extra))
    columns = (*COLUMNS, *extra)
    widths = [max(9, len(title)) for title, _, _ in columns]
    cells = [["", *(title for title, _, _ in columns)]]
    for row in rows:
        values = _values(row)
        cells.append([row.name, *(cell(values[name], form) for _, name, form in columns)])
        if row.intervals:
            cells.append(["", *(_span(row, name) for _, name, _ in columns)])
    cells += [[name, *(DASH for _ in columns)] for name in unmeasured]
    lines = [
        " ".join([f"{name:<{width}}", *(f"{text:>{size}}" for text, size in zip(texts, widths, strict=True))]).rstrip()
        for name, *texts in cells
    ]
    return "\n".join([*lines, LEGEND])


def clinical_table(scores: Sequence[ClinicalScore]) -> str:
    """What radeval says of each row, under its names; or why it says nothing."""
    version = next((score.radeval for score in scores if score.radeval), "")
    lines = [f"Clinical metrics of the package radeval {version}".rstrip() + ":"]
    width = max(len(score.name) for score in scores)
    for score in scores:
        value = f"not available: {score.reason}" if score.value is None else f"{score.value:.4f}"
        lines.append(f"{score.name:<{width}}  {score.row}  {value}")
    return "\n".join(lines)


def finding_table(clinical: ClinicalF1) -> str:
    """Precision, recall and F1 of every finding that at least one reference asserts, commonest first."""
    lines = [f"{'finding':<26} {'references':>10} {'precision':>9} {'recall':>9} {'F1':>9}"]
    seen = [(name, score) for name, score in clinical.per_finding.items() if score.support]
    for name, score in sorted(seen, key=lambda item: -item[1].support):
        values = " ".join(f"{cell(each, '.3f'):>9}" for each in (score.precision, score.recall, score.f1))
        lines.append(f"{name:<26} {score.support:>10d} {values}")
    return "\n".join(lines)


def reading_table(measures: Sequence[Measure]) -> str:
    """What the model reads and says, by labels and by codes; AUC of single findings stands in the file alone."""
    lines = [f"{'does it read the image?':<44} {'truth':<8} {'value':>7} {'95 % interval':>16} {'studies':>8}"]
    for each in measures:
        if each.finding == MACRO:
            span = DASH if math.isnan(each.low) else f"{each.low:.3f} to {each.high:.3f}"
            value = cell(each.value, ".3f")
            lines.append(f"{each.name:<44} {each.truth:<8} {value:>7} {span:>16} {each.num_studies:>8}")
    return "\n".join([*lines, READING_LEGEND])


def paired_table(differences: Mapping[str, PairedDifference]) -> str:
    """First minus second model, interval and p-value of every score."""
    lines = [f"{'score':<14} {'difference':>10} {'95 % interval':>20} {'p':>7}"]
    for name, each in differences.items():
        interval = DASH if math.isnan(each.low) else f"{each.low:+.4f} to {each.high:+.4f}"
        value, p_value = cell(each.value, "+.4f"), cell(each.p_value, ".3f")
        lines.append(f"{TITLES[name]:<14} {value:>10} {interval:>20} {p_value:>7}")
    return "\n".join(lines)


def write_table(path: Path, rows: Sequence[Row], about: Mapping[str, str], unmeasured: Sequence[str] = ()) -> None:
    """One CSV row per table row; `<score>_low` and `<score>_high` are empty where no interval was computed."""
    measured = [{"row": row.name, **_values(row), **_limits(row), **about} for row in rows]
    _write(path, [*measured, *({"row": name, **about} for name in unmeasured)])


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


def write_reading(path: Path, measures: Sequence[Measure], about: Mapping[str, str]) -> None:
    """One CSV row per measure; the AUC of single findings too."""
    _write(path, [{**asdict(each), **about} for each in measures])


def write_clinical(path: Path, scores: Sequence[ClinicalScore], about: Mapping[str, str]) -> None:
    """One CSV row per number of radeval and row of the table; the value is empty where there is a reason."""
    _write(path, [{**asdict(score), **about} for score in scores])


def _values(row: Row) -> dict[str, float | int]:
    return {**asdict(row.scores), "clinical_f1_abnormal": row.clinical.macro_abnormal, **row.extra}


def cell(value: float, form: str) -> str:
    """A number as text; a dash where it is undefined."""
    return DASH if math.isnan(value) else f"{value:{form}}"


def _limits(row: Row) -> dict[str, float | str]:
    limits: dict[str, float | str] = {}
    for name in INTERVALS:
        interval = row.intervals.get(name)
        limits[f"{name}_low"] = interval.low if interval else ""
        limits[f"{name}_high"] = interval.high if interval else ""
    return limits


def _span(row: Row, name: str) -> str:
    """The interval in nine characters: .534-.591, or 3.73-5.30."""
    interval = row.intervals.get(name)
    is_known = interval is not None and not math.isnan(interval.low)
    return f"{_short(interval.low)}-{_short(interval.high)}" if interval and is_known else ""


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
        writer.writerows({name: _known(value) for name, value in row.items()} for row in rows)
