"""The rules of the warnings, with hysteresis: a value at its threshold does not flicker. All clocks are arguments."""

import math
from dataclasses import dataclass, replace

from xr2text_monitor.gpu import Gpu
from xr2text_monitor.history import History
from xr2text_monitor.host import Host
from xr2text_monitor.run_files import Checkpoint, Event, RunInfo, Status
from xr2text_monitor.state import RunState
from xr2text_monitor.text import clean, duration, size

IDLE_S = 300.0
GAP_S = 10.0  # samples further apart than this do not count as watched in between (suspended computer, stopped monitor)
LOST_S = 30.0  # a warning whose reading stays away this long is taken back
RECENT_S = 600.0
NUM_SKIPPED = 3  # FP16 leaves out a step now and then to find its loss scale; this many in ten minutes are too many
TEMPERATURE_MARGIN_C = 3.0
MEMORY_MARGIN_MIB = 256.0
BYTES_PER_PARAMETER = 12  # weights and the two moments of AdamW in FP32: the size of a checkpoint not yet written


@dataclass(frozen=True)
class Limits:
    """What the user asked to be warned of. Memory is either GiB or a percentage of the GPU's own."""

    temperature_c: float = 85.0
    memory_gib: float | None = 7.5
    memory_percent: float | None = None

    def memory_mib(self, total_mib: float | None) -> float | None:
        if self.memory_percent is None:
            return None if self.memory_gib is None else self.memory_gib * 1024
        return None if total_mib is None else total_mib * self.memory_percent / 100


@dataclass(frozen=True)
class Reading:
    """One look at one rule. None: not known now. `is_over` raises, only `is_clear` takes back."""

    key: str
    is_over: bool | None
    is_clear: bool
    title: str
    advice: str
    value: float | None = None


@dataclass(frozen=True)
class Alert:
    """A warning that stands. `since` in Unix seconds; `peak` is the largest value since then."""

    key: str
    title: str
    advice: str
    since: float
    value: float | None = None
    peak: float | None = None


@dataclass(frozen=True)
class Change:
    """A warning that was raised or taken back at `at` (Unix seconds)."""

    alert: Alert
    is_raised: bool
    at: float


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


