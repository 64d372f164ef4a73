"""Several runs in one table: mean, standard deviation, and the 95 % interval of the mean by Student's t.

The interval covers what differs between runs, such as seeds; the bootstrap's covers the studies. A thesis needs both.
Check: of 1, 2 and 3 the mean is 2, the standard deviation 1, the interval 2 -/+ 4.303 / sqrt(3) = -0.484 to 4.484.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from scipy.stats import t

from xr2text_core.metrics.findings.reading import MACRO
from xr2text_core.metrics.table import COLUMNS, INVENTED, PAGE, READING_LEGEND, heading, short, write_rows
from xr2text_core.metrics.tables.aligned import DASH, Block, aligned, write_latex_table
from xr2text_core.run.errors import UserError
from xr2text_core.run.screen import UNLIMITED, folded

# Scores that differ in one of these are not comparable. What a run chose on validation studies may differ.
SAME = ("data", "section", "split", "protocol", "labeler", "beams", "num_reports", "reference_digest")
MODEL = "model"  # the name of the first row, which is that of a file of weights
READING_TITLES = ("truth", "mean", "SD", "95 % interval")

Values = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class RunScores:
    """What `evaluate` wrote about a run: scores by row and column, measures of eye and pen by name and truth; NaN is
    undefined. `about` is what they depend on."""

    name: str
    about: Mapping[str, str]
    scores: Values
    reading: Values


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n - 1) and 95 % interval of the mean of two values or more; NaN if one of them is."""

    mean: float
    sd: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        mean = values[0] if len(set(values)) == 1 else fmean(values)  # a baseline that is the same in every run
        sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        half = float(t.ppf(0.975, len(values) - 1)) * sd / math.sqrt(len(values))
        return cls(mean, sd, mean - half, mean + half)

    def lines(self, form: str) -> list[str]:
        """Mean, standard deviation and interval as the cells of a column, one below the other."""
        if math.isnan(self.mean):
            return [DASH] * 3
        shown = form.replace("d", ".1f")  # the mean of counts is none
        low, high = (short(each) if form.endswith("f") else f"{each:{shown}}" for each in (self.low, self.high))
        return [f"{self.mean:{shown}}", f"± {self.sd:{shown}}", f"{low}-{high}"]


def read_runs(files: Mapping[str, Path]) -> list[RunScores]:
    """The score files of runs by their names; UserError where one is missing, or they are not comparable."""
    if len(files) < 2:
        raise UserError("--runs needs two runs at least: one has no spread")
    first, *others = (_read(name, path) for name, path in files.items())
    for other in others:
        ours, theirs = first.about, other.about
        differ = [f"{each} {ours[each]} and {theirs[each]}" for each in SAME if ours[each] != theirs[each]]
        if differ:
            raise UserError(
                f"--runs: {first.name} and {other.name} are not comparable ({'; '.join(differ)}): score the same "
                "studies in the same way; phantoms of another --seed are other studies, but for the same --data-seed"
            )
    return [first, *others]


def show(runs: Sequence[RunScores], width: int = UNLIMITED) -> str:
    """All of it as text."""
    titles, blocks = _table(runs)
    reading = [(name, [[truth, *spread.lines(".3f")]]) for (name, truth), spread in _spreads(runs, "reading").items()]
    whole = [block for block in reading if MACRO in block[0]]
    parts = [
        heading(runs[0].about, int(runs[0].about["num_reports"]), width),
        aligned(titles, blocks, width),
        folded(_legend(runs), min(width, PAGE)),
        "",
        aligned(READING_TITLES, [(name.removesuffix(f", {MACRO}"), lines) for name, lines in whole], width),
        folded(READING_LEGEND, min(width, PAGE)),
    ]
    return "\n".join(parts)


