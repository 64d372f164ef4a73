"""What all panels share: they get a snapshot, write lines for the room they have, and draw only what changed."""

from textual.content import Content
from textual.widgets import Static

from xr2text_monitor.snapshot import Snapshot

TALL = 34  # lines of a screen from which there is room for boxes; as in monitor.tcss, where it is the class -tall


class Panel(Static):
    """A box, or on small screens just lines, that shows a part of a snapshot. Subclasses write `draw`."""

    TITLE = ""

    def __init__(self, snapshot: Snapshot, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.snapshot = snapshot
        self._drawn = Content()
        self.border_title = self.TITLE

    def show(self, snapshot: Snapshot) -> None:
        """Show a newer snapshot."""
        self.snapshot = snapshot
        self.fit()

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        """The lines for this many cells. Longer lines end in an ellipsis, lines that do not fit are left out."""
        raise NotImplementedError  # every panel draws itself; Textual's metaclass leaves no room for an abstract method

    def num_lines(self, snapshot: Snapshot) -> int | None:
        """How many lines the panel wants; None leaves its height to the style sheet."""
        return None

    @property
    def is_boxed(self) -> bool:
        """With a border and title; without, a panel names itself in its lines."""
        return self.gutter.height > 0

    def fit(self) -> None:
        """Draw again where the snapshot or the room has changed."""
        wanted = self.num_lines(self.snapshot)
        if wanted is None:
            self.styles.inline.clear_rule("height")
        else:
            rows = wanted + self.gutter.height
            if self.styles.height is None or self.styles.height.value != rows:
                self.styles.height = rows
        width, height = self.content_size
        if width <= 0 or height <= 0:
            return
        lines = self.draw(self.snapshot, width, height)[:height]
        content = Content("\n").join([line.truncate(width, ellipsis=True) for line in lines])
        if not content.is_same(self._drawn):
            self._drawn = content
            self.update(content, layout=False)

    def on_resize(self) -> None:
        self.fit()
