"""A snapshot as plain text (--once) and as JSON (--json). The JSON holds every field that the screen draws."""

import json
import math
from dataclasses import asdict
from typing import Any

from xr2text_monitor import text as t
from xr2text_monitor.alerts import Alert
from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.progress import run_fraction, stage_number, step_fraction, times, trend, trend_epochs
from xr2text_monitor.snapshot import Snapshot

NUM_EPOCHS_IN_JSON = 5000
NUM_EVENTS_IN_JSON = 100


def exit_code(snapshot: Snapshot) -> int:
    """0 healthy (information does not count), 1 a warning or worse stands, 2 there is no run, 3 nobody can tell."""
    if not snapshot.has_run:
        return 2
    return {"critical": 1, "warning": 1, "unknown": 3}.get(snapshot.health, 0)


def as_json(snapshot: Snapshot) -> str:
    """All fields as one JSON object; what is missing or not finite is null."""
    return json.dumps(_plain(fields(snapshot)), indent=1, allow_nan=False, ensure_ascii=False)


def fields(snapshot: Snapshot) -> dict[str, Any]:
    """Every field of the screen, by name."""
    history, status = snapshot.history, snapshot.status
    return {
        "at": snapshot.at,
        "run": snapshot.folder.name,
        "statistics": str(snapshot.folder.statistics),
        "checkpoints_folder": str(snapshot.folder.checkpoints),
        "state": asdict(snapshot.state),
        "health": snapshot.health,
        "other_host": snapshot.other_host,
        "problems": [problem._asdict() for problem in snapshot.problems],
        "alerts": [asdict(alert) for alert in snapshot.alerts],
        "status": None if status is None else asdict(status),
        "progress": {
            **times(snapshot)._asdict(),
            "run_fraction": run_fraction(status) if status else None,
            "step_fraction": step_fraction(status),
            "stage_number": stage_number(status.stage) if status else None,
        },
        "scores": {
            name: {
                "best": history.best_scores.get(name),
                "trend": trend(history, name),
                "trend_epochs": trend_epochs(history, name),
            }
            for name in ("bleu_4", "rouge_l")
        },
        "history": {
            "num_epochs": len(history),
            "last": None if history.last is None else asdict(history.last),
            "best": None if history.best is None else asdict(history.best),
            "stages": [{"from_epoch": epoch, "stage": stage} for epoch, stage in history.stages],
            "epochs": [int(epoch) for epoch in history.epochs[-NUM_EPOCHS_IN_JSON:]],
            **{name: list(column[-NUM_EPOCHS_IN_JSON:]) for name, column in history.columns.items()},
        },
        "gpu": asdict(snapshot.gpu),
        "host": asdict(snapshot.host),
        "checkpoints": [asdict(one) for one in snapshot.checkpoints],
        "generation": snapshot.generation,
        "events": [asdict(one) for one in snapshot.events[-NUM_EVENTS_IN_JSON:]],
        "info": asdict(snapshot.info),
        "other_runs": list(snapshot.other_runs),
        "notes": list(snapshot.notes),
    }


def as_text(snapshot: Snapshot) -> str:
    """A plain summary, one topic a line."""
    lines = [_state_line(snapshot), *_alert_lines(snapshot)]
    if not snapshot.has_run:
        lines.append(f"looked in    {t.clean(snapshot.folder.statistics)}")
        if snapshot.other_runs:
            lines.append("named runs   " + ", ".join(f"--run {t.clean(name, 60)}" for name in snapshot.other_runs))
    else:
        parts = (_epoch_line, _time_line, _score_line, _loss_line, _checkpoint_lines, _event_lines)
        lines += [part(snapshot) for part in parts]
    lines += _gpu_lines(snapshot)
    lines.append(_host_line(snapshot))
    return "\n".join([*lines, *(f"note         {note}" for note in snapshot.notes)])


def _state_line(snapshot: Snapshot) -> str:
    state = snapshot.state
    name = f", run {t.clean(snapshot.folder.name)}" if snapshot.folder.name else ""
    age = f", last sign of life {t.duration(state.age_s)} ago" if state.age_s is not None else ""
    return f"state        {state.name}{name}{age} ({state.evidence})"


def _alert_lines(snapshot: Snapshot) -> list[str]:
    if not snapshot.alerts:
        return ["alerts       none"]
    return [
        f"{_word(one):13}{one.title}, since {t.clock(one.since, snapshot.at)}: {one.advice}" for one in snapshot.alerts
    ]


def _word(alert: Alert) -> str:
    if alert.is_unknown:
        return "UNKNOWN"
    return {"info": "info", "warning": "ALERT", "critical": "CRITICAL"}[alert.severity]


