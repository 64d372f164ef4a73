"""All runs below --out: what to choose from."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xr2text_monitor.readers.history import History
from xr2text_monitor.readers.run_files import RunFolder, Status
from xr2text_monitor.readers.run_reader import RunFiles, RunReader
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
        self._readers: dict[str, RunReader] = {}

    def read(self) -> list[RunSummary]:
        """The runs, those written last first."""
        for name in set(names_below(self.out / "data" / "statistics")) - self._readers.keys():
            with suppress(ValueError):
                self._readers[name] = RunReader(RunFolder.under(self.out, name))
        now = time.time()
        runs = [(reader.folder, reader.read()) for reader in self._readers.values()]
        found = [_summary(folder, files, now) for folder, files in runs if files.status or len(files.history)]
        return sorted(found, key=lambda one: (-(one.written_at or 0.0), one.folder.name))


def names_below(statistics: Path) -> Iterator[str]:
    """Names of runs as --run takes them; folders that may not be entered are left out."""
    for pattern in PATTERNS:
        for name in FILES:
            with suppress(OSError):
                for path in statistics.glob(pattern + name):
                    parent = path.parent.relative_to(statistics).as_posix()
                    yield "" if parent == "." else parent


def _summary(folder: RunFolder, files: RunFiles, now: float) -> RunSummary:
    status, history = files.status or Status(), files.history
    state = state_of(files.status, history, files.process, files.age_s, files.remembered, now, files.problems)
    best, best_epoch = _best(status, history)
    epoch = status.epoch if status.epoch is not None else history.last.epoch if history.last else None
    written_at = None if files.age_s is None else now - files.age_s
    return RunSummary(folder, state.name, epoch, status.epochs, best, best_epoch, written_at)


def _best(status: Status, history: History) -> tuple[float | None, int | None]:
    if status.best_score is not None:
        return status.best_score, status.best_epoch
    row = history.best
    if row is None or row.bleu_4 is None or row.rouge_l is None:
        return None, None
    return row.bleu_4 + row.rouge_l, row.epoch
