"""What a run is doing, and how we know. Silence alone is never taken for death, and writing always counts as life."""

from collections.abc import Hashable
from dataclasses import dataclass

from xr2text_monitor.history import History
from xr2text_monitor.host import Process
from xr2text_monitor.run_files import Status
from xr2text_monitor.text import duration

ENDED = ("finished", "interrupted", "failed")
BUSY = ("starting", "caching", "training", "validating", "saving", "cooling", "stopping")

# Longest silence that means nothing, by state, in seconds. Only `training` writes every second, and a step on a CPU may
# take long; the others write when they begin, so the run's own history corrects these where it is slower.
PATIENCE_S = {
    "training": 60,
    "validating": 600,
    "saving": 300,
    "caching": 900,
    "starting": 900,
    "cooling": 900,
    "stopping": 300,
}
FRESH_S = 5.0  # a file written this recently proves a writer, whatever the process list says


@dataclass(frozen=True)
class RunState:
    """`name`: a state of the status, or waiting, silent, dead, elsewhere; `evidence` is a sentence for a person."""

    name: str
    evidence: str
    age_s: float | None = None  # since the last sign of life
    patience_s: float | None = None  # silence that would be too long

    @property
    def is_live(self) -> bool:
        return self.name in BUSY or self.name == "elsewhere"


class SignOfLife:
    """Time since the files of a run last changed, on our own clock: clocks of other machines may differ."""

    def __init__(self) -> None:
        self._seen: Hashable = None
        self._changed_at: float | None = None
        self._gone: tuple[int | None, Hashable] | None = None
        self._hidden_pid: int | None = None

    def age(self, seen: Hashable, first_age_s: float | None, now: float) -> float | None:
        """`seen` differs when something was written; `first_age_s`, by the file's date, counts at the first look."""
        if seen is None:
            self._seen = self._changed_at = None
            return None
        if self._changed_at is None:
            self._changed_at, self._seen = now - max(0.0, first_age_s or 0.0), seen
        elif seen != self._seen:
            self._changed_at, self._seen = now, seen
        return max(0.0, now - self._changed_at)

    def judge(self, process: Process, pid: int | None, written: Hashable) -> Process:
        """A writer whose pid cannot be found, but who writes on, lives in another container: it cannot be checked.

        `written` differs whenever the status was written. To be called after the status was read.
        """
        if process not in ("gone", "reused"):
            self._gone = None
            return process
        if self._gone is None or self._gone[0] != pid:
            self._gone = (pid, written)
        elif self._gone[1] != written:
            self._hidden_pid = pid
        return "elsewhere" if pid is not None and pid == self._hidden_pid else process


def state_of(status: Status | None, history: History, process: Process, age_s: float | None) -> RunState:
    """The state with its evidence. `process` is what the process list says of the writer of `status`."""
    if status is None:
        return _without_status(history, age_s)
    if status.state in ENDED:
        return RunState(status.state, status.message or f"the trainer wrote that it {_ENDING[status.state]}", age_s)
    patience = patience_s(status, history)
    doing, pid = status.state or "in an unknown state", f"pid {status.pid}"
    is_fresh = age_s is not None and age_s < FRESH_S
    if process in ("gone", "reused") and not is_fresh:
        what = "is gone" if process == "gone" else "now belongs to another process"
        return RunState("dead", f"{pid} {what}; it was {doing}", age_s, patience)
    if process == "stopped":
        return RunState("silent", f"{pid} is stopped (suspended) while {doing}", age_s, patience)
    is_silent = age_s is not None and age_s > patience
    if process == "elsewhere":
        return _elsewhere(status, is_silent, age_s, patience)
    if is_silent:
        known = f"{pid} still runs" if process == "alive" else "its process cannot be looked at"
        longest = f"longer than the {duration(patience)} that this run may need"
        return RunState("silent", f"silent while {doing}, {longest}; {known}", age_s, patience)
    known = f"{pid} runs" if process == "alive" else f"{pid} is not seen, but the files are being written"
    return RunState(status.state or "starting", known, age_s, patience)


def patience_s(status: Status, history: History) -> float:
    """How long this run may be silent in its present state, from its own rhythm: three times its slowest so far."""
    patience = float(PATIENCE_S.get(status.state, 900))
    if status.state == "training" and status.steps_in_epoch:
        step_s = max(history.recent("epoch_s", 5), default=0.0) / status.steps_in_epoch
        patience = max(patience, 3 * step_s)
        if len(history) == 0 and not status.step:
            patience = max(patience, PATIENCE_S["starting"])  # the first step compiles and warms up
    if status.state == "validating":
        patience = max(patience, 3 * max(history.recent("validation_s", 5), default=0.0))
    return patience


def _without_status(history: History, age_s: float | None) -> RunState:
    if len(history):
        return RunState("waiting", f"no status.json; a history of {len(history)} epochs is there", age_s)
    return RunState("waiting", "no status.json yet: start a training, this screen follows", age_s)


def _elsewhere(status: Status, is_silent: bool, age_s: float | None, patience: float) -> RunState:
    where = f"{status.state} on host {status.host}, whose processes cannot be seen from here"
    if is_silent:
        return RunState("silent", f"silent while {where}", age_s, patience)
    return RunState("elsewhere", where, age_s, patience)


_ENDING = {"finished": "has finished", "interrupted": "was interrupted", "failed": "has failed"}
