"""One tiny training in a folder of its own, and what it looks like from outside: its files, its positions, its end."""

import csv
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from typing import Any

from processes import Forked, wait, without_shim

from xr2text_core.run.folder import RunFolder
from xr2text_core.run.history import HEADER, TIME_COLUMNS

# 4 epochs, 14 updates, about 2 s on one core; a third of the updates is followed by a save.
AUTOSAVE_S = 0.2
FLAGS = (
    *("--num-studies", "16", "--val-studies", "2", "--image-size", "64", "--max-tokens", "48"),
    *("--batch", "4", "--accumulation", "1", "--epochs", "4", "--checkpoint-every", "2"),
    *("--autosave-min", str(AUTOSAVE_S / 60), "--device", "cpu"),
)
PATIENCE_S = 180.0  # a start that takes longer hangs


@dataclass(frozen=True)
class Start:
    """One start of the trainer that is over: its exit code, its position when it ended, times of its updates."""

    code: int
    announced: int  # how many starts had announced themselves in events.jsonl by then
    update_times: tuple[float, ...]
    state: str  # in status.json at the end


@dataclass(frozen=True)
class Repeated:
    """Updates that a start has to do again, and how long they had taken."""

    steps: int
    seconds: float


class Kept:
    """Lines that a run has shown to its readers; bytes of them that are gone later are lost."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.rows: list[dict[str, str]] = []

    def look(self, run: "TinyRun") -> None:
        self.events = max(self.events, whole_lines(run.files.events), key=len)
        self.rows = max(self.rows, run.rows(), key=len)

    def bytes_lost(self, run: "TinyRun") -> int:
        events, rows = set(whole_lines(run.files.events)), [without_best(row) for row in run.rows()]
        lost = [line for line in self.events if line not in events]
        lost += [",".join(row.values()) for row in self.rows if without_best(row) not in rows]
        return sum(len(line.encode()) + 1 for line in lost)


@dataclass
class TinyRun:
    """A training that is started again and again in `folder` until it ends."""

    folder: Path
    flags: tuple[str, ...] = FLAGS
    starts: list[Start] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)

    @property
    def files(self) -> RunFolder:
        return RunFolder.under(self.folder)

    @property
    def output(self) -> Path:
        """What all starts wrote to the terminal; beside the folder, which may be a disk that is full."""
        return self.folder.with_name(f"{self.folder.name}.txt")

    def printed(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def start(self, before: Callable[[], None] | None = None) -> Forked:
        """Start the trainer by fork; `before` runs in the child ahead of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Forked([*self.flags, "--out", str(self.folder)], self.output, before)

    def start_command(self) -> Popen[bytes]:
        """Start the trainer as a user does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "xr2text_core.train", *self.flags, "--out", str(self.folder)]
        with self.output.open("ab") as output:
            return Popen(command, stdout=output, stderr=output, env=without_shim())

    def ended(self, process: "Forked | Popen[Any]", code: int) -> Start:
        """Take down how a start ended, and what it left that must not go away again."""
        times = process.steps.taken() if isinstance(process, Forked) else ()
        start = Start(code, len(self.announcements()), times, self.state())
        self.starts.append(start)
        self.kept.look(self)
        return start

    def run_to_the_end(self, before: Callable[[], None] | None = None) -> int:
        """Start again until a start ends well, or is refused; returns its exit code."""
        process = self.start(before)
        return self.ended(process, wait(process, PATIENCE_S)).code

    def last_words(self) -> str:
        return (self.printed().rstrip().splitlines() or ["nothing"])[-1]

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.output.unlink(missing_ok=True)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.files.events) if is_json(line)]

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events()]

    def announcements(self) -> list[int]:
        """The step at which each start that came so far began."""
        return [event["step"] for event in self.events() if event["kind"] in ("started", "resumed")]

    def state(self) -> str:
        try:
            return str(json.loads(self.files.status.read_text())["state"])
        except (OSError, ValueError, KeyError):
            return "importing"  # or whatever comes before the first status

    def rows(self) -> list[dict[str, str]]:
        """The history without what depends on the clock."""
        lines = whole_lines(self.files.history)
        return [{key: row[key] or "" for key in row if key not in TIME_COLUMNS} for row in csv.DictReader(lines)]

    def updates_repeated(self) -> list[Repeated]:
        """For each start that was followed by another: the updates that were done again."""
        begun, repeated = self.announcements(), []
        for start, following in pairwise(self.starts):
            if start.announced and following.announced > start.announced and start.update_times:
                first = begun[start.announced - 1]
                lost = max(0, first + len(start.update_times) - begun[start.announced])
                times = start.update_times
                repeated.append(Repeated(lost, times[-1] - times[-lost - 1 :][0]))
        return repeated


def without_best(row: dict[str, str]) -> dict[str, str]:
    """What an epoch measured; whether it was the best changes when a better one could not be saved."""
    return {name: cell for name, cell in row.items() if name != "is_best"}


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that have their end."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return text[: text.rfind("\n") + 1].splitlines()


def is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def torn_lines(run: TinyRun) -> list[str]:
    """Lines of the CSV files and of events.jsonl that are not whole."""
    torn = []
    for path in (run.files.history, run.files.best_results):
        if path.is_file():
            width = len(HEADER)
            text = path.read_text(encoding="utf-8", errors="replace")
            lines = list(csv.reader(text.splitlines()))
            torn += [f"{path.name}: {line}" for line in lines if len(line) != width]
            torn += [] if text.endswith("\n") else [f"{path.name}: no end of line"]
    return torn + [f"events.jsonl: {line}" for line in whole_lines(run.files.events) if not is_json(line)]