class AlertBook:
    """The warnings that stand, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.idle = IdleClock()
        self._standing: dict[str, Alert] = {}
        self._known_at: dict[str, float] = {}

    @property
    def standing(self) -> tuple[Alert, ...]:
        return tuple(self._standing.values())

    def update(self, watched: Watched, now: float, wall: float) -> list[Change]:
        """Look at every rule; `now` is monotonic, `wall` Unix time. Returns what was raised and what was taken back."""
        changes = []
        readings = _readings(watched, self.limits, self.idle.update(watched, now), wall)
        for reading in readings:
            changes += self._apply(reading, now, wall)
        known = {reading.key for reading in readings if reading.is_over is not None}
        self._known_at.update(dict.fromkeys(known, now))
        for key in [key for key in self._standing if now - self._known_at.get(key, now) > LOST_S]:
            changes.append(Change(self._standing.pop(key), False, wall))
        return changes

    def _apply(self, reading: Reading, now: float, wall: float) -> list[Change]:
        old = self._standing.get(reading.key)
        if old is None:
            if not reading.is_over:
                return []
            alert = Alert(reading.key, reading.title, reading.advice, wall, reading.value, reading.value)
            self._standing[reading.key] = alert
            self._known_at[reading.key] = now
            return [Change(alert, True, wall)]
        if reading.is_over is not None and reading.is_clear:
            return [Change(self._standing.pop(reading.key), False, wall)]
        if reading.is_over is not None:
            peak = max((x for x in (old.peak, reading.value) if x is not None), default=None)
            self._standing[reading.key] = replace(old, title=reading.title, value=reading.value, peak=peak)
        return []


class IdleClock:
    """Seconds of valid 0 % readings while the state says training. Any work, or a gap in watching, starts it again.

    A step that was taken is work too: in WSL the driver always says 0 %.
    """

    def __init__(self) -> None:
        self.idle_s = 0.0
        self._last: float | None = None
        self._step: int | None = None

    def update(self, watched: Watched, now: float) -> float | None:
        """None: this look does not count (another state, no GPU in use, a reading is missing)."""
        busiest = _busiest(watched)
        if busiest is None:
            self._last = None
            return None
        gap = None if self._last is None else now - self._last
        self._last = now
        step_before, self._step = self._step, watched.status.step if watched.status else None
        if busiest > 0 or self._step != step_before or (gap is not None and gap > GAP_S):
            self.idle_s = 0.0
        elif gap is not None:
            self.idle_s += gap
        return self.idle_s


def gpus_of_run(gpus: tuple[Gpu, ...], status: Status | None) -> tuple[Gpu, ...]:
    """The GPUs the trainer works on: those that list its pid, else those of the name it reports, else all."""
    if status is None or status.device == "cpu":
        return ()
    by_pid = tuple(gpu for gpu in gpus if status.pid in gpu.pids)
    by_name = tuple(gpu for gpu in gpus if status.device and gpu.name and gpu.name in status.device)
    return by_pid or by_name or gpus


def _busiest(watched: Watched) -> float | None:
    if watched.state.name != "training":
        return None
    values = [gpu.utilisation for gpu in gpus_of_run(watched.gpus, watched.status)]
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and max(known) == 0):
        return None
    return max(known)


def _readings(watched: Watched, limits: Limits, idle_s: float | None, wall: float) -> list[Reading]:
    readings = [
        _life(watched.state),
        _idle(idle_s),
        _finite(watched),
        _skipped(watched, wall),
        _out_of_memory(watched, wall),
        _disk(watched),
    ]
    for gpu in watched.gpus:
        readings += [_temperature(gpu, limits), _memory(gpu, limits), _throttling(gpu)]
    return readings


def _life(state: RunState) -> Reading:
    titles = {"dead": "presumed dead", "silent": "no sign of life", "failed": "the run has failed"}
    advice = "start the same training command again: it resumes from the newest checkpoint"
    if state.name == "silent":
        advice = "look at train.log and at the trainer's terminal; a restart resumes from the newest checkpoint"
    title = f"{titles.get(state.name, '')}: {state.evidence}"
    bad = state.name in titles
    return Reading("life", bad, not bad, title, advice, state.age_s)


def _idle(idle_s: float | None) -> Reading:
    over = None if idle_s is None else idle_s >= IDLE_S
    title = f"GPU at 0 % for {duration(idle_s)} while training"
    advice = "look at train.log: the trainer may hang, or images come too slowly (more --workers, a faster disk)"
    return Reading("gpu_idle", over, idle_s is not None and idle_s < IDLE_S, title, advice, idle_s)


def _temperature(gpu: Gpu, limits: Limits) -> Reading:
    value, limit = gpu.temperature_c, limits.temperature_c
    title = f"GPU {gpu.index} at {value or 0:.0f} °C, above {limit:g} °C"
    advice = "improve cooling: raise the laptop, free its vents, lower the room's temperature, or limit the power"
    over = None if value is None else value > limit
    return Reading(f"temperature_{gpu.index}", over, (value or 0) <= limit - TEMPERATURE_MARGIN_C, title, advice, value)


def _memory(gpu: Gpu, limits: Limits) -> Reading:
    used, limit = gpu.memory_used_mib, limits.memory_mib(gpu.memory_total_mib)
    over = None if used is None or limit is None else used > limit
    title = f"GPU {gpu.index} memory {(used or 0) / 1024:.2f} GiB, above {(limit or 0) / 1024:.2f} GiB"
    advice = "reduce the batch: half of --batch, twice of --accumulation, same results; close other GPU programs"
    clear = (used or 0) <= (limit or 0) - MEMORY_MARGIN_MIB
    return Reading(f"memory_{gpu.index}", over, clear, title, advice, used)


def _throttling(gpu: Gpu) -> Reading:
    reasons = gpu.throttling
    over = None if reasons is None else bool(reasons)
    title = f"GPU {gpu.index} is slowed down: {', '.join(reasons or ())}"
    advice = "improve cooling, and use the full-size power supply; the training goes on, slower"
    return Reading(f"throttling_{gpu.index}", over, not reasons, title, advice)


def _finite(watched: Watched) -> Reading:
    status, last = watched.status, watched.history.last
    loss = status.loss if status is not None else None
    if loss is None and last is not None:
        loss = last.train_loss
    over = None if loss is None else not math.isfinite(loss)
    advice = "use --precision bf16 or a lower --new-rate; several in a row end the run with the last good weights"
    return Reading("loss_not_finite", over, loss is not None and math.isfinite(loss), f"loss is {loss}", advice)


def _skipped(watched: Watched, wall: float) -> Reading:
    count = _recent_count(watched, "skipped_step", "skipped_steps", wall)
    title = f"{count:.0f} steps left out lately because loss or gradients were not finite"
    advice = "if it goes on, use --precision bf16 or a lower --new-rate"
    return Reading("skipped_steps", count >= NUM_SKIPPED, count == 0, title, advice, count)


def _out_of_memory(watched: Watched, wall: float) -> Reading:
    count = _recent_count(watched, "out_of_memory", "oom_retries", wall)
    micro_batch = watched.status.micro_batch if watched.status is not None else None
    title = f"out of GPU memory {count:.0f} times lately; micro-batch now {clean(micro_batch)}"
    advice = "reduce the batch: half of --batch, twice of --accumulation, same results; close other GPU programs"
    return Reading("out_of_memory", count > 0, count == 0, title, advice, count)


def _recent_count(watched: Watched, kind: str, column: str, wall: float) -> float:
    """The newest epoch's count or, where more, the events of the last ten minutes. Nothing once the run has ended."""
    if not watched.state.is_live and watched.state.name != "silent":
        return 0
    in_row = next(iter(watched.history.recent(column, 1)), 0.0)
    events = sum(1 for one in watched.events if one.kind == kind and one.at is not None and wall - one.at <= RECENT_S)
    return max(in_row, float(events))


def _disk(watched: Watched) -> Reading:
    """A checkpoint is written beside the old one before it takes its place: room for one more is needed."""
    largest = max((checkpoint.size for checkpoint in watched.checkpoints), default=0)
    needed = largest or (watched.info.num_parameters or 0) * BYTES_PER_PARAMETER
    free = watched.host.disk_free
    is_writing = watched.state.is_live or watched.state.name == "silent"
    over = None if free is None or not needed else is_writing and free < 1.1 * needed
    title = f"disk: {size(free)} free, the next checkpoint needs {size(needed)}"
    advice = "free some space now (old checkpoint_epoch_N.pt files can go); the training goes on meanwhile"
    return Reading("disk", over, not is_writing or (free or 0) > 1.5 * needed, title, advice, free)
