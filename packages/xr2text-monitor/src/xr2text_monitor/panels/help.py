"""The help screen: keys, states, and where the numbers come from."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from xr2text_monitor.ink import MUTED, STRONG, line
from xr2text_monitor.panels.state import LOOKS

KEYS = (
    ("q ctrl+c", "quit; the training goes on"),
    ("?", "this help"),
    ("s", "save the screen as SVG in the current folder"),
    ("d", "dark or light"),
    ("c", "curves: over the epochs, or within this epoch"),
    ("↑ ↓", "older and newer events (the mouse wheel too)"),
    ("r", "look now"),
    ("ctrl+p", "all commands and themes"),
)
NOTES = (
    "This program only reads: closing it never affects the trainer.",
    "Presumed dead: the process is gone.",
    "No sign of life: it runs, but is silent longer than this run's own rhythm.",
    "A dash means not measured. Without a screen: --once, --json, --watch-log.",
)


class HelpScreen(ModalScreen[None]):
    """Closes with any of its keys or a click."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        names = [f"{glyph} {name.lower():<18}" for glyph, _, name in LOOKS.values()]
        states = [line("  ", *names[start : start + 3]) for start in range(0, len(names), 3)]
        keys = [line((f"  {key:<10}", STRONG), says) for key, says in KEYS]
        lines = [*keys, line(""), *states, line(""), *(line((note, MUTED)) for note in NOTES)]
        box = Static(Content("\n").join(lines), id="help", markup=False)
        box.border_title = "help"
        yield box

    def on_click(self) -> None:
        self.dismiss()
