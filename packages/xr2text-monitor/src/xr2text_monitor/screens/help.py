"""The help screen: keys, states, and where the numbers come from."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from xr2text_monitor.drawing.ink import MUTED, STRONG, line
from xr2text_monitor.panels.state import LOOKS

KEYS = (
    ("q ctrl+c", "quit; training continues"),
    ("l enter", "log: events, train.log, alerts; filter, copy, full text"),
    ("r", "runs: watch another, overlay one on the curves, compare"),
    ("c", "curves: epochs, findings, newest steps, GPU over hours"),
    ("z m y", "zoom to the newest epochs, mean of 5 or 15, log axis"),
    ("s d u", "save the screen as SVG, dark or light, look now"),
    ("↑ ↓ PgUp PgDn", "scroll the screen where it is too long, else the events"),
    ("ctrl+p", "all commands"),
)
NOTES = (
    "▲ warning  ▲▲ critical  ? unknown  — not measured",
    "Presumed dead: the process is gone. No sign of life: it runs, but",
    "is silent longer than this run's own rhythm.",
    "This program only reads: closing it never affects the trainer.",
)


class HelpScreen(ModalScreen[None]):
    """Closes with any of its keys or a click."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        names = [f"{glyph} {name.lower():<18}" for glyph, _, name in LOOKS.values()]
        states = [line("  ", *names[start : start + 3]) for start in range(0, len(names), 3)]
        keys = [line((f" {key:<14}", STRONG), says) for key, says in KEYS]
        lines = [*keys, line(""), *states, line(""), *(line((note, MUTED)) for note in NOTES)]
        with VerticalScroll(id="help") as box:
            yield Static(Content("\n").join(lines), markup=False)
        box.border_title = "help"

    def on_click(self) -> None:
        self.dismiss()
