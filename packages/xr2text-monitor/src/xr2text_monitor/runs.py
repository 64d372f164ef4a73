"""All runs below --out: what to choose from."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xr2text_monitor.history import History, HistoryReader
from xr2text_monitor.host import look_at_process
from xr2text_monitor.run_files import JsonReader, RunFolder, Status, status_from
from xr2text_monitor.state import state_of

PATTERNS = ("", "*/")
FILES = ("status.json", "training_history.csv")


@dataclass(frozen=True)
class RunSummary:
    """One run as the chooser shows it. `written_at` in Unix seconds; None: not known."""

    folder: RunFolder
    state: str
    epoch: int | None = None
    epochs: int | None = None
    best: float | None = None
    best_epoch: int | None = None
    written_at: float | None = None

    @property
    def name(self) -> str:
        return self.folder.name or "(no name)"


class RunList:
    """Looks at all runs below `out`; what did not change is not read again."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._runs: dict[str, tuple[RunFolder, JsonReader, HistoryReader]] = {}

    def read(self) -> list[RunSummary]:
        """The runs, those written last first."""
        for name in set(names_below(self.out / "data" / "statistics")) - self._runs.keys():
            with suppress(ValueError):
                folder = RunFolder.under(self.out, name)
                status = JsonReader(folder.statistics / "status.json")
                self._runs[name] = (folder, status, HistoryReader(folder.statistics / "training_history.csv"))
        found = [summary for run in self._runs.values() if (summary := _summary(*run)) is not None]
        return sorted(found, key=lambda one: (-(one.written_at or 0.0), one.folder.name))


def names_below(statistics: Path) -> Iterator[str]:
    """Names of runs as --run takes them; folders that may not be entered are left out."""
    for pattern in PATTERNS:
        for name in FILES:
            with suppress(OSError):
                for path in statistics.glob(pattern + name):
                    parent = path.parent.relative_to(statistics).as_posix()
                    yield "" if parent == "." else parent


def _summary(folder: RunFolder, status_reader: JsonReader, history_reader: HistoryReader) -> RunSummary | None:
    """None where the run is gone."""
    contents, history = status_reader.read(), history_reader.read()
    if contents is None and not len(history):
        return None
    status = Status() if contents is None else status_from(contents)
    best, best_epoch = _best(status, history)
    written = [status_reader.modified_at, _modified_at(folder.statistics / FILES[1])]
    written_at = max((moment for moment in written if moment is not None), default=None)
    age_s = None if written_at is None else max(0.0, time.time() - written_at)
    process = look_at_process(status.pid, status.host, status.process_started_s)
    state = "no status" if contents is None else state_of(status, history, process, age_s).name
    epoch = status.epoch if status.epoch is not None else history.last.epoch if history.last else None
    return RunSummary(folder, state, epoch, status.epochs, best, best_epoch, written_at)


def _best(status: Status, history: History) -> tuple[float | None, int | None]:
    if status.best_score is not None:
        return status.best_score, status.best_epoch
    row = history.best
    if row is None or row.bleu_4 is None or row.rouge_l is None:
        return None, None
    return row.bleu_4 + row.rouge_l, row.epoch


def _modified_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