def _epoch_line(snapshot: Snapshot) -> str:
    status, last = snapshot.status, snapshot.history.last
    if status is None:
        return f"epoch        {last.epoch if last else t.DASH}"
    steps = f"step {_or_dash(status.step)}/{_or_dash(status.steps_in_epoch)}"
    speed = f"{t.number(status.studies_per_s, 1)} studies/s"
    return (
        f"epoch        {_or_dash(status.epoch)}/{_or_dash(status.epochs)}, {status.stage or t.DASH}, {steps}, {speed}"
    )


def _time_line(snapshot: Snapshot) -> str:
    found = times(snapshot)
    left = f"{t.duration(found.eta_s)} left, done {t.clock(found.finish_at, snapshot.at)}"
    return f"time         {t.duration(found.elapsed_s)} elapsed, {t.duration(found.epoch_s)} an epoch, {left}"


def _score_line(snapshot: Snapshot) -> str:
    last = snapshot.history.last
    parts = []
    for name, title in (("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE-L")):
        best, change = snapshot.history.best_scores.get(name), trend(snapshot.history, name)
        best_text = t.DASH if best is None else f"{best[0]:.4f} in epoch {best[1]}"
        change_text = t.DASH if change is None else f"{change:+.4f}"
        value = getattr(last, name) if last is not None else None
        parts.append(f"{title} {t.number(value)} (best {best_text}, trend {change_text})")
    return "scores       " + ", ".join(parts)


def _loss_line(snapshot: Snapshot) -> str:
    last, status = snapshot.history.last, snapshot.status
    train, validation = (last.train_loss, last.val_loss) if last else (None, None)
    now = status.loss if status else None
    rate = t.rate(status.learning_rate if status else None)
    return f"loss         train {t.number(train)}, validation {t.number(validation)}, now {t.number(now)}, rate {rate}"


def _checkpoint_lines(snapshot: Snapshot) -> str:
    if not snapshot.checkpoints:
        return "checkpoints  none yet"
    return "\n".join(
        f"checkpoint   {one.name}, epoch {_or_dash(one.epoch)}, {t.size(one.size)}, "
        f"{t.duration(snapshot.at - one.modified_at)} old"
        for one in snapshot.checkpoints[:4]
    )


def _event_lines(snapshot: Snapshot) -> str:
    newest = snapshot.events[-3:]
    return "\n".join(f"event        {event_line(one.at, one.kind, one.message, snapshot.at)}" for one in newest) or (
        "events       none yet"
    )


def event_line(at: float | None, kind: str, message: str, now: float) -> str:
    """04:12 checkpoint_saved: the message."""
    return f"{t.clock(at, now)} {kind}: {message}"


def _gpu_lines(snapshot: Snapshot) -> list[str]:
    if not snapshot.gpu.gpus:
        return [f"gpu          {t.DASH} {snapshot.gpu.note}"]
    return [f"gpu {gpu.index}        {_gpu_text(gpu)}" for gpu in snapshot.gpu.gpus]


def _gpu_text(gpu: Gpu) -> str:
    throttling = "unknown" if gpu.throttling is None else ", ".join(gpu.throttling) or "none"
    parts = [
        f"{gpu.name or 'GPU'}{' (MIG)' if gpu.mig else ''}",
        t.unit(gpu.utilisation, "%"),
        t.unit(gpu.temperature_c, "°C"),
        f"memory {t.gib(gpu.memory_used_mib)}/{t.gib(gpu.memory_total_mib)} GiB",
        f"power {t.whole(gpu.power_w)}/{t.whole(gpu.power_limit_w)} W",
        f"fan {t.unit(gpu.fan_percent, '%')}",
        f"clocks {t.whole(gpu.clock_mhz)}/{t.whole(gpu.memory_clock_mhz)} MHz",
        f"throttling {throttling}",
        *([gpu.note] if gpu.note else []),
    ]
    return ", ".join(parts)


def _host_line(snapshot: Snapshot) -> str:
    host = snapshot.host
    memory = f"RAM {t.size(host.memory_used)} of {t.size(host.memory_total)}"
    disk = f"disk {t.size(host.disk_free)} free of {t.size(host.disk_total)}"
    return f"host         CPU {t.unit(host.cpu_percent, '%')}, {memory}, {disk}, trainer {t.size(host.trainer_memory)}"


def _or_dash(value: Any) -> str:
    return t.DASH if value is None else str(value)


def _plain(value: Any) -> Any:
    """The same with null for numbers that JSON does not know (NaN, infinity)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
