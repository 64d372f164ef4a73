"""training_history.csv (docs/run-files.md): one row an epoch, kept as compact columns: 100,000 rows stay small."""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path

from xr2text_monitor.readers.growing_file import GrowingFile
from xr2text_monitor.text import clean

SCORES = ("bleu_4", "rouge_l")
COLUMNS = (
    "train_loss",
    "val_loss",
    *SCORES,
    "epoch_s",
    "validation_s",
    "studies_per_s",
    "skipped_steps",
    "oom_retries",
)
NAN = float("nan")
INF = float("inf")
NUM_FURTHER = 16  # columns of a newer trainer that are kept too
LOOK_BACK = 50  # epochs before a value counts as old
NUM_BESTS = 64  # rows kept of epochs that were the best, to go back to when a resume cuts the newest


@dataclass(frozen=True)
class EpochRow:
    """One row of the history. None: the cell is empty, the column is missing, or it holds no number."""

    epoch: int
    stage: str = ""
    train_loss: float | None = None
    val_loss: float | None = None
    bleu_1: float | None = None
    bleu_2: float | None = None
    bleu_3: float | None = None
    bleu_4: float | None = None
    rouge_l: float | None = None
    cider: float | None = None
    clinical_f1: float | None = None
    distinct_reports: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    studies_per_s: float | None = None
    train_s: float | None = None
    validation_s: float | None = None
    epoch_s: float | None = None
    gpu_peak_mib: float | None = None
    gpu_max_c: float | None = None
    micro_batch: float | None = None
    accumulation: float | None = None
    skipped_steps: float | None = None
    oom_retries: float | None = None
    is_best: float | None = None
    finished_at: str = ""
    further: "dict[str, float]" = field(default_factory=dict)  # numbers in columns that are not named above

    def numbers(self) -> "dict[str, float]":
        """Everything that was measured, by column, in the order of the columns."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        found = {name: value for name, value in named.items() if isinstance(value, float)}
        return {**found, **self.further}


@dataclass
class History:
    """All epochs of a run. Columns are parallel to `epochs`; NaN there means not measured or not a number."""

    epochs: "array[float]" = field(default_factory=lambda: array("d"))
    columns: "dict[str, array[float]]" = field(default_factory=lambda: {name: array("d") for name in COLUMNS})
    stages: list[tuple[int, str]] = field(default_factory=list)  # (first epoch, stage), in order
    last: EpochRow | None = None
    best: EpochRow | None = None
    best_scores: dict[str, tuple[float, int]] = field(default_factory=dict)  # highest finite value and its epoch
    version: int = 0  # rises with every change, so that a chart knows when to draw anew

    def __len__(self) -> int:
        return len(self.epochs)

    def copy(self) -> "History":
        columns = {name: column[:] for name, column in self.columns.items()}
        return replace(self, epochs=self.epochs[:], columns=columns, stages=list(self.stages))

    def recent(self, name: str, count: int) -> list[float]:
        """The newest `count` measured values of a column, oldest first."""
        return [value for _, value in self.newest(name, count)]

    def newest(self, name: str, count: int) -> list[tuple[int, float]]:
        """The same with their epochs. Not every epoch need be measured; far behind the newest nothing is sought."""
        start = -count - LOOK_BACK
        rows = zip(reversed(self.epochs[start:]), reversed(self.columns[name][start:]), strict=True)
        measured = ((int(epoch), value) for epoch, value in rows if value == value)
        return list(islice(measured, count))[::-1]


class HistoryReader:
    """Follows the history file. `read` returns a History that stays as it is: others may draw it."""

    def __init__(self, path: Path) -> None:
        self.file = GrowingFile(path)
        self._shown = History()
        self._start_over(History())

    def _start_over(self, history: History) -> None:
        self._history = history
        self._places: dict[str, int] = {}  # column name -> its place in a line
        self._further: tuple[str, ...] = ()
        self._curves = self._appends()
        self._problem = ""
        self._num_lines = 0
        self._newest: list[str] = []
        self._bests: deque[tuple[int, list[str]]] = deque(maxlen=NUM_BESTS)

    @property
    def problem(self) -> str:
        """Why the file cannot be read, or not understood."""
        if self._num_lines and not len(self._history):
            return self.file.problem or self._problem or f"none of its {self._num_lines} lines is a row of its header"
        return self.file.problem or self._problem

    def read(self) -> History:
        version = self._shown.version
        for block in self.file.read():
            if block.restarted:
                self._start_over(History(version=version + 1))
            for line in block.lines:
                self._take(_cells(line))
        if self._newest:
            self._history.last = self._row(self._newest)
            self._history.best = self._row(self._bests[-1][1]) if self._bests else None
            self._history.best_scores = dict(self._best_scores())
            self._history.version = version + 1
            self._newest = []
        self._shown = self._history
        return self._shown

    def _best_scores(self) -> Iterator[tuple[str, tuple[float, int]]]:
        """The earliest epoch with the highest value, for each score that was ever measured."""
        for name in SCORES:
            column = self._history.columns[name]
            highest = max((value for value in column if -INF < value < INF), default=None)
            if highest is not None:
                yield name, (highest, int(self._history.epochs[column.index(highest)]))

    def _take(self, cells: list[str]) -> None:
        """The first line is the header. Not a row: another width than the header, or no epoch."""
        if not self._places and not self._problem:
            self._read_header([name.strip().lstrip("\ufeff") for name in cells])
            return
        self._num_lines += any(cells)
        epoch = _number(self._text(cells, "epoch"))
        if len(cells) != len(self._places) or epoch is None or not 0 < epoch < 1e9:
            return
        self._keep(int(epoch), cells)

    def _read_header(self, names: list[str]) -> None:
        if not any(names):
            return
        if "epoch" not in names:
            self._problem = _why_no_header(names)
            return
        self._places = {name: place for place, name in enumerate(names)}
        known = {one.name for one in fields(EpochRow)}
        self._further = tuple(name for name in names if name and name not in (*known, "step"))[:NUM_FURTHER]
        self._history.columns.update({name: array("d") for name in self._further})
        self._curves = self._appends()

    def _appends(self) -> list[tuple[Callable[[float], None], int]]:
        """How to keep a cell, and its place in a line; -1: not in this file."""
        columns = self._history.columns.items()
        return [(column.append, self._places.get(name, -1)) for name, column in columns]

    def _keep(self, epoch: int, cells: list[str]) -> None:
        if self._history is self._shown:
            self._history = self._shown.copy()
            self._curves = self._appends()
        history = self._history
        if history.epochs and epoch <= history.epochs[-1]:
            self._cut_from(epoch)
        history.epochs.append(epoch)
        for append, place in self._curves:
            append(_measured(cells[place]) if place >= 0 else NAN)
        stage = self._text(cells, "stage")
        if not history.stages or history.stages[-1][1] != stage:
            history.stages.append((epoch, stage))
        self._newest = cells
        if self._text(cells, "is_best") == "1":
            self._bests.append((epoch, cells))

    def _cut_from(self, epoch: int) -> None:
        """An epoch that comes again takes the place of its first version and of all that followed (a resume)."""
        keep = bisect_left(self._history.epochs, epoch)
        for column in (self._history.epochs, *self._history.columns.values()):
            del column[keep:]
        self._history.stages = [pair for pair in self._history.stages if pair[0] < epoch]
        while self._bests and self._bests[-1][0] >= epoch:
            self._bests.pop()

    def _text(self, cells: list[str], name: str) -> str:
        place = self._places.get(name, -1)
        return cells[place].strip() if 0 <= place < len(cells) else ""

    def _row(self, cells: list[str]) -> EpochRow:
        texts = {one.name: self._text(cells, one.name) for one in fields(EpochRow) if one.name != "further"}
        numbers = ((name, _number(self._text(cells, name))) for name in self._further)
        further = {name: value for name, value in numbers if value is not None}
        words = {name: texts.pop(name) for name in ("stage", "finished_at")}
        epoch = int(float(texts.pop("epoch")))
        values = {name: _number(text) for name, text in texts.items()}
        return EpochRow(epoch, **words, **values, further=further)  # type: ignore[arg-type]


def _why_no_header(names: list[str]) -> str:
    first = ",".join(names)
    for letter, name in ((";", "semicolons"), ("\t", "tabs")):
        if "epoch" in (part.strip() for part in first.split(letter)):
            return f"its cells are separated by {name}, and commas were expected"
    return f"its first line is no header with a column epoch, but {clean(first, 40)!r}"


def _cells(line: str) -> list[str]:
    """The cells of one line. Our writer quotes nothing; a quoted line is CSV, read alone: it swallows no other."""
    if '"' not in line:
        return line.split(",")
    import csv  # a history of ours never needs it

    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _measured(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return NAN


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
