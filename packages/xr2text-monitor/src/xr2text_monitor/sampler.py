"""Joins readers, state and alerts into one picture of a run at one moment. Knows no widgets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xr2text_monitor.alerts import Alert, AlertBook, Change, Limits, Watched
from xr2text_monitor.gpu import GpuReport
from xr2text_monitor.history import History, HistoryReader
from xr2text_monitor.host import Host, Process, look_at_process, read_host
from xr2text_monitor.run_files import (
    FORMAT,
    Checkpoint,
    Event,
    EventsReader,
    JsonReader,
    RunFolder,
    RunInfo,
    Status,
    list_checkpoints,
    run_info_from,
    status_from,
)
from xr2text_monitor.state import RunState, SignOfLife, state_of


@dataclass(frozen=True)
class Snapshot:
    """Everything the monitor knows at `at` (Unix seconds): what the screen draws and what --json prints."""

    at: float
    folder: RunFolder
    state: RunState
    status: Status | None = None
    info: RunInfo = field(default_factory=RunInfo)
    history: History = field(default_factory=History)
    events: tuple[Event, ...] = ()
    num_events: int = 0  # since the file began, of which `events` are the newest
    checkpoints: tuple[Checkpoint, ...] = ()
    gpu: GpuReport = field(default_factory=GpuReport)
    host: Host = field(default_factory=Host)
    alerts: tuple[Alert, ...] = ()
    changes: tuple[Change, ...] = ()  # warnings raised or taken back at this look
    other_runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_run(self) -> bool:
        return self.status is not None or len(self.history) > 0


class Sampler:
    """Reads all sources of one run; `gpu` gives the GPUs. One thread uses it at a time."""

    def __init__(self, folder: RunFolder, limits: Limits, gpu: Callable[[], GpuReport]) -> None:
        self.folder = folder
        self._status = JsonReader(folder.statistics / "status.json")
        self._info = JsonReader(folder.statistics / "run.json")
        self._history = HistoryReader(folder.statistics / "training_history.csv")
        self._events = EventsReader(folder.statistics / "events.jsonl")
        self._life = SignOfLife()
        self._book = AlertBook(limits)
        self._gpu = gpu

    def for_run(self, folder: RunFolder) -> "Sampler":
        """Another run with the same limits and GPUs."""
        return Sampler(folder, self._book.limits, self._gpu)

    def sample(self) -> Snapshot:
        """Look once. Never raises for anything a file, a driver or a process may do."""
        wall, now = time.time(), time.monotonic()
        history, events = self._history.read(), tuple(self._events.read())
        status, process = self._status_and_process()
        first_age = None if self._status.modified_at is None else wall - self._status.modified_at
        seen = None if status is None else (self._status.stamp, history.version, self._events.num_read)
        state = state_of(status, history, process, self._life.age(seen, first_age, now))
        info = run_info_from(self._info.read() or {})
        weights = self._checkpoints_folder(status)
        checkpoints = tuple(list_checkpoints(weights, status))
        host = read_host(weights, status.pid if status and process in ("alive", "stopped") else None)
        gpu = self._gpu()
        watched = Watched(state, status, history, events, checkpoints, info, gpu.gpus, host)
        changes = tuple(self._book.update(watched, now, wall))
        others = () if status or len(history) else tuple(self.folder.named_runs()[:9])
        return Snapshot(
            wall,
            self.folder,
            state,
            status,
            info,
            history,
            events,
            self._events.num_read,
            checkpoints,
            gpu,
            host,
            self._book.standing,
            changes,
            others,
            _notes(status),
        )

    def _checkpoints_folder(self, status: Status | None) -> Path:
        """Beside the statistics; where they are not, as in a copied folder, the one that the trainer names."""
        own = self.folder.checkpoints
        if status is None or not status.checkpoints_dir or own.is_dir():
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


def _notes(status: Status | None) -> tuple[str, ...]:
    if status is not None and status.format is not None and status.format > FORMAT:
        return (f"status.json has format {status.format}, this monitor knows {FORMAT}: update it",)
    return ()
