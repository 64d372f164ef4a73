"""Heat, memory, slowing and loss of the GPUs that the run may use. A GPU that falls silent is never healthy."""

from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.rules.emergencies import COOL
from xr2text_monitor.rules.learning import SMALLER_BATCH
from xr2text_monitor.rules.reading import Limits, Reading, Severity, Watched, group_of
from xr2text_monitor.text import duration

IDLE_S = 300.0
GAP_S = 10.0  # samples further apart than this do not count as watched in between (suspended computer, stopped monitor)
LOST_S = 10.0  # a sensor may stay silent this long
TEMPERATURE_MARGIN_C = 3.0
MEMORY_MARGIN_MIB = 256.0
CRITICAL_C = 95.0
RESTART = "restart the computer, then the same training command: it resumes from the newest checkpoint"


class IdleClock:
    """Seconds of valid 0 % readings while the state says training. Work, or a gap in watching, starts it again.

    A step that was taken is work too: in WSL the driver always says 0 %.
    """

    def __init__(self) -> None:
        self.idle_s = 0.0
        self._last: float | None = None
        self._step: int | None = None

    def update(self, watched: Watched, now: float) -> bool:
        """Whether this look counts: not in another state (validation neither counts nor forgets), not unread."""
        busiest = _busiest(watched)
        if busiest is None:
            self._last = None
            return False
        gap = None if self._last is None else now - self._last
        self._last = now
        step_before, self._step = self._step, watched.status.step if watched.status else None
        if busiest > 0 or self._step != step_before or (gap is not None and gap > GAP_S):
            self.idle_s = 0.0
        elif gap is not None:
            self.idle_s += gap
        return True


class GpuRules:
    """Remembers which GPUs and sensors have answered, so that their silence is noticed."""

    def __init__(self) -> None:
        self._idle = IdleClock()
        self._seen: dict[int, Gpu] = {}
        self._told: dict[str, tuple[float, float]] = {}  # key -> last value, and when
        self._losses: dict[int, Reading] = {}

    def readings(self, watched: Watched, limits: Limits, now: float, wall: float) -> list[Reading]:
        """None for a run on the CPU, on another host, or over: these GPUs have nothing to do with it."""
        if not watched.uses_local_gpu or watched.state.name in ("finished", "interrupted", "waiting"):
            for memory in (self._seen, self._told, self._losses):
                memory.clear()
            return []
        present = {gpu.index: gpu for gpu in watched.gpus}
        readings = [] if not watched.gpu_problem else [self._driver(watched.gpu_problem)]
        for index in sorted(present.keys() | self._seen.keys()):
            gpu = present.get(index)
            is_lost = gpu is None or bool(gpu.note)
            if gpu is not None and not is_lost:
                self._seen[index] = gpu
                self._losses.pop(index, None)
                readings.append(_found(gpu))
            elif not watched.gpu_problem:
                self._losses[index] = self._lost(index, gpu)
            if index in self._losses:  # also while the driver says nothing of it
                readings.append(self._losses[index])
            if watched.is_working:
                readings += self._values(
                    self._seen.get(index, Gpu(index)) if is_lost else present[index], is_lost, limits, now, wall
                )
        return [*readings, self._idleness(watched, now, wall)] if watched.is_working else readings

    def _driver(self, problem: str) -> Reading:
        title = f"cannot read the GPUs: {problem}"
        advice = (
            "try nvidia-smi; if it hangs too, restart the computer: the training resumes from the newest checkpoint"
        )
        return Reading(
            "gpu_driver", True, False, title, advice, "critical" if self._seen else "warning", "GPU", is_unknown=True
        )

    def _lost(self, index: int, gpu: Gpu | None) -> Reading:
        """Lost for good (it answered before, or the driver says so), or one that never gave a reading."""
        note = gpu.note if gpu is not None else "the driver no longer lists it"
        is_known_lost = index in self._seen or (gpu is not None and gpu.is_lost)
        severity: Severity = "critical" if is_known_lost else "warning"
        return Reading(
            f"gpu_{index}",
            True,
            False,
            f"GPU {index}: {note}",
            RESTART,
            severity,
            f"GPU {index}",
            is_unknown=not is_known_lost,
        )

    def _values(self, gpu: Gpu, is_lost: bool, limits: Limits, now: float, wall: float) -> list[Reading]:
        heat, memory, slow = _temperature(gpu, limits), _memory(gpu, limits), _throttling(gpu)
        if is_lost:
            return [unread(one) for one in (heat, memory, slow)]
        return [
            self._or_silent(heat, gpu, "temperature", now, wall),
            self._or_silent(memory, gpu, "memory", now, wall),
            slow,
        ]

    def _or_silent(self, reading: Reading, gpu: Gpu, what: str, now: float, wall: float) -> Reading:
        """A sensor that answered before and does not any more, while the GPU still answers."""
        if reading.value is not None:
            self._told[reading.key] = (reading.value, now)
            return reading
        last = self._told.get(reading.key)
        if last is None or now - last[1] <= LOST_S:
            return reading
        title = f"{group_of(gpu)} has not reported its {what} for {duration(now - last[1])}; it was {last[0]:g}"
        return Reading(
            reading.key,
            True,
            False,
            title,
            "try nvidia-smi; watch the GPU yourself",
            group=group_of(gpu),
            since=wall - (now - last[1]),
            is_unknown=True,
        )

    def _idleness(self, watched: Watched, now: float, wall: float) -> Reading:
        is_known = self._idle.update(watched, now)
        idle_s = self._idle.idle_s
        title = f"GPU at 0 % for {duration(idle_s)} while training"
        advice = "look at train.log: the trainer may hang, or images come too slowly (more --workers, a faster disk)"
        is_idle = idle_s >= IDLE_S
        return Reading(
            "gpu_idle", is_idle, is_known and not is_idle, title, advice, group="GPU", value=idle_s, since=wall - idle_s
        )


