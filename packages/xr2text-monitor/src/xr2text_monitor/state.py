"""What a run is doing, and how we know. Silence alone is never taken for death, and writing always counts as life."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from xr2text_monitor.hardware.host import Process
from xr2text_monitor.readers.history import History
from xr2text_monitor.readers.run_files import Event, Problem, Status
from xr2text_monitor.text import duration

ENDED = ("finished", "interrupted", "failed")
NOT_LIVE = ("waiting", "reading", "silent", "dead", "unknown")
BUSY = ("starting", "caching", "training", "validating", "saving", "cooling", "stopping", "restarting")

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
SUPERVISED = ("started", "resumed", "restarted", "gave_up")  # the newest of these says what the supervisor does
START_S = 90.0  # after its pause the supervisor starts a trainer, which imports for a while before it writes
FIRST_STEPS = 2  # compile and warm up
STEPS = 3  # silence of this many steps or validations means nothing


@dataclass(frozen=True)
class RunState:
    """`name`: a state of the status, or restarting (by the supervisor), waiting, silent, dead, elsewhere, or unknown
    (the files cannot be read); `evidence` is a sentence for a person."""

    name: str
    evidence: str
    age_s: float | None = None  # since the last sign of life
    patience_s: float | None = None  # silence that would be too long

    @property
    def is_live(self) -> bool:
        return self.name not in (*ENDED, *NOT_LIVE)


class SignOfLife:
    """Time since the files of a run last changed, on our own clock: clocks of other machines may differ."""

    def __init__(self) -> None:
        self._seen: Hashable = None
        self._changed_at: float | None = None
        self._gone: tuple[int | None, Hashable] | None = None
        self._hidden_pid: int | None = None
        self.is_proven = False  # whether anything but our first look says when the last change was

    def age(self, seen: Hashable, first_age_s: float | None, now: float) -> float | None:
        """`seen` differs when something was written; `first_age_s`, by a date, counts at the first look.

        A date in the future, or none, proves nothing: the age then counts from the first look.
        """
        if seen is None:
            self._seen = self._changed_at = None
            self.is_proven = False
            return None
        if self._changed_at is None:
            self._changed_at, self._seen = now - max(0.0, first_age_s or 0.0), seen
            self.is_proven = first_age_s is not None
        elif seen != self._seen:
            self._changed_at, self._seen = now, seen
            self.is_proven = True
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


def state_of(
    status: Status | None,
    history: History,
    process: Process,
    age_s: float | None,
    events: Sequence[Event] = (),
    wall: float = 0.0,
    problems: Sequence[Problem] = (),
) -> RunState:
    """The state with its evidence. `process` is what the process list says of the writer of `status`, and `wall` the
    time in Unix seconds."""
    ending = next((one for one in reversed(events) if one.kind in SUPERVISED), None)
    is_ended = ending is not None and ending.kind in ("restarted", "gave_up")  # and what was just written is that event
    state = _by_status(status, history, process, age_s, can_be_fresh=not is_ended)
    if state.name == "dead":
        return _supervised(state, ending, wall) if ending is not None and is_ended else state
    blind = [problem for problem in problems if problem.is_hanging or problem.name == "status.json"]
    if status is None and not len(history):
        blind = list(problems)
    if blind:
        return RunState("unknown", str(blind[0]), age_s, state.patience_s)
    return state


def _by_status(
    status: Status | None, history: History, process: Process, age_s: float | None, can_be_fresh: bool
) -> RunState:
    if status is None:
        return _without_status(history, age_s)
    if not status.state:
        return RunState("unknown", "status.json names no state", age_s)
    if status.state in ENDED:
        return RunState(status.state, status.message or f"the trainer wrote that it {_ENDING[status.state]}", age_s)
    patience = patience_s(status, history)
    doing, pid = status.state, f"pid {status.pid}"
    is_fresh = can_be_fresh and age_s is not None and age_s < FRESH_S
    if process in ("gone", "reused") and not is_fresh:
        what = "is gone" if process == "gone" else "now belongs to another process"
        return RunState("dead", f"{pid} {what}; it was {doing}", age_s, patience)
    if process == "stopped":
        return RunState("silent", f"{pid} is stopped (suspended) while {doing}", age_s, patience)
    is_silent = age_s is not None and age_s > patience
    if process == "elsewhere":
        return _elsewhere(status, is_silent, age_s, patience)
    if age_s is None and process == "unknown":
        return RunState(
            "unknown", f"{doing}, but its process cannot be inspected, and the files have no date", None, patience
        )
    if is_silent:
        known = f"{pid} still runs" if process == "alive" else "its process cannot be inspected"
        known_by = "this run may need" if len(history) else "a first epoch may need, whose rhythm is not known yet"
        longest = f"longer than the {duration(patience)} that {known_by}"
        return RunState("silent", f"silent while {doing}, {longest}; {known}", age_s, patience)
    known = f"{pid} runs" if process == "alive" else f"{pid} is not seen, but the files are being written"
    return RunState(status.state, known, age_s, patience)


def patience_s(status: Status, history: History) -> float:
    """How long this run may be silent in its present state, from its own rhythm: three times its slowest so far."""
    patience = float(PATIENCE_S.get(status.state, 900))
    if status.state == "training" and len(history):
        step_s = max(history.recent("epoch_s", 5), default=0.0) / (status.steps_in_epoch or 1)
        return max(patience, STEPS * step_s)
    if status.state == "training":
        return max(patience, STEPS * _first_rhythm_s(status))
    if status.state == "validating":
        patience = max(patience, STEPS * max(history.recent("validation_s", 5), default=0.0))
    return patience


def _first_rhythm_s(status: Status) -> float:
    """Seconds a step takes, before an epoch is done: by the speed and by the clock; where neither tells, many."""
    unknown_s = PATIENCE_S["starting"] / STEPS
    if (status.step or 0) < FIRST_STEPS:
        return unknown_s
    known = []
    if status.studies_per_s and status.micro_batch and status.accumulation:
        known.append(status.micro_batch * status.accumulation / status.studies_per_s)
    if status.started_at is not None and status.updated_at is not None and status.step:
        known.append((status.updated_at - status.started_at) / status.step)
    return max(known, default=unknown_s)


def _supervised(dead: RunState, ending: Event, wall: float) -> RunState:
    """A supervisor that said it starts the trainer again is believed for as long as that takes."""
    if ending.kind == "gave_up":
        return replace(dead, evidence=f"{dead.evidence}; the supervisor gave up")
    left_s = (ending.at or 0.0) + (ending.delay_s or 0.0) - wall
    if left_s > 0:
        return replace(
            dead, name="restarting", evidence=f"the supervisor starts the trainer again in {duration(left_s)}"
        )
    if left_s > -START_S:
        return replace(dead, name="restarting", evidence="the supervisor has just started the trainer again")
    return replace(dead, evidence=f"{dead.evidence}; the supervisor announced a restart, and no trainer came")


def _without_status(history: History, age_s: float | None) -> RunState:
    if len(history):
        evidence = f"no status.json, so it is unknown whether it runs; a history of {len(history)} epochs is there"
        return RunState("unknown", evidence, age_s)
    return RunState("waiting", "no status.json yet: start a run; this screen follows", age_s)


def _elsewhere(status: Status, is_silent: bool, age_s: float | None, patience: float) -> RunState:
    where = f"{status.state} on host {status.host}, whose processes cannot be seen from here"
    if is_silent:
        return RunState("silent", f"silent while {where}", age_s, patience)
    return RunState("elsewhere", where, age_s, patience)


_ENDING = {"finished": "has finished", "interrupted": "was interrupted", "failed": "has failed"}
