"""The alerts that stand, the worst first, since when, and what to do. Kept on screen until they are over."""

import textwrap

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.alerts import Alert
from xr2text_monitor.drawing.ink import ALERT_GLYPHS, ALERT_STYLES, STRONG, WARN, line
from xr2text_monitor.panels.panel import TALL, Panel
from xr2text_monitor.snapshot import Snapshot

MAX_LINES = {"low": 2, "short": 4, "tall": 8}  # the numbers below need the rest
LOW = 22  # lines of a screen; as in the application's breakpoints


class AlertsPanel(Panel):
    """Not there while nothing stands: the header says so."""

    def num_lines(self, snapshot: Snapshot) -> int:
        count = len(self._lines(snapshot, self.app.size.width))
        self.display = count > 0
        return max(1, count)

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        return self._lines(snapshot, width)

    def _lines(self, snapshot: Snapshot, width: int) -> list[Content]:
        """The longest form that has room: all in full, two lines each, one line each, and the first of them."""
        alerts, room = snapshot.alerts, self._room(snapshot)
        notes = [line((f" ▲ {note}", WARN)) for note in snapshot.notes]
        full = [shown for alert in alerts for shown in _in_full(alert, snapshot.at, width)]
        if len(full) + len(notes) <= room:
            return [*full, *notes]
        if 2 * len(alerts) <= room:
            return [shown for alert in alerts for shown in (_title(alert, snapshot.at), line(f"   → {alert.advice}"))]
        short = [*(_both(alert, snapshot.at) for alert in alerts), *notes]
        if len(short) <= room:
            return short
        more = len(short) - room + 1
        return [*short[: room - 1], line((f"   and {more} more: l lists all", STRONG))]

    def _room(self, snapshot: Snapshot) -> int:
        rows = self.app.size.height
        if snapshot.state.name == "failed":  # why it ended matters more than its curves
            return max(MAX_LINES["low"], min(MAX_LINES["tall"], rows - 12))
        return MAX_LINES["low" if rows < LOW else "short" if rows < TALL else "tall"]


def look_of(alert: Alert) -> tuple[str, str]:
    """Glyph and style, by severity."""
    kind = "unknown" if alert.is_unknown else alert.severity
    return ALERT_GLYPHS.get(kind, "▲"), ALERT_STYLES.get(kind, WARN)


def since(alert: Alert, now: float) -> str:
    return f"since {t.clock(alert.since, now)} ({t.duration(now - alert.since)})"


def _head(alert: Alert) -> tuple[str, str]:
    glyph, style = look_of(alert)
    return f"{glyph:>2} ", f"{STRONG} {style}"


def _in_full(alert: Alert, now: float, width: int) -> list[Content]:
    """Title and advice, wrapped: the reason of a failure is the one thing that must be readable."""
    head, style = _head(alert)
    room = max(10, width - len(head) - 1)
    when, advice = since(alert, now), f"→ {alert.advice}"
    fits = len(alert.title) + len(when) + 2 <= room
    title = [f"{alert.title}  {when}"] if fits else _wrapped(alert.title, room)
    below = _wrapped(advice if fits else f"{when} {advice}", room)
    indent = " " * len(head)
    first = [line((f"{head if place == 0 else indent}{words}", style)) for place, words in enumerate(title)]
    return [*first, *(line(f"{indent}{words}") for words in below)]


def _wrapped(text: str, cells: int) -> list[str]:
    return textwrap.wrap(text, cells, break_on_hyphens=False)  # --new-rate stays whole


def _title(alert: Alert, now: float) -> Content:
    head, style = _head(alert)
    return line((f"{head}{alert.title}", style), f"  {since(alert, now)}")


def _both(alert: Alert, now: float) -> Content:
    """Title and what to do in one line: the first words of the advice matter most, the rest may be cut."""
    head, style = _head(alert)
    return line((f"{head}{alert.title}", style), f"  since {t.clock(alert.since, now)} → {alert.advice}")
