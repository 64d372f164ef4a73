"""Joins files, GPUs, machine, state and alerts into one picture of a run at one moment. Knows no widgets."""

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from xr2text_monitor.alerts import AlertBook, Limits, Watched
from xr2text_monitor.hardware.gpu import GpuReport
from xr2text_monitor.hardware.host import Host, read_host
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.run_files import FORMAT, Problem, RunFolder, Status
from xr2text_monitor.readers.run_reader import RunFiles, RunReader
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState, state_of
from xr2text_monitor.text import duration

if TYPE_CHECKING:
    from xr2text_monitor.on_alert import AlertCommand  # loaded only where there is a command

__all__ = ["Sampler", "Snapshot"]

FILES_S = 2.0  # one look at the files may take this long; GPU and machine do not wait longer
LATE_S = 0.05  # nor this long when the last look has not come back


class Sampler:
    """Looks at one run; `gpu` gives the newest answer of the driver at once. One thread uses it at a time."""

    def __init__(
        self,
        folder: RunFolder,
        limits: Limits,
        gpu: Callable[[], GpuReport],
        command: "AlertCommand | None" = None,
        files_s: float = FILES_S,
    ) -> None:
        self.folder, self.limits = folder, limits
        self._gpu, self._command, self._files_s = gpu, command, files_s
        self._reader = RunReader(folder)
        self._errand = Errand(self._reader.read, "files")
        self._files = RunFiles()
        self._read_at = time.monotonic()
        self._book = AlertBook(limits)

    def moved_to(self, folder: RunFolder) -> "Sampler":
        """The same for another run: same limits, driver and command."""
        if self._command is not None:
            self._command.move_to(folder.name)
        return Sampler(folder, self.limits, self._gpu, self._command, self._files_s)

    def start(self) -> None:
        """Begin to read the files, so that they are read while the driver is waited for."""
        self._errand.start()

    def stop(self) -> None:
        """Read no more; frees what was read."""
        self._errand.stop()

    def sample(self) -> Snapshot:
        """Look once, in little more than `files_s`. Never raises for what a file, a driver or a process may do."""
        files, gpu = self._read_files(), self._gpu()
        wall, status = time.time(), files.status
        state = self._state(files, wall)
        host = read_host(files.disk, status.pid if status and files.process in ("alive", "stopped") else None)
        watched = self._watched(files, state, gpu, host)
        changes = tuple(self._book.update(watched, time.monotonic(), wall))
        snapshot = Snapshot(
            wall,
            self.folder,
            state,
            status,
            files.info,
            files.history,
            files.events,
            files.num_events,
            files.checkpoints,
            gpu,
            host,
            self._book.standing,
            changes,
            files.other_runs,
            _notes(status),
            files.generation,
            watched.other_host,
            files.problems,
        )
        if self._command is not None:
            self._command.tell(snapshot)
        return snapshot

    def _state(self, files: RunFiles, wall: float) -> RunState:
        state = state_of(
            files.status, files.history, files.process, files.age_s, files.remembered, wall, files.problems
        )
        if state.name == "waiting" and files.similar_run:
            return RunState(state.name, f"no run {self.folder.name}: did you mean --run {files.similar_run}?")
        return state

    def _watched(self, files: RunFiles, state: RunState, gpu: GpuReport, host: Host) -> Watched:
        status = files.status
        return Watched(
            state,
            status,
            files.history,
            files.remembered,
            files.checkpoints,
            files.info,
            gpu.gpus,
            host,
            gpu.note if gpu.is_failing else "",
            files.problems,
            status.host if status and status.host and status.host != socket.gethostname() else "",
            self._command.problem if self._command else "",
        )

    def _read_files(self) -> RunFiles:
        """A new look at the files, or while that hangs the last one, which says so."""
        found = self._errand.result(LATE_S if self._errand.late_s > self._files_s else self._files_s)
        if found is not None:
            self._files, self._read_at = found, time.monotonic()
            return found
        problem = Problem(self._reader.reading, f"no answer for {duration(self._errand.late_s)}", is_hanging=True)
        return self._files.stuck(problem, time.monotonic() - self._read_at)


def _notes(status: Status | None) -> tuple[str, ...]:
    if status is not None and status.format is not None and status.format > FORMAT:
        return (f"status.json has format {status.format}, this monitor knows {FORMAT}: update it",)
    return ()
