"""What happened, as lines: events of the run, changes of its state, warnings raised and taken back."""

from collections import deque
from dataclasses import dataclass

from xr2text_monitor import text as t
from xr2text_monitor.snapshot import NewEvents, Snapshot
from xr2text_monitor.state import BUSY
from xr2text_monitor.text import clean

NUM_ENTRIES = 500


@dataclass(frozen=True)
class Entry:
    """One line of the journal; `at` in Unix seconds."""

    at: float | None
    kind: str
    text: str
    is_alert: bool = False

    def line(self, now: float) -> str:
        return f"{t.clock(self.at, now):>5}  {self.kind}: {self.text}"


class Journal:
    """Collects entries from snapshots, oldest first, and keeps the newest `NUM_ENTRIES`."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=NUM_ENTRIES)
        self.start_over()

    def start_over(self) -> None:
        """Another run is watched from now on."""
        self.entries.clear()
        self._new_events = NewEvents()
        self._state: str | None = None

    def add(self, snapshot: Snapshot) -> list[Entry]:
        """Take in one snapshot; returns what is new in it."""
        new = [
            Entry(event.at, clean(event.kind, 40) or "event", event.message) for event in self._new_events.of(snapshot)
        ]
        if self._is_worth_telling(snapshot.state.name):
            new.append(Entry(snapshot.at, "state", f"{snapshot.state.name}: {snapshot.state.evidence}"))
        self._state = snapshot.state.name
        for change in snapshot.changes:
            if change.is_raised:
                kind = "unknown" if change.alert.is_unknown else "ALERT" if change.alert.severity != "info" else "info"
                new.append(Entry(change.at, kind, f"{change.alert.title}: {change.alert.advice}", True))
            else:
                lasted = t.duration(change.at - change.alert.since)
                new.append(Entry(change.at, "over", f"{change.alert.title} (lasted {lasted})", True))
        self.entries.extend(new)
        return new

    def _is_worth_telling(self, state: str) -> bool:
        """Training, validating and saving take turns every epoch: only leaving or entering that round is news."""
        if self._state is None or state == self._state:
            return False
        return not (state in BUSY and self._state in BUSY)
