"""What two runs were started with, side by side."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import STRONG
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.run_files import JsonReader, RunFolder
from xr2text_monitor.readers.settings import Pair, compared
from xr2text_monitor.screens.text import TextScreen

EVERY_S = 1.0
FIRST_S = 0.1
CELL_LIMIT = 60


class CompareScreen(ModalScreen[None]):
    """Only what differs, until `a`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close"),
        Binding("a", "all", "all or different"),
    ]

    def __init__(self, left: RunFolder, right: RunFolder) -> None:
        super().__init__()
        self.names = [folder.name or "(no name)" for folder in (left, right)]
        self.wants_all = False
        self.pairs: list[Pair] = []
        self.missing: str | None = None  # not read yet
        self.shown: list[Pair] = []
        self._files = [JsonReader(folder.statistics / "run.json") for folder in (left, right)]
        self._errand = Errand(self._read, "run.json")

    def compose(self) -> ComposeResult:
        with Vertical(id="runs") as box:
            yield DataTable[Text](cursor_type="row")
            yield Static("reading run.json ...", id="says", markup=False)
        box.border_title = f"settings: {t.clean(self.names[0], 30)} and {t.clean(self.names[1], 30)}"
        yield Footer()

    def on_mount(self) -> None:
        self._table.add_columns("setting", *(Text(t.clean(name, 30)) for name in self.names))
        self._table.focus()
        self._look(FIRST_S)
        self.set_interval(EVERY_S, self._look)

    def on_unmount(self) -> None:
        self._errand.stop()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one(DataTable)

    def _read(self) -> tuple[list[Pair], str]:
        """The settings, and which run has none."""
        left, right = (file.read() for file in self._files)
        missing = [name for name, file in zip(self.names, self._files, strict=True) if file.contents is None]
        return compared(left or {}, right or {}), ", ".join(missing)

    def _look(self, wait_s: float = 0.0) -> None:
        found = self._errand.result(wait_s)
        if found is not None and found != (self.pairs, self.missing):
            self.pairs, self.missing = found
            self._fill()

    def _fill(self) -> None:
        self.shown = [pair for pair in self.pairs if self.wants_all or pair.differs]
        self._table.clear()
        for pair in self.shown:
            style = STRONG if pair.differs else ""
            self._table.add_row(
                *(Text(t.clean(cell, CELL_LIMIT), style) for cell in (pair.name, pair.left, pair.right))
            )
        self.query_one("#says", Static).update(self._says())

    def _says(self) -> str:
        if self.missing:
            return f"no run.json that can be read: {t.clean(self.missing, 100)}"
        num_different = sum(pair.differs for pair in self.pairs)
        return f"{num_different} of {len(self.pairs)} settings differ; a shows {'these' if self.wants_all else 'all'}"

    def action_all(self) -> None:
        self.wants_all = not self.wants_all
        self._fill()

    def on_data_table_row_selected(self) -> None:
        row = self._table.cursor_row
        if row < len(self.shown):
            pair = self.shown[row]
            text = f"{self.names[0]}: {pair.left}\n\n{self.names[1]}: {pair.right}"
            self.app.push_screen(TextScreen(pair.name, text))
