"""One text in full, wrapped, to read and to copy."""

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class TextScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close"),
        Binding("y", "copy", "copy"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.title_text, self.text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box") as box:
            yield Static(self.text, markup=False)
        box.border_title = self.title_text
        box.border_subtitle = "y copies, escape closes"

    def action_copy(self) -> None:
        copy(self.app, self.text)


def copy(app: App[object], text: str) -> None:
    """To the clipboard of the terminal, where it has one (OSC 52)."""
    app.copy_to_clipboard(text)
    app.notify("copied, where the terminal allows it", markup=False)
