"""The alerts that stand: raised and taken back with hysteresis, escalated, and unknown where the evidence is lost."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from xr2text_monitor.rules.checkup import Checkup
from xr2text_monitor.rules.reading import MACHINE, MONITOR, RUN, SEVERITIES, Limits, Reading, Severity, Watched

__all__ = ["Alert", "AlertBook", "Change", "Limits", "Watched", "in_order"]

LOST_S = 10.0  # a reading may stay away this long before its alert counts as unknown


@dataclass(frozen=True)
class Alert:
    """An alert that stands. `since` in Unix seconds, by the evidence; `peak` is the largest value since it was raised.

    `group` is what it is about: run, GPU 0, machine, monitor. `is_unknown`: nobody can tell; shown amber, and neither
    healthy nor over. `advice` says what to do now.
    """

    key: str
    title: str
    advice: str
    since: float
    value: float | None = None
    peak: float | None = None
    severity: Severity = "warning"
    group: str = RUN
    is_unknown: bool = False


@dataclass(frozen=True)
class Change:
    """An alert that was raised or taken back at `at` (Unix seconds). `was`: what it was before it rose again."""

    alert: Alert
    is_raised: bool
    at: float
    was: str = ""


class AlertBook:
    """The alerts that stand, the worst first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._checkup = Checkup()
        self._standing: dict[str, Alert] = {}
        self._known_at: dict[str, float] = {}

    @property
    def standing(self) -> tuple[Alert, ...]:
        return in_order(self._standing.values())

    def update(self, watched: Watched, now: float, wall: float) -> list[Change]:
        """Look at every rule; `now` is monotonic, `wall` Unix time. Returns what was raised and what was taken back."""
        readings = self._checkup.readings(watched, self.limits, now, wall)
        changes = [change for reading in readings for change in self._apply(reading, now, wall)]
        no_longer_asked = self._standing.keys() - {reading.key for reading in readings}
        changes += [Change(self._standing.pop(key), False, wall) for key in sorted(no_longer_asked)]
        return changes

    def _apply(self, reading: Reading, now: float, wall: float) -> list[Change]:
        old = self._standing.get(reading.key)
        if reading.is_over is None:
            return [] if old is None else self._lose(old, now, wall)
        self._known_at[reading.key] = now
        if old is None:
            return [self._raise(_alert(reading, wall), wall)] if reading.is_over else []
        if reading.is_clear:
            return [Change(self._standing.pop(reading.key), False, wall)]
        peak = max((x for x in (old.peak, reading.value) if x is not None), default=None)
        alert = replace(_alert(reading, wall), since=min(old.since, reading.since or old.since), peak=peak)
        if SEVERITIES.index(alert.severity) > SEVERITIES.index(old.severity):
            return [self._raise(alert, wall, old.severity)]
        self._standing[reading.key] = alert
        return []

    def _raise(self, alert: Alert, wall: float, was: str = "") -> Change:
        self._standing[alert.key] = alert
        return Change(alert, True, wall, was)

    def _lose(self, old: Alert, now: float, wall: float) -> list[Change]:
        """What raised the alert can no longer be read: it may be over or worse, and stands until somebody knows."""
        if old.is_unknown or now - self._known_at.get(old.key, now) <= LOST_S:
            return []
        title = f"unknown whether this is over: {old.title}"
        return [self._raise(replace(old, title=title, is_unknown=True), wall, old.severity)]


def in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """The worst first; among equals those of one group together, the oldest of them first."""
    return tuple(sorted(alerts, key=lambda one: (-_rank(one), _place(one.group), one.since)))


def _rank(alert: Alert) -> int:
    """Info, unknown, warning, critical."""
    return 1 if alert.is_unknown and alert.severity == "warning" else 2 * SEVERITIES.index(alert.severity)


def _place(group: str) -> tuple[int, str]:
    order = (RUN, "GPU", MACHINE, MONITOR)
    kind = group.partition(" ")[0]
    return (order.index(kind) if kind in order else len(order), f"{group:>8}")


def _alert(reading: Reading, wall: float) -> Alert:
    since = wall if reading.since is None else min(reading.since, wall)
    return Alert(
        reading.key,
        reading.title,
        reading.advice,
        since,
        reading.value,
        reading.value,
        reading.severity,
        reading.group,
        reading.is_unknown,
    )
