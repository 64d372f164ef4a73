"""Everything that happened, to scroll, filter, copy and read in full: events, train.log, and the alerts that stand."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, TabbedContent, TabPane

from xr2text_monitor import text as t
from xr2text_monitor.alerts import Alert
from xr2text_monitor.drawing.ink import BAD, MUTED, STRONG, WARN
from xr2text_monitor.journal import Entry, Journal
from xr2text_monitor.panels.alerts import look_of, since
from xr2text_monitor.panels.events import STYLES
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.growing_file import GrowingFile
from xr2text_monitor.screens.text import TextScreen, copy
from xr2text_monitor.snapshot import Snapshot

NUM_LINES = 2000  # of train.log
LINE_LIMIT = 4000
EVERY_S = 1.0
FIRST_S = 0.05  # the first look at a file is nearly always this quick
LATE_S = 3.0
TABS = ("events", "train.log", "alerts")


@dataclass(frozen=True)
class Line:
    """What stands in a row, and in full when it is opened."""

    cells: tuple[str, ...]
    text: str
    style: str = ""  # of all its cells but the first

    def matches(self, words: str) -> bool:
        return all(word in self.text.lower() for word in words.lower().split())


class LineTable(DataTable[Text]):
    """Lines of which only those that match the filter are shown. Stays where the cursor is; at the end it follows."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "full text")]

    def __init__(self, headers: Sequence[str], id: str, follows: bool = False) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self.headers, self.follows = headers, follows
        self.lines: Sequence[Line] = ()
        self.shown: list[Line] = []
        self.words = ""

    def on_mount(self) -> None:
        self.add_columns(*self.headers)
        self.app.theme_changed_signal.subscribe(self, lambda _: self.fill())

    def put(self, lines: Sequence[Line]) -> None:
        """Show these lines instead."""
        if list(lines) != list(self.lines):
            self.lines = tuple(lines)
            self.fill()

    def fill(self) -> None:
        """Fill the table again, after the lines or the filter changed."""
        was_last, line = self.cursor_row >= self.row_count - 1, self.current
        self.shown = [one for one in self.lines if one.matches(self.words)]
        self.clear()
        for one in self.shown:
            self.add_row(*(self._cell(one, place) for place in range(len(self.headers))))
        if self.follows and was_last:
            self.move_cursor(row=self.row_count - 1, animate=False)
        elif line in self.shown:
            self.move_cursor(row=self.shown.index(line), animate=False)

    @property
    def current(self) -> Line | None:
        return self.shown[self.cursor_row] if 0 <= self.cursor_row < len(self.shown) else None

    def _cell(self, one: Line, place: int) -> Text:
        """Rich text with a colour of the theme: a string would be read as markup."""
        if place >= len(one.cells):
            return Text()
        is_time = place == 0 and len(one.cells) > 1
        words = (MUTED if is_time else one.style).split()
        colours = self.app.theme_variables
        return Text(
            one.cells[place], " ".join(colours.get(word[1:], word) if word[0] == "$" else word for word in words)
        )


class LogScreen(ModalScreen[None]):
    """Opened with l; reads train.log only while it is open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("q", "close", "close", show=False),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("y", "copy", "copy line"),
        Binding("1", "tab(0)", "events"),
        Binding("2", "tab(1)", "train.log"),
        Binding("3", "tab(2)", "alerts"),
    ]

    def __init__(self, journal: Journal, seen: Callable[[], Snapshot]) -> None:
        """`seen` gives the newest snapshot."""
        super().__init__()
        self.journal, self.seen = journal, seen
        self._file = GrowingFile(seen().folder.statistics / "train.log")
        self._newest: deque[str] = deque(maxlen=NUM_LINES)
        self._errand = Errand(self._read, "train.log")

    def compose(self) -> ComposeResult:
        with TabbedContent():
            for place, name in enumerate(TABS):
                with TabPane(name, id=f"tab-{place}"):
                    yield LineTable(_HEADERS[place], f"lines-{place}", follows=place == 1)
        yield Input(placeholder="filter: words that a line must contain; escape shows all", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self._fill(FIRST_S)
        self.set_interval(EVERY_S, self._fill)
        self.call_after_refresh(self._focus)

    def on_unmount(self) -> None:
        self._errand.stop()

    def _read(self) -> list[str]:
        for block in self._file.read():
            if block.restarted:
                self._newest.clear()
            self._newest.extend(block.lines)
        return list(self._newest)

    def _why_empty(self) -> str:
        problem = self._file.problem
        return f"cannot read train.log: {problem}" if problem else "no train.log yet"

    def _fill(self, wait_s: float = 0.0) -> None:
        lines = self._errand.result(wait_s)
        if lines is not None:
            self._table(1).put(
                [_log_line(t.clean(line, LINE_LIMIT)) for line in lines] or [_nothing(self._why_empty())]
            )
        elif self._errand.late_s > LATE_S:
            self._table(1).put([_nothing(f"cannot read train.log: no answer for {t.duration(self._errand.late_s)}")])
        seen = self.seen()
        events = [_event_line(one, seen.at) for one in reversed(self.journal.entries)]
        self._table(0).put(events or [_nothing("no events yet")])
        self._table(2).put([_alert_line(one, seen.at) for one in seen.alerts] or [_nothing("no alerts")])

    def _table(self, place: int) -> LineTable:
        return self.query_one(f"#lines-{place}", LineTable)

    @property
    def _open(self) -> LineTable:
        return self._table(int(self.query_one(TabbedContent).active[-1]))

    def _focus(self) -> None:
        self._open.focus()

    def action_tab(self, place: int) -> None:
        self.query_one(TabbedContent).active = f"tab-{place}"
        self.call_after_refresh(self._focus)

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        for place in range(len(TABS)):
            self._table(place).words = message.value
            self._table(place).fill()

    def on_input_submitted(self) -> None:
        self._focus()

    def action_close(self) -> None:
        """Leave the filter first, then the screen."""
        box = self.query_one("#filter", Input)
        if box.display:
            box.value = ""
            box.display = False
            self._focus()
        else:
            self.dismiss()

    def action_copy(self) -> None:
        line = self._open.current
        if line is not None:
            copy(self.app, line.text)

    def on_data_table_row_selected(self) -> None:
        line = self._open.current
        if line is not None:
            self.app.push_screen(TextScreen(TABS[int(self.query_one(TabbedContent).active[-1])], line.text))


_HEADERS: tuple[Sequence[str], ...] = (("time", "what", "text"), ("line",), ("since", "about", "alert"))
_LEVELS = {"ERROR": BAD, "CRITICAL": BAD, "WARNING": WARN}


def _nothing(text: str) -> Line:
    return Line((text,), text, MUTED)


def _event_line(one: Entry, now: float) -> Line:
    at = t.clock(one.at, now)
    return Line((at, one.kind, one.text), f"{at} {one.kind}: {one.text}", STYLES.get(one.kind, ""))


def _alert_line(one: Alert, now: float) -> Line:
    glyph, style = look_of(one)
    text = f"{glyph} {one.severity}, {one.group}: {one.title}\n{since(one, now)}\n→ {one.advice}"
    return Line((t.clock(one.since, now), one.group, one.title), text, f"{STRONG} {style}")


def _log_line(line: str) -> Line:
    """2026-11-26 17:20:19,726 WARNING ...: the third word is the level."""
    words = line.split(" ", 3)
    return Line((line,), line, _LEVELS.get(words[2], "") if len(words) > 2 else "")
