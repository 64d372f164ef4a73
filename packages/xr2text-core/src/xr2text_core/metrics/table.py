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
from xr2text_core.metrics.tables.aligned import DASH, Block, aligned, write_latex_table
from xr2text_core.run.screen import UNLIMITED, folded

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
INVENTED = ("invented", "invented_comparisons", ".1%")  # a column where it is known which studies have no prior
Column = tuple[str, str, str]
LEGEND = (
    "label F1: macro F1 of our rule labeler's findings, not CheXbert; abnormal: the same over abnormal references; "
    "distinct: different reports; commonest: share of the commonest report; length: candidate / reference tokens; "
    "below a model: 95 % bootstrap intervals over studies"
)
INVENTED_LEGEND = "invented: reports that compare with a prior study, of studies that have none"
READING_LEGEND = (
    "labels: our rule labeler's reading of the references; MeSH: annotators' codes; drawn: what the phantom drew; "
    "F1 and AUC: macro over findings "
    "with at least 10 positives"
)
PAGE = 120  # of prose, where the width is unlimited
INTERVALS = (*MEASURES, "clinical_f1_abnormal")
TITLES = {
    **{name: title for title, name, _ in COLUMNS},
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
}


def heading(about: Mapping[str, str], num_studies: int, width: int = UNLIMITED) -> str:
    """Data, protocol and reference lengths behind the table, in two lines or, on a narrow screen, more."""
    parts = [
        about["data"],
        f"{about['split']} split" if about["split"] else "",
        f"{num_studies} studies",
        f"{about['section']} section" if about["section"] else "",
        f"beam {about['beams']}" if about.get("beams") else "",
    ]
    text = (
        f"{', '.join(filter(None, parts))}; {describe(about['protocol'])}\n"
        f"references: {about['reference_tokens_mean']} tokens on average, median {about['reference_tokens_median']}, "
        f"95 % at most {about['reference_tokens_p95']}, longest {about['reference_tokens_max']}; "
        f"the protocol cuts {float(about['reference_share_cut']):.0%}"
    )
    return folded(text, width)


def table(rows: Sequence[Row], unmeasured: Sequence[str] = (), width: int = UNLIMITED) -> str:
    """The rows as aligned text, intervals in a line below their row; `unmeasured` are rows of dashes.

    Columns that do not fit into the width go into a second table below.
    """
    columns = _columns(rows)
    text = aligned([title for title, _, _ in columns], _blocks(rows, unmeasured, columns), width)
    return "\n".join([text, folded(_legend(columns), min(width, PAGE))])


def _legend(columns: Sequence[Column]) -> str:
    return f"{LEGEND}; {INVENTED_LEGEND}" if INVENTED in columns else LEGEND


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Title, name and format of each column; scores that were asked for by name come last."""
    extra = dict.fromkeys(name for row in rows for name in row.extra)
    is_known = any(not math.isnan(row.invented_comparisons) for row in rows)
    return (*COLUMNS, *((INVENTED,) if is_known else ()), *((name.upper(), name, ".4f") for name in extra))


def _blocks(rows: Sequence[Row], unmeasured: Sequence[str], columns: Sequence[Column]) -> list[Block]:
    """Name and lines of cells of every row."""
    dashes = [[DASH] * len(columns)]
    return [*((row.name, _cells(row, columns)) for row in rows), *((name, dashes) for name in unmeasured)]


def _cells(row: Row, columns: Sequence[Column]) -> list[list[str]]:
    """The values of a row, and the intervals where they were computed."""
    values = _values(row)
    spans = [[_span(row, name) for _, name, _ in columns]] if row.intervals else []
    return [[cell(values[name], form) for _, name, form in columns], *spans]


def write_latex(path: Path, rows: Sequence[Row], caption: str, unmeasured: Sequence[str] = ()) -> None:
    """The table as a LaTeX table (of the package booktabs); its caption says what the scores depend on."""
    columns = _columns(rows)
    titles = [title for title, _, _ in columns]
    write_latex_table(path, titles, _blocks(rows, unmeasured, columns), f"{caption}\n{_legend(columns)}")


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


def reading_table(measures: Sequence[Measure], width: int = UNLIMITED) -> str:
    """What the model reads and says, by labels and by codes; AUC of single findings stands in the file alone."""
    lines = [f"{'does it read the image?':<41} {'truth':<7} {'value':>6} {'95 % interval':>14} {'studies':>7}"]
    for each in measures:
        if each.finding == MACRO:
            span = DASH if math.isnan(each.low) else f"{each.low:.3f} to {each.high:.3f}"
            value = cell(each.value, ".3f")
            lines.append(f"{each.name:<41} {each.truth:<7} {value:>6} {span:>14} {each.num_studies:>7}")
    return "\n".join([*lines, folded(READING_LEGEND, width)])


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
    write_rows(path, [*measured, *({"row": name, **about} for name in unmeasured)])


def write_findings(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """One CSV row per table row and finding of the vocabulary."""
    write_rows(
        path,
        [
            {"row": row.name, "finding": finding, **asdict(score), **about}
            for row in rows
            for finding, score in row.clinical.per_finding.items()
        ],
    )


def write_paired(path: Path, differences: Mapping[str, PairedDifference], about: Mapping[str, str]) -> None:
    """One CSV row per score: first minus second checkpoint."""
    write_rows(path, [{"score": name, **asdict(each), **about} for name, each in differences.items()])


def write_reading(path: Path, measures: Sequence[Measure], about: Mapping[str, str]) -> None:
    """One CSV row per measure; the AUC of single findings too."""
    write_rows(path, [{**asdict(each), **about} for each in measures])


def write_clinical(path: Path, scores: Sequence[ClinicalScore], about: Mapping[str, str]) -> None:
    """One CSV row per number of radeval and row of the table; the value is empty where there is a reason."""
    write_rows(path, [{**asdict(score), **about} for score in scores])


def _values(row: Row) -> dict[str, float | int]:
    return {
        **asdict(row.scores),
        "clinical_f1_abnormal": row.clinical.macro_abnormal,
        "invented_comparisons": row.invented_comparisons,
        **row.extra,
    }


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
    return f"{short(interval.low)}-{short(interval.high)}" if interval and is_known else ""


def short(value: float) -> str:
    """Four characters, of a number from 0 to 99."""
    if value < 0:
        return f"-{short(-value)}"
    return f"{value:.3f}"[1:] if value < 0.9995 else f"{value:.{1 if value >= 9.995 else 2}f}"


def _known(value: object) -> object:
    """The value of a cell; an empty one where a score is undefined."""
    return "" if isinstance(value, float) and math.isnan(value) else value


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """A CSV file with the columns of the first row; an undefined score is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _known(value) for name, value in row.items()} for row in rows)
