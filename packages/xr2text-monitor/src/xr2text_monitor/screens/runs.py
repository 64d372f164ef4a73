"""The chooser: all runs below --out; watch one, lay one behind the curves, compare the settings of two."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import STRONG
from xr2text_monitor.panels.state import LOOKS
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.run_files import RunFolder
from xr2text_monitor.readers.runs import RunList, RunSummary
from xr2text_monitor.screens.compare import CompareScreen

EVERY_S = 1.0
FIRST_S = 0.1  # the first look at some files is nearly always this quick
LATE_S = 3.0
HEADERS = ("", "run", "state", "epoch", "best", "written")
UNKNOWN = ("·", "", "")


@dataclass(frozen=True)
class Choice:
    """What to do with which run."""

    what: Literal["watch", "overlay"]
    folder: RunFolder


class RunTable(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "watch")]


class RunsScreen(ModalScreen[Choice | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,r", "dismiss", "close"),
        Binding("o", "overlay", "behind the curves"),
        Binding("m", "mark", "mark"),
        Binding("c", "compare", "compare settings"),
    ]

    def __init__(self, out: Path, watched: RunFolder) -> None:
        super().__init__()
        self.out, self.watched = out, watched
        self.marked = watched
        self.runs: list[RunSummary] = []
        self._errand = Errand(RunList(out).read, "runs")

    def compose(self) -> ComposeResult:
        with Vertical(id="runs") as box:
            yield RunTable(cursor_type="row")
            yield Static(f"looking below {t.place(self.out)} ...", id="says", markup=False)
        box.border_title = f"runs below {t.ending(t.place(self.out), 50)}"
        yield Footer()

    def on_mount(self) -> None:
        self._table.add_columns(*HEADERS)
        self._table.focus()
        self._look(FIRST_S)
        self.set_interval(EVERY_S, self._look)

    def on_unmount(self) -> None:
        self._errand.stop()

    @property
    def _table(self) -> RunTable:
        return self.query_one(RunTable)

    @property
    def current(self) -> RunSummary | None:
        row = self._table.cursor_row
        return self.runs[row] if 0 <= row < len(self.runs) else None

    def _look(self, wait_s: float = 0.0) -> None:
        found = self._errand.result(wait_s)
        if found is not None:
            before = self.current or next((run for run in found if run.folder.name == self.watched.name), None)
            self.runs = found
            self._fill(before)
        elif self._errand.late_s > LATE_S:
            self.query_one("#says", Static).update(f"cannot read: no answer for {t.duration(self._errand.late_s)}")

    def _fill(self, current: RunSummary | None) -> None:
        self._table.clear()
        for run in self.runs:
            self._table.add_row(*self._cells(run))
        names = [run.folder.name for run in self.runs]
        if current is not None and current.folder.name in names:
            self._table.move_cursor(row=names.index(current.folder.name), animate=False)
        self.query_one("#says", Static).update(
            "" if self.runs else "no run is here: no status.json, no training_history.csv"
        )

    def _cells(self, run: RunSummary) -> list[Text]:
        glyph, style, _ = LOOKS.get(run.state, UNKNOWN)
        colour = self.app.theme_variables.get(style[1:], "")
        name = run.folder.name
        marks = f"{'▶' if name == self.watched.name else ' '}{'+' if name == self.marked.name else ' '}"
        best = f"{t.number(run.best)} ep. {t.whole(run.best_epoch)}" if run.best is not None else t.DASH
        written = t.DASH if run.written_at is None else t.age(time.time() - run.written_at)
        return [
            Text(marks),
            Text(t.clean(run.name, 40), STRONG),
            Text(f"{glyph} {t.clean(run.state, 20)}", colour),
            Text(f"{t.whole(run.epoch)}/{t.whole(run.epochs)}"),
            Text(best),
            Text(written),
        ]

    def on_data_table_row_selected(self) -> None:
        if self.current is not None:
            self.dismiss(Choice("watch", self.current.folder))

    def action_overlay(self) -> None:
        if self.current is not None:
            self.dismiss(Choice("overlay", self.current.folder))

    def action_mark(self) -> None:
        if self.current is not None:
            self.marked = self.current.folder
            self._fill(self.current)

    def action_compare(self) -> None:
        """The marked run, or the one that is watched, with the one under the cursor."""
        if self.current is None:
            return
        if self.current.folder.name == self.marked.name:
            self.notify("move to another run: this one is marked (+)", markup=False)
        else:
            self.app.push_screen(CompareScreen(self.marked, self.current.folder))
