"""The event log, newest first: what the trainer remembered, changes of state, warnings raised and taken back."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import BAD, GOOD, MUTED, WARN, label, line
from xr2text_monitor.journal import Entry, Journal
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.snapshot import Snapshot

KINDS = {
    GOOD: ("new_best", "finished"),
    BAD: ("failed", "gave_up", "checkpoint_failed", "checkpoint_damaged", "history_failed", "ALERT"),
    WARN: (
        "out_of_memory",
        "skipped_step",
        "collapsed",
        "hot",
        "paused",
        "interrupted",
        "restarted",
        "image_lost",
        "power_unplugged",
        "battery_low",
        "clock_jumped",
    ),
}
STYLES = {kind: style for style, kinds in KINDS.items() for kind in kinds}


class EventsPanel(Panel):
    """Scrolls by whole lines: the newest are at the top."""

    TITLE = "events"

    def __init__(self, snapshot: Snapshot, journal: Journal) -> None:
        super().__init__(snapshot)
        self.journal = journal
        self.skipped = 0

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        entries = list(self.journal.entries)[::-1]
        self.skipped = max(0, min(self.skipped, len(entries) - height))
        shown = entries[self.skipped : self.skipped + height]
        if not shown:
            return [self._named(0, line((f"{t.DASH} none yet", MUTED)))]
        return [self._named(place, _row(entry, snapshot.at)) for place, entry in enumerate(shown)]

    def scroll_lines(self, count: int) -> None:
        """Towards older entries for a positive count."""
        self.skipped += count
        self.fit()

    def on_mouse_scroll_down(self) -> None:
        self.scroll_lines(1)

    def on_mouse_scroll_up(self) -> None:
        self.scroll_lines(-1)

    def _named(self, place: int, row: Content) -> Content:
        return row if self.is_boxed else label("events" if place == 0 else "", row)


def _row(entry: Entry, now: float) -> Content:
    return line(
        (f"{t.clock(entry.at, now):>9}  ", MUTED), (f"{entry.kind:<16} ", STYLES.get(entry.kind, "")), entry.text
    )