def write(runs: Sequence[RunScores], path: Path) -> None:
    """One CSV row per score of a row of the table, and per measure of eye and pen; UserError where it cannot be."""
    about = {"runs": " ".join(run.name for run in runs), **{name: runs[0].about[name] for name in SAME}}
    rows = [
        {"row": row, "score": score, **asdict(spread), "values": _listed(runs, part, (row, score)), **about}
        for part in ("scores", "reading")
        for (row, score), spread in _spreads(runs, part).items()
    ]
    try:
        write_rows(path, rows)
    except OSError as error:
        raise UserError(f"--out {path.parent}: cannot be written: {error}") from error


def write_latex(runs: Sequence[RunScores], path: Path) -> None:
    """The table of scores for a thesis; UserError where it cannot be written."""
    caption = f"{heading(runs[0].about, int(runs[0].about['num_reports']))}\n{_legend(runs)}"
    try:
        write_latex_table(path, *_table(runs), caption)
    except OSError as error:
        raise UserError(f"--latex {path}: cannot be written: {error}") from error


def _table(runs: Sequence[RunScores]) -> tuple[list[str], list[Block]]:
    """Titles of the columns, and a block of mean, deviation and interval per row."""
    spreads = _spreads(runs, "scores")
    defined = {score for (_, score), spread in spreads.items() if not math.isnan(spread.mean)}
    columns = [column for column in (*COLUMNS, INVENTED) if column[1] in defined]
    lines = {
        row: [spreads[row, name].lines(form) for _, name, form in columns]
        for row in dict.fromkeys(row for row, _ in spreads)
    }
    blocks = [(row, [list(line) for line in zip(*cells, strict=True)]) for row, cells in lines.items()]
    fixed = {row for row in lines if not any(spreads[row, name].sd > 0 for _, name, _ in columns)}
    blocks = [(row, cells[:1] if row in fixed else cells) for row, cells in blocks]
    return [title for title, _, _ in columns], blocks


def _legend(runs: Sequence[RunScores]) -> str:
    return (
        f"means of {len(runs)} runs ({', '.join(run.name for run in runs)}); below each its standard deviation, and "
        "the 95 % interval of the mean over runs (Student's t), not over studies"
    )


def _spreads(runs: Sequence[RunScores], part: str) -> dict[tuple[str, str], Spread]:
    """Of what every run has, in the order of the first."""
    first, *others = (getattr(run, part) for run in runs)
    shared = [key for key in first if all(key in other for other in others)]
    return {key: Spread.of([getattr(run, part)[key] for run in runs]) for key in shared}


def _listed(runs: Sequence[RunScores], part: str, key: tuple[str, str]) -> str:
    return " ".join(f"{getattr(run, part)[key]:.6g}" for run in runs)


def _read(name: str, path: Path) -> RunScores:
    rows = _rows(name, path)
    if SAME[-1] not in rows[0]:
        raise UserError(f"--runs {name}: {path} has no column {SAME[-1]}: score the run again with this version")
    columns = list(rows[0])
    measured = columns[1 : next(index for index, each in enumerate(columns) if each.endswith("_low"))]
    names = [MODEL, *(row["row"] for row in rows[1:])]
    scores = {
        (row_name, each): _number(row[each]) for row_name, row in zip(names, rows, strict=True) for each in measured
    }
    reading = {
        (f"{row['name']}, {row['finding']}", row["truth"]): _number(row["value"])
        for row in _rows(name, path.with_name(f"{path.stem}_reading.csv"))
    }
    return RunScores(name, {**dict.fromkeys(SAME, ""), **rows[0]}, scores, reading)


def _rows(name: str, path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise UserError(f"--runs {name}: no {path}; `evaluate` writes it, score the run first") from error
    except (OSError, ValueError) as error:
        raise UserError(f"--runs {name}: {path} cannot be read: {error}") from error
    if not rows:
        raise UserError(f"--runs {name}: {path} has no rows")
    return rows


def _number(text: str) -> float:
    return float(text) if text else math.nan
