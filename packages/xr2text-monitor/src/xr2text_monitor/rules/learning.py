"""Whether the numbers of the training are sound: finite, falling, and arriving as fast as before."""

import math
from collections.abc import Sequence

from xr2text_monitor.readers.run_files import Event, parse_time
from xr2text_monitor.rules.emergencies import RECENT_S
from xr2text_monitor.rules.reading import Reading, Watched
from xr2text_monitor.text import clean

NUM_SKIPPED = 3  # FP16 skips a step now and then to find its loss scale; this many in ten minutes are too many
LOSSES = ("train_loss", "val_loss")
RISE = 1.5  # a loss that grew by this factor, and by at least RISE_NATS, diverges
RISE_NATS = 0.3
NEWEST_STEPS, EARLIER_STEPS = 20, 60
PLATEAU_EPOCHS = 10
SLOW, NORMAL = 2 / 3, 0.8  # shares of the run's own median speed
SPEED_EPOCHS = 50
STAGE_EPOCHS = 200
SPEED_STEPS = 20  # the first steps of an epoch are slow: workers start

SMALLER_STEPS = "use --precision bf16 or a lower --new-rate"
SMALLER_BATCH = "reduce the batch: half the --batch, twice the --accumulation, same results; close other GPU programs"


def finite_loss(watched: Watched) -> Reading:
    """The loss of the newest step and the losses of the newest row."""
    row = {} if watched.history.last is None else watched.history.last.numbers()
    now = watched.status.loss if watched.status is not None else None
    named = [("loss", now, _written_at(watched))] + [
        (_of_row(name, watched), row.get(name), _row_at(watched)) for name in LOSSES
    ]
    advice = f"{SMALLER_STEPS}; several in a row end the run with the last good weights"
    return _finite("loss_not_finite", named, advice)


def finite_row(watched: Watched) -> Reading:
    """Scores and everything else that was measured in the newest epoch."""
    row = {} if watched.history.last is None else watched.history.last.numbers()
    named = [(_of_row(name, watched), value, _row_at(watched)) for name, value in row.items() if name not in LOSSES]
    return _finite("row_not_finite", named, f"do not trust this epoch's scores; {SMALLER_STEPS} if losses rise too")


def _finite(key: str, named: Sequence[tuple[str, float | None, float | None]], advice: str) -> Reading:
    """What is not there says nothing: an alert then stays as it is."""
    bad = [(name, value, since) for name, value, since in named if value is not None and not math.isfinite(value)]
    is_known = any(value is not None for _, value, _ in named)
    title = ", ".join(f"{name} is {value}" for name, value, _ in bad)
    since = min((since for _, _, since in bad if since is not None), default=None)
    return Reading(key, bool(bad), is_known and not bad, title or "not measured now", advice, since=since)


def skipped(watched: Watched, wall: float) -> Reading:
    count, since = _recent(watched, "skipped_step", "skipped_steps", wall)
    title = f"{count:.0f} steps skipped recently because loss or gradients were not finite"
    advice = f"if it continues, {SMALLER_STEPS}"
    return Reading(
        "skipped_steps", count >= NUM_SKIPPED, count == 0, title, advice, value=count, since=since if count else None
    )


def out_of_memory(watched: Watched, wall: float) -> Reading:
    count, since = _recent(watched, "out_of_memory", "oom_retries", wall)
    micro_batch = watched.status.micro_batch if watched.status is not None else None
    title = f"out of GPU memory {count:.0f} times recently; micro-batch now {clean(micro_batch)}"
    return Reading("out_of_memory", count > 0, count == 0, title, SMALLER_BATCH, value=count, since=since)


def trends(watched: Watched) -> list[Reading]:
    """Only while the trainer works: afterwards nobody can do anything about them."""
    return [_divergence(watched), _plateau(watched), _throughput(watched)] if watched.is_working else []


