"""Times and trends worked out from a snapshot: what the panels and the plain summary say beyond the bare fields."""

from dataclasses import dataclass

from xr2text_monitor.history import History
from xr2text_monitor.run_files import Status, parse_time
from xr2text_monitor.sampler import Snapshot
from xr2text_monitor.state import ENDED

STAGES = ("normal_cases", "single_region", "multi_region", "complex_cases")
TREND_EPOCHS = 5


@dataclass(frozen=True)
class Times:
    """Seconds; `finish_at` in Unix seconds. `is_own_estimate`: worked out here because the status has no eta_s."""

    elapsed_s: float | None = None
    epoch_s: float | None = None
    eta_s: float | None = None
    finish_at: float | None = None
    is_own_estimate: bool = False


@dataclass(frozen=True)
class Trend:
    """A change, and over how many epochs."""

    change: float
    epochs: int


def times(snapshot: Snapshot) -> Times:
    """Time worked, the newest epochs' mean, and the time left as duration and as moment."""
    status, history = snapshot.status, snapshot.history
    recent = history.recent("epoch_s", 3)
    epoch_s = sum(recent) / len(recent) if recent else None
    if status is None:
        return Times(worked_s(snapshot, snapshot.at), epoch_s)
    ended = status.state in ENDED or snapshot.state.name == "dead"
    until = status.updated_at if ended else snapshot.at
    elapsed = worked_s(snapshot, snapshot.at if until is None else until)
    if ended:
        return Times(elapsed, epoch_s)
    left, own = status.eta_s, False
    if left is None:
        left, own = _own_estimate(status, epoch_s), True
    written = status.updated_at if status.updated_at is not None else snapshot.at
    if left is None:
        return Times(elapsed, epoch_s)
    left = max(0.0, left - max(0.0, snapshot.at - written))
    return Times(elapsed, epoch_s, left, snapshot.at + left, own)


def step_fraction(status: Status | None) -> float | None:
    """Share of the epoch's steps that are done, 0..1."""
    if status is None or status.step is None or not status.steps_in_epoch:
        return None
    return min(1.0, max(0.0, status.step / status.steps_in_epoch))


def run_fraction(status: Status) -> float | None:
    """Share of all planned epochs that is done, 0..1."""
    if status.epoch is None or not status.epochs:
        return None
    if status.state == "finished":
        return 1.0
    return min(1.0, max(0.0, (status.epoch - 1 + (step_fraction(status) or 0.0)) / status.epochs))


def stage_number(stage: str) -> int | None:
    """1..4 for the stages of the curriculum; None for others (all_cases: trained without one)."""
    return STAGES.index(stage) + 1 if stage in STAGES else None


def trend(history: History, name: str) -> Trend | None:
    """Newest value against the one `TREND_EPOCHS` rows earlier, or the oldest since; None below two values."""
    rows = zip(history.epochs[-TREND_EPOCHS - 1 :], history.columns[name][-TREND_EPOCHS - 1 :], strict=True)
    values = [(epoch, value) for epoch, value in rows if value == value]
    if len(values) < 2:
        return None
    return Trend(values[-1][1] - values[0][1], int(values[-1][0] - values[0][0]))


def worked_s(snapshot: Snapshot, until: float) -> float | None:
    """Seconds of work in this run, all its starts together: its epochs, and what came since the newest of them."""
    status, last = snapshot.status, snapshot.history.last
    epochs = sum(value for value in snapshot.history.columns["epoch_s"] if value == value)
    began = [status.started_at if status else None, parse_time(last.finished_at) if last else None]
    known = [moment for moment in began if moment is not None]
    if not known:
        return epochs or None
    return epochs + (max(0.0, until - max(known)) if status is not None else 0.0)


def _own_estimate(status: Status, epoch_s: float | None) -> float | None:
    if epoch_s is None or status.epoch is None or status.epochs is None:
        return None
    return max(0.0, status.epochs - status.epoch + 1 - (step_fraction(status) or 0.0)) * epoch_s
