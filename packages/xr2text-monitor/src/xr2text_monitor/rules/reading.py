"""What rules look at and what they answer. All clocks are arguments; nothing here is read or remembered."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.readers.history import History
from xr2text_monitor.readers.run_files import Checkpoint, Event, Problem, RunInfo, Status
from xr2text_monitor.state import RunState

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # in rising order

GUIDE_C = 85.0
GUIDE_GIB = 7.5  # of a card with 8 GiB
GUIDE_CARD_MIB = (7.6 * 1024, 8.4 * 1024)  # what such cards report as their total
LARGE_SHARE = 0.94  # of every other card: as much as 7.5 of 8

RUN, MACHINE, MONITOR = "run", "machine", "monitor"


@dataclass(frozen=True)
class Limits:
    """What the user asked to be warned of. None: the guide's, where they fit the card."""

    temperature_c: float | None = None
    memory_gib: float | None = None
    memory_percent: float | None = None  # of the card, instead of GiB

    def temperature(self, gpu: Gpu) -> float:
        """Degrees C: what was asked for, else 85 or, where it is lower, the card's own slowdown threshold."""
        if self.temperature_c is not None:
            return self.temperature_c
        return GUIDE_C if gpu.slowdown_c is None else min(GUIDE_C, gpu.slowdown_c)

    def memory_mib(self, total_mib: float | None) -> float | None:
        """MiB. By default 7.5 GiB on a card of 8, and the same share of any other."""
        if self.memory_percent is not None:
            return None if total_mib is None else total_mib * self.memory_percent / 100
        if self.memory_gib is not None:
            return self.memory_gib * 1024
        if total_mib is None or GUIDE_CARD_MIB[0] <= total_mib <= GUIDE_CARD_MIB[1]:
            return GUIDE_GIB * 1024
        return total_mib * LARGE_SHARE


class Reading(NamedTuple):
    """One look at one rule. `is_over` None: not known now. `is_over` raises, only `is_clear` takes back.

    `since` in Unix seconds, by the evidence; None: since this look. `is_unknown`: what is told is that something
    cannot be known.
    """

    key: str
    is_over: bool | None
    is_clear: bool
    title: str
    advice: str
    severity: Severity = "warning"
    group: str = RUN
    value: float | None = None
    since: float | None = None
    is_unknown: bool = False


@dataclass(frozen=True)
class Watched:
    """All that the rules look at."""

    state: RunState
    status: Status | None
    history: History
    events: tuple[Event, ...]
    checkpoints: tuple[Checkpoint, ...]
    info: RunInfo
    gpus: tuple[Gpu, ...]
    host: Host
    gpu_problem: str = ""  # why a driver that should answer does not
    problems: tuple[Problem, ...] = ()  # files that cannot be read
    other_host: str = ""  # where the trainer works, if not here
    command_problem: str = ""  # why the command of --on-alert failed

    @property
    def is_working(self) -> bool:
        """Nothing says that the trainer has ended."""
        return self.state.is_live or self.state.name in ("silent", "unknown")

    @property
    def uses_local_gpu(self) -> bool:
        """As far as is known: while nothing can be read, the GPUs are watched all the same."""
        if self.status is None:
            return self.state.name == "unknown"
        return self.status.device != "cpu" and not self.other_host


def group_of(gpu: Gpu) -> str:
    return f"GPU {gpu.index}"
