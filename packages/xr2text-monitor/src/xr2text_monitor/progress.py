"""Times and trends worked out from a snapshot: what the panels and the plain summary say beyond the bare fields."""

import math
from bisect import bisect_left
from typing import NamedTuple

from xr2text_monitor.readers.history import History
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import ENDED

STAGES = ("normal_cases", "single_region", "multi_region", "complex_cases")
TREND_EPOCHS = 5
AT_WORK = ("training", "validating", "saving", "elsewhere")  # what is left shrinks with the clock


class Times(NamedTuple):
    """Seconds; `finish_at` in Unix seconds. `is_own_estimate`: worked out here because the status has no eta_s."""

    elapsed_s: float | None = None
    epoch_s: float | None = None
    eta_s: float | None = None
    finish_at: float | None = None
    is_own_estimate: bool = False


def times(snapshot: Snapshot) -> Times:
    """Elapsed over all starts of the run, the newest epochs' mean, and the time left as duration and as moment.

    The time left is known only while the run works: a hung or dead one will not be done at any time.
    """
    status, history = snapshot.status, snapshot.history
    recent = history.recent("epoch_s", 3)
    epoch_s = sum(recent) / len(recent) if recent else None
    if status is None:
        return Times(epoch_s=epoch_s)
    elapsed = _elapsed(snapshot, status)
    left, own = status.eta_s, False
    if left is None or not math.isfinite(left) or left < 0:
        left, own = _own_estimate(status, epoch_s), True
    if left is None or not snapshot.state.is_live or status.state in ENDED:
        return Times(elapsed, epoch_s)
    if snapshot.state.name in AT_WORK:
        left -= snapshot.state.age_s or 0.0  # by our own clock: the trainer's may be wrong
    return Times(elapsed, epoch_s, left, snapshot.at + left, own) if left > 0 else Times(elapsed, epoch_s)


def _elapsed(snapshot: Snapshot, status: Status) -> float | None:
    """Since this process started to work, and before it the epochs of the processes whose work it resumes."""
    is_over = status.state in ENDED or snapshot.state.name in ("dead", "restarting")
    until = status.updated_at if is_over else snapshot.at
    if snapshot.other_host and not is_over and status.updated_at is not None:
        until = status.updated_at + (snapshot.state.age_s or 0.0)  # two moments of one clock
    if until is None or status.started_at is None:
        return None
    history = snapshot.history
    resumed = next((one.epoch for one in reversed(snapshot.events) if one.kind in ("resumed", "started")), None)
    num_earlier = bisect_left(history.epochs, resumed) if resumed is not None else 0
    earlier = sum(seconds for seconds in history.columns["epoch_s"][:num_earlier] if math.isfinite(seconds))
    return max(0.0, until - status.started_at) + earlier


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
    """Newest value minus the one `TREND_EPOCHS` values earlier, or the first; None below two values."""
    values = history.recent(name, TREND_EPOCHS + 1)
    return values[-1] - values[0] if len(values) > 1 else None


def trend_epochs(history: History, name: str) -> int:
    """Over how many epochs the trend goes: five, fewer at the beginning, more where not every epoch is validated."""
    newest = history.newest(name, TREND_EPOCHS + 1)
    return newest[-1][0] - newest[0][0] if newest else 0


def _own_estimate(status: Status, epoch_s: float | None) -> float | None:
    if epoch_s is None or status.epoch is None or status.epochs is None:
        return None
    return max(0.0, status.epochs - status.epoch + 1 - (step_fraction(status) or 0.0)) * epoch_s
