"""What the trainer and its supervisor said in events.jsonl and that still stands."""

from collections.abc import Callable
from typing import NamedTuple

from xr2text_monitor.readers.run_files import Event
from xr2text_monitor.rules.life import READ_LOG
from xr2text_monitor.rules.reading import MACHINE, RUN, Reading, Severity, Watched

RECENT_S = 600.0
HOUR_S = 3600.0
LONG_AGO = 946_684_800.0  # the year 2000: an earlier date comes from a clock without battery
BEGIN = ("started", "resumed")
END = ("finished", "interrupted", "failed")

STAYS_EPOCHS = 5  # a model that has learned little writes the same for everybody; after so many epochs it is stuck

EARLY_COLLAPSE = "common in the first epochs: look again later; if it stays, a lower --new-rate or more studies help"
FREE_DISK = "free some space in the folder of the checkpoints; training continues, and the next save tries again"
COOL = "improve cooling: raise the laptop, free its vents, lower the room's temperature, or limit the power"
PLUG_IN = "plug the computer in; Ctrl-C in the trainer's terminal saves, and the same command resumes it later"


class Emergency(NamedTuple):
    """An event that is an alert until one of `ended_by` follows, `is_mended` says so, or `lasts_s` have passed.

    Kinds with the same `key` are one alert that may get worse.
    """

    kind: str
    key: str
    severity: Severity
    title: str
    advice: str
    ended_by: tuple[str, ...] = ()
    is_mended: Callable[[Event, Watched], bool] = lambda event, watched: False
    lasts_s: float | None = None
    group: str = RUN


def emergencies(watched: Watched, wall: float) -> list[Reading]:
    """The newest event of every key that still stands."""
    newest = {_BY_KIND[one.kind].key: place for place, one in enumerate(watched.events) if one.kind in _BY_KIND}
    readings = []
    for place in newest.values():
        event, later = watched.events[place], watched.events[place + 1 :]
        emergency = _BY_KIND[event.kind]
        if _stands(emergency, event, later, watched, wall):
            readings.append(_reading(emergency, event, watched, wall))
    return readings


def _stands(emergency: Emergency, event: Event, later: tuple[Event, ...], watched: Watched, wall: float) -> bool:
    if any(one.kind in emergency.ended_by for one in later) or emergency.is_mended(event, watched):
        return False
    return emergency.lasts_s is None or (event.at is not None and wall - event.at <= emergency.lasts_s)


def _reading(emergency: Emergency, event: Event, watched: Watched, wall: float) -> Reading:
    title = f"{emergency.title}: {event.message}" if event.message else emergency.title
    if event.kind == "restarted":
        same = [one for one in watched.events if one.kind == event.kind and wall - (one.at or 0.0) <= HOUR_S]
        title = f"{title} ({len(same)} within the last hour)" if len(same) > 1 else title
    first, severity, advice = event, emergency.severity, emergency.advice
    if event.kind == "collapsed":
        epochs = _in_a_row(event, watched.events)
        first, title = epochs[0], f"{title} ({len(epochs)} epochs in a row)" if len(epochs) > 1 else title
        severity, advice = ("critical", advice) if len(epochs) >= STAYS_EPOCHS else ("warning", EARLY_COLLAPSE)
    since = first.at if first.at is not None and first.at > LONG_AGO else None
    return Reading(emergency.key, True, False, title, advice, severity, emergency.group, None, since)


def _in_a_row(event: Event, events: tuple[Event, ...]) -> list[Event]:
    """The events of this kind in the epochs up to that of `event`, without a gap; oldest first."""
    by_epoch = {one.epoch: one for one in events if one.kind == event.kind}
    epochs = [event]
    while epochs[0].epoch is not None and epochs[0].epoch - 1 in by_epoch:
        epochs.insert(0, by_epoch[epochs[0].epoch - 1])
    return epochs


def _is_saved_since(event: Event, watched: Watched) -> bool:
    """The same file, or another of its kind, has been written after it failed."""
    if event.at is None:
        return False
    newer = [one.name for one in watched.checkpoints if one.modified_at > event.at]
    is_numbered = event.checkpoint.startswith("checkpoint_epoch_")
    return any(
        not event.checkpoint or name == event.checkpoint or (is_numbered and name.startswith("checkpoint_epoch_"))
        for name in newer
    )


def _is_row_there(event: Event, watched: Watched) -> bool:
    last = watched.history.last
    return last is not None and event.epoch is not None and last.epoch >= event.epoch


def _is_varied_again(event: Event, watched: Watched) -> bool:
    last = watched.history.last
    is_newer = last is not None and (event.epoch is None or last.epoch > event.epoch)
    return last is not None and is_newer and (last.distinct_reports or 0) > 1


def _is_dead_since(event: Event, watched: Watched) -> bool:
    return watched.state.name in ("dead", "failed")


def _is_told_by_status(event: Event, watched: Watched) -> bool:
    return watched.state.name == "failed"


EMERGENCIES = (
    Emergency("gave_up", "gave_up", "critical", "the supervisor gave up", READ_LOG, BEGIN),
    Emergency(
        "restarted", "restarted", "warning", "the supervisor started the trainer again",
        "nothing now; read train.log if it happens again", ("finished", "interrupted"), _is_dead_since,
        lasts_s=RECENT_S,
    ),
    Emergency("failed", "failed", "critical", "the trainer failed", READ_LOG, BEGIN, _is_told_by_status),
    Emergency(
        "checkpoint_failed", "checkpoint_failed", "critical", "a checkpoint could not be written", FREE_DISK,
        ("started",), _is_saved_since,
    ),
    Emergency(
        "checkpoint_damaged", "checkpoint_damaged", "warning", "a checkpoint is damaged",
        "nothing now: the newest good one was used; check the disk if it happens again",
        ("started", "checkpoint_saved", "new_best"), _is_saved_since,
    ),
    Emergency(
        "history_failed", "history_failed", "warning", "the history could not be written",
        "free some space or close the program that holds the file; its rows are kept and follow", BEGIN, _is_row_there,
    ),
    Emergency(
        "collapsed", "collapsed", "critical", "the model has collapsed",
        "look at its reports; stop, lower --new-rate or raise the number of studies, and start again with --fresh",
        ("started",), _is_varied_again,
    ),
    Emergency("image_lost", "image_lost", "warning", "an image is lost",
              "restore the file from its source; the run continues without its study", END, lasts_s=RECENT_S),
    Emergency("hot", "hot", "warning", "hot, says the trainer", COOL, ("cooled", *END), lasts_s=RECENT_S),
    Emergency("paused", "hot", "critical", "training is paused", COOL, ("cooled", *BEGIN, *END)),
    Emergency("power_unplugged", "power", "warning", "on battery", PLUG_IN, ("power_plugged", *BEGIN, *END),
              group=MACHINE),
    Emergency("battery_low", "power", "critical", "the battery is low", PLUG_IN, ("power_plugged", *BEGIN, *END),
              group=MACHINE),
    Emergency("clock_jumped", "clock_jumped", "info", "the clock jumped",
              "nothing: most likely the computer slept; keep it awake at night", END, lasts_s=RECENT_S, group=MACHINE),
)  # fmt: skip
_BY_KIND = {one.kind: one for one in EMERGENCIES}
