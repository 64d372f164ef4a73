"""Times and trends worked out from a snapshot: what the panels and the plain summary say beyond the bare fields."""

from dataclasses import dataclass

from xr2text_monitor.history import History
from xr2text_monitor.run_files import Status
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


def times(snapshot: Snapshot) -> Times:
    """Elapsed since this process started, the newest epochs' mean, and the time left as duration and as moment."""
    status, history = snapshot.status, snapshot.history
    recent = history.recent("epoch_s", 3)
    epoch_s = sum(recent) / len(recent) if recent else None
    if status is None:
        return Times(epoch_s=epoch_s)
    ended = status.state in ENDED or snapshot.state.name == "dead"
    until = status.updated_at if ended else snapshot.at
    elapsed = None if until is None or status.started_at is None else max(0.0, until - status.started_at)
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


def trend(history: History, name: str) -> float | None:
    """Newest value minus the one `TREND_EPOCHS` measured epochs earlier (or the first); None below two values."""
    values = history.recent(name, TREND_EPOCHS + 1)
    return values[-1] - values[0] if len(values) > 1 else None


def _own_estimate(status: Status, epoch_s: float | None) -> float | None:
    if epoch_s is None or status.epoch is None or status.epochs is None:
        return None
    return max(0.0, status.epochs - status.epoch + 1 - (step_fraction(status) or 0.0)) * epoch_s
