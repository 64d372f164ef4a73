"""The warnings that stand, since when, and what to do. Kept on screen until they are over."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.alerts import Alert
from xr2text_monitor.ink import BAD, GOOD, STRONG, WARN, line
from xr2text_monitor.panels.panel import TALL, Panel
from xr2text_monitor.sampler import Snapshot

MAX_LINES = 3  # on small screens, where the curves need the rest; 6 on tall ones


class AlertsPanel(Panel):
    def num_lines(self, snapshot: Snapshot) -> int:
        count, room = len(snapshot.alerts), self._room()
        return max(1, 2 * count if 2 * count <= room else min(count, room))

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        alerts, room = snapshot.alerts, self._room()
        if not alerts:
            notes = "; ".join(snapshot.notes)
            return [line((f" ▲ {notes}", WARN)) if notes else line((" ✓ no warnings", GOOD))]
        if 2 * len(alerts) <= room:
            return [shown for alert in alerts for shown in (_title(alert, snapshot.at), _advice(alert))]
        shown = [_both(alert, snapshot.at) for alert in alerts]
        if len(alerts) <= room:
            return shown
        more = len(alerts) - room + 1
        return [
            *shown[: room - 1],
            line((f" ▲ {more} more warnings: xr2text-monitor --once lists all", f"{STRONG} {BAD}")),
        ]

    def _room(self) -> int:
        return MAX_LINES if self.app.size.height < TALL else 2 * MAX_LINES


def _title(alert: Alert, now: float) -> Content:
    since = f"  since {t.clock(alert.since, now)} ({t.duration(now - alert.since)})"
    return line((f" ▲ {alert.title}", f"{STRONG} {BAD}"), since)


def _advice(alert: Alert) -> Content:
    return line(f"   → {alert.advice}")


def _both(alert: Alert, now: float) -> Content:
    """Title and what to do in one line: the first words of the advice matter most, the rest may be cut."""
    return line((f" ▲ {alert.title}", f"{STRONG} {BAD}"), f"  since {t.clock(alert.since, now)} → {alert.advice}")