def gpus_of_run(gpus: tuple[Gpu, ...], status: Status | None) -> tuple[Gpu, ...]:
    """The GPUs the trainer works on: those that list its pid, else those of the name it reports, else all."""
    if status is None or status.device == "cpu":
        return ()
    by_pid = tuple(gpu for gpu in gpus if status.pid in gpu.pids)
    by_name = tuple(gpu for gpu in gpus if status.device and gpu.name and gpu.name in status.device)
    return by_pid or by_name or gpus


def unread(reading: Reading) -> Reading:
    """The same rule where nothing can be read."""
    return Reading(reading.key, None, False, reading.title, reading.advice, reading.severity, reading.group)


def _busiest(watched: Watched) -> float | None:
    if watched.state.name != "training":
        return None
    values = [gpu.utilisation for gpu in gpus_of_run(watched.gpus, watched.status)]
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and max(known) == 0):
        return None
    return max(known)


def _found(gpu: Gpu) -> Reading:
    """The GPU answers: what says that it was lost is over."""
    return Reading(f"gpu_{gpu.index}", False, True, f"{group_of(gpu)} answers", "", group=group_of(gpu))


def _temperature(gpu: Gpu, limits: Limits) -> Reading:
    value, limit = gpu.temperature_c, limits.temperature(gpu)
    is_over = None if value is None else value > limit
    title = f"{group_of(gpu)} at {_compared(value or 0, limit, 0, '°C', bool(is_over))}"
    slowdown = min(CRITICAL_C, gpu.slowdown_c or CRITICAL_C)
    severity: Severity = "critical" if (value or 0) >= slowdown else "warning"
    is_clear = (value or 0) <= limit - TEMPERATURE_MARGIN_C
    return Reading(f"temperature_{gpu.index}", is_over, is_clear, title, COOL, severity, group_of(gpu), value)


def _memory(gpu: Gpu, limits: Limits) -> Reading:
    used, limit = gpu.memory_used_mib, limits.memory_mib(gpu.memory_total_mib)
    is_over = None if used is None or limit is None else used > limit
    compared = _compared((used or 0) / 1024, (limit or 0) / 1024, 2, "GiB", bool(is_over))
    is_clear = (used or 0) <= (limit or 0) - MEMORY_MARGIN_MIB
    return Reading(
        f"memory_{gpu.index}",
        is_over,
        is_clear,
        f"{group_of(gpu)} memory {compared}",
        SMALLER_BATCH,
        group=group_of(gpu),
        value=used,
    )


def _compared(value: float, limit: float, digits: int, unit: str, is_over: bool) -> str:
    """88 °C, above 85 °C. As many digits as it takes to see which is more; below the limit it says what it was."""
    shown = f"{limit:.{digits}f}" if digits else f"{limit:g}"
    while is_over and digits < 4 and float(f"{value:.{digits}f}") <= float(shown):
        digits += 1
    words = "above" if is_over else "no longer above"
    return f"{value:.{digits}f} {unit}, {words} {shown} {unit}"


def _throttling(gpu: Gpu) -> Reading:
    reasons = gpu.throttling
    is_over = None if reasons is None else bool(reasons)
    title = f"{group_of(gpu)} is slowed down: {', '.join(reasons or ())}"
    advice = "improve cooling, and use the full-size power supply; training continues, slower"
    return Reading(f"throttling_{gpu.index}", is_over, not reasons, title, advice, group=group_of(gpu))