def _divergence(watched: Watched) -> Reading:
    """The training loss has grown within its stage, or within the newest steps. A new stage may be harder."""
    losses = watched.history.recent("train_loss", _rows_of_stage(watched))
    pairs = [(losses[-1], min(losses[:-1]))] if len(losses) > 1 else []
    steps = _steps_of_epoch(watched)
    if len(steps) >= NEWEST_STEPS + EARLIER_STEPS:
        pairs.append((_mean(steps[-NEWEST_STEPS:]), _mean(steps[-NEWEST_STEPS - EARLIER_STEPS : -NEWEST_STEPS])))
    grown = [(new, old) for new, old in pairs if new > RISE * old and new > old + RISE_NATS]
    title = f"the training loss rises: {grown[-1][0]:.3f}, after {grown[-1][1]:.3f}" if grown else ""
    advice = "if it continues, stop and start with a lower --new-rate; best_model.pt keeps the best weights"
    return Reading("divergence", bool(grown), not grown, title, advice, since=_row_at(watched) if grown else None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _steps_of_epoch(watched: Watched) -> tuple[float, ...]:
    status = watched.status
    if status is None or not status.step:
        return ()
    return tuple(loss for loss in status.recent_losses[-status.step :] if math.isfinite(loss))


def _rows_of_stage(watched: Watched) -> int:
    """How many of the newest rows belong to the present stage; of very many, as many as count."""
    stages, last = watched.history.stages, watched.history.last
    return min(STAGE_EPOCHS, last.epoch - stages[-1][0] + 1) if stages and last is not None else 0


def _plateau(watched: Watched) -> Reading:
    history = watched.history
    best = (
        history.best.epoch if history.best else max((epoch for _, epoch in history.best_scores.values()), default=None)
    )
    epochs = 0 if best is None or history.last is None else history.last.epoch - best
    title = f"no better epoch since epoch {best}, {epochs} epochs ago"
    advice = "nothing is lost: best_model.pt stays; more epochs may bring little"
    return Reading("plateau", epochs >= PLATEAU_EPOCHS, epochs < PLATEAU_EPOCHS, title, advice, "info", value=epochs)


def _throughput(watched: Watched) -> Reading:
    """Against the median of this run's own epochs."""
    status, known = watched.status, watched.history.recent("studies_per_s", SPEED_EPOCHS)
    usual = sorted(known)[len(known) // 2] if len(known) >= 3 else 0.0
    speed = known[-1] if known else 0.0
    if status is not None and status.studies_per_s is not None and (status.step or 0) >= SPEED_STEPS:
        speed = status.studies_per_s
    title = f"slower than usual: {speed:.1f} studies/s, the median is {usual:.1f}"
    advice = "look for heat, a charger that is unplugged, and other programs on the GPU, the processor or the disk"
    return Reading("throughput", speed < SLOW * usual, speed >= NORMAL * usual, title, advice, value=speed)


def _recent(watched: Watched, kind: str, column: str, wall: float) -> tuple[float, float | None]:
    """The newest epoch's count or, where more, the events of the last ten minutes; and since when. 0 once it ended."""
    if not watched.is_working:
        return 0, None
    in_row = next(iter(watched.history.recent(column, 1)), 0.0)
    moments = [one.at for one in watched.events if _is_recent(one, kind, wall)]
    since = min((at for at in moments if at is not None), default=_row_at(watched))
    return max(in_row, float(len(moments))), since


def _is_recent(event: Event, kind: str, wall: float) -> bool:
    return event.kind == kind and event.at is not None and wall - event.at <= RECENT_S


def _of_row(name: str, watched: Watched) -> str:
    return f"{name} of epoch {watched.history.last.epoch}" if watched.history.last is not None else name


def _row_at(watched: Watched) -> float | None:
    return None if watched.history.last is None else parse_time(watched.history.last.finished_at)


def _written_at(watched: Watched) -> float | None:
    return None if watched.status is None else watched.status.updated_at
