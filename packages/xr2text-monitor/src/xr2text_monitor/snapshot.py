"""One picture of a run at one moment: what the screen draws, what --json prints and what --on-alert tells."""

from dataclasses import dataclass, field

from xr2text_monitor.alerts import Alert, Change
from xr2text_monitor.hardware.gpu import GpuReport
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.readers.history import History
from xr2text_monitor.readers.run_files import Checkpoint, Event, Problem, RunFolder, RunInfo, Status
from xr2text_monitor.state import RunState


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
    changes: tuple[Change, ...] = ()  # alerts raised or taken back at this look
    other_runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    generation: int = 0  # rises when the events began anew
    other_host: str = ""  # where the run works, if not here: GPU and machine are those of this computer
    problems: tuple[Problem, ...] = ()  # files that cannot be read

    @property
    def has_run(self) -> bool:
        return self.status is not None or len(self.history) > 0 or self.state.name == "unknown"

    @property
    def health(self) -> str:
        """`ok`, `info`, `unknown` (amber: nobody can tell), `warning` or `critical`: the worst that stands."""
        found = {"unknown" if alert.is_unknown else alert.severity for alert in self.alerts}
        if self.state.name == "unknown":
            found.add("unknown")
        return next((one for one in ("critical", "warning", "unknown", "info") if one in found), "ok")


class NewEvents:
    """Tells which events of a snapshot were not in the one before."""

    def __init__(self) -> None:
        self._generation = self._num = 0

    def of(self, snapshot: Snapshot) -> tuple[Event, ...]:
        """All of them where the file began anew, as for a new run, however many it has by now."""
        if snapshot.generation != self._generation or snapshot.num_events < self._num:
            self._num = 0
        count = min(snapshot.num_events - self._num, len(snapshot.events))
        self._generation, self._num = snapshot.generation, snapshot.num_events
        return snapshot.events[len(snapshot.events) - count :]
