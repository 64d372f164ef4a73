"""The checkpoints: name, epoch, size, age; the best one has a star."""

from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing.ink import GOOD, MUTED, STRONG, label, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.readers.run_files import Checkpoint
from xr2text_monitor.snapshot import Snapshot


class CheckpointsPanel(Panel):
    TITLE = "checkpoints"

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        found = snapshot.checkpoints
        if not found:
            return [self._named(0, line((f"{t.DASH} none yet", MUTED)))]
        shown = [self._named(place, _row(one, snapshot.at)) for place, one in enumerate(found[:height])]
        if len(found) > height > 1:
            shown[-1] = self._named(height - 1, line((f"and {len(found) - height + 1} older", MUTED)))
        return shown

    def _named(self, place: int, row: Content) -> Content:
        """Without a box the first line carries the name of the panel."""
        return row if self.is_boxed else label("saved" if place == 0 else "", row)


def _row(one: Checkpoint, now: float) -> Content:
    is_best = one.name == "best_model.pt"
    name = one.name if len(one.name) <= 22 else f"{one.name[:21]}…"
    age = t.age(now - one.modified_at)
    epoch = " " * 9 if one.epoch is None else f"epoch {t.whole(one.epoch):<3}"
    return line(("★ " if is_best else "  ", GOOD), (f"{name:<23}", STRONG), epoch, f"{t.size(one.size):>8}", f"  {age}")
