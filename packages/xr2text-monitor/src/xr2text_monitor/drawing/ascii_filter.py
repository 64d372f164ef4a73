"""The screen in plain ASCII, for terminals, fonts and locales without more: one filter behind all that is drawn."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from xr2text_monitor.drawing.ascii import to_ascii


class AsciiFilter(LineFilter):
    """Replaces every character that is not ASCII by one that is, cell for cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(to_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]
