"""Everything of a run that lies on a disk, read in one go. May hang where the disk does: see errand.py."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from xr2text_monitor.hardware.host import Process, disk_space, look_at_process
from xr2text_monitor.readers.history import History, HistoryReader
from xr2text_monitor.readers.run_files import (
    Checkpoint,
    Event,
    EventsReader,
    JsonReader,
    Problem,
    RunFolder,
    RunInfo,
    Status,
    look_for_checkpoints,
    run_info_from,
    status_from,
)
from xr2text_monitor.state import SignOfLife

NUM_OTHERS = 9
FUTURE_S = 2.0  # how far dates may lie ahead: some file systems round them
FUTURE_ELSEWHERE_S = 300.0  # and clocks of two machines differ


class RunFiles(NamedTuple):
    """What the files of a run say. `age_s`: since they last changed; None where nothing proves when that was."""

    status: Status | None = None
    process: Process = "unknown"
    age_s: float | None = None
    info: RunInfo = RunInfo()
    history: History = History()
    events: tuple[Event, ...] = ()
    remembered: tuple[Event, ...] = ()  # and the newest of each kind before them
    num_events: int = 0
    generation: int = 0
    checkpoints: tuple[Checkpoint, ...] = ()
    disk: tuple[int | None, int | None] = (None, None)  # bytes free and in total where the checkpoints go
    other_runs: tuple[str, ...] = ()
    similar_run: str = ""
    problems: tuple[Problem, ...] = ()

    def stuck(self, problem: Problem, more_s: float) -> "RunFiles":
        """The same while reading hangs: older by `more_s`, and the process is not looked at either."""
        age_s = None if self.age_s is None else self.age_s + more_s
        return self._replace(problems=(problem, *self.problems), age_s=age_s)


class RunReader:
    """Reads the files of one run; used by one thread at a time. `reading` names what it is at, should it hang there."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.reading = ""
        self._status = JsonReader(folder.statistics / "status.json")
        self._info = JsonReader(folder.statistics / "run.json")
        self._history = HistoryReader(folder.statistics / "training_history.csv")
        self._events = EventsReader(folder.statistics / "events.jsonl")
        self._life = SignOfLife()

    def read(self) -> RunFiles:
        """Look once. Never raises for anything that a file may be."""
        self.reading = "training_history.csv"
        history = self._history.read()
        self.reading = "events.jsonl"
        events = tuple(self._events.read())
        self.reading = "status.json"
        status, process = self._status_and_process()
        seen = None if status is None else (self._status.stamp, history.version, self._events.num_read)
        age_s = self._life.age(seen, self._first_age(status, process), time.monotonic())
        self.reading = "run.json"
        info = run_info_from(self._info.read() or {})
        self.reading = "the checkpoints"
        weights = self._checkpoints_folder(status)
        checkpoints, problem = look_for_checkpoints(weights, status)
        disk = disk_space(weights)
        self.reading = "the other runs"
        others = () if status or len(history) else tuple(self.folder.named_runs()[:NUM_OTHERS])
        return RunFiles(
            status,
            process,
            age_s if self._life.is_proven else None,
            info,
            history,
            events,
            self._events.remembered(),
            self._events.num_read,
            self._events.generation,
            tuple(checkpoints),
            disk,
            others,
            self.folder.similar(others) if self.folder.name else "",
            self._problems(problem),
        )

    def _first_age(self, status: Status | None, process: Process) -> float | None:
        """By the date of the file or, where that lies in the future, by what the trainer wrote."""
        ahead_s = FUTURE_ELSEWHERE_S if process == "elsewhere" else FUTURE_S
        dates = (self._status.modified_at, status.updated_at if status else None)
        ages = [time.time() - date for date in dates if date is not None]
        return next((age for age in ages if age >= -ahead_s), None)

    def _problems(self, checkpoints: str) -> tuple[Problem, ...]:
        found = (
            Problem("status.json", self._status.problem),
            Problem("training_history.csv", self._history.problem),
            Problem("events.jsonl", self._events.file.problem),
            Problem("run.json", self._info.problem),
            Problem("the checkpoints", checkpoints),
        )
        return tuple(problem for problem in found if problem.reason)

    def _checkpoints_folder(self, status: Status | None) -> Path:
        """Beside the statistics; where they are not, as in a copied folder, the one that the trainer names."""
        own = self.folder.checkpoints
        if status is None or not status.checkpoints_dir or os.path.lexists(own):
            return own
        return Path(status.checkpoints_dir)

    def _status_and_process(self) -> tuple[Status | None, Process]:
        """The status is read again after its process was found gone: it may have written its last word in between."""
        status, process = self._look()
        if process in ("gone", "reused"):
            status, process = self._look()
        return status, self._life.judge(process, status.pid if status else None, self._status.stamp)

    def _look(self) -> tuple[Status | None, Process]:
        contents = self._status.read()
        if contents is None:
            return None, "unknown"
        status = status_from(contents)
        return status, look_at_process(status.pid, status.host, status.process_started_s)
