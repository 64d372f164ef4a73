"""Curves: losses and scores over the epochs with the stage boundaries, and the loss within the epoch."""

from collections.abc import Sequence

from textual.content import Content

from xr2text_monitor import chart
from xr2text_monitor import text as t
from xr2text_monitor.chart import Mark, Series
from xr2text_monitor.history import History
from xr2text_monitor.ink import FIRST, MUTED, SECOND, STRONG, Piece, line
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.sampler import Snapshot


class HistoryChart(Panel):
    """Two columns of the history over its epochs; the second one dotted."""

    def __init__(self, snapshot: Snapshot, title: str, columns: Sequence[tuple[str, str]], id: str) -> None:
        super().__init__(snapshot, id)
        self.title, self.columns = title, columns
        self.border_title = title
        self._cached: tuple[tuple[int, int, int], list[Content]] | None = None

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        key = (snapshot.history.version, width, height)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._lines(snapshot.history, width, height))
        return self._cached[1]

    def _lines(self, history: History, width: int, height: int) -> list[Content]:
        styles = (FIRST, SECOND)
        series = [
            Series(name, history.epochs, history.columns[column], styles[place], place == 1)
            for place, (column, name) in enumerate(self.columns)
        ]
        drawn = chart.draw(series, _stage_marks(history), width, height - 1)
        return [
            _legend("" if self.is_boxed else self.title, series),
            *(drawn or [line((f"  {t.DASH} from the first epoch on", MUTED))]),
        ]


class LiveChart(Panel):
    """The loss of the newest steps; x counts back from now, with a mark where this epoch began."""

    TITLE = "newest steps"

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        status = snapshot.status
        losses = status.recent_losses if status is not None else ()
        series = [Series("loss", range(1 - len(losses), 1), losses, FIRST)]
        step = status.step if status is not None and status.step is not None else len(losses)
        marks = [Mark(1 - step, ("new epoch", "new"))] if step < len(losses) else []
        drawn = chart.draw(series, marks, width, height - 1)
        legend = _legend("" if self.is_boxed else "newest steps", series)
        return [legend, *(drawn or [line((f"  {t.DASH} from the first step on", MUTED))])]


def _legend(title: str, series: Sequence[Series]) -> Content:
    pieces: list[Piece] = [(f"{title} " if title else "", STRONG)]
    for one in series:
        newest = next((y for y in reversed(one.ys) if y == y), None)
        line_look = "┄" if one.is_dotted else "━"
        pieces += [(f"{line_look} ", one.style), (f"{one.name} ", MUTED), t.number(newest, 3), " "]
    return line(*pieces)


def _stage_marks(history: History) -> list[Mark]:
    """Where a stage begins, with its name where there is room, else the epoch alone."""
    return [Mark(epoch, (f"{epoch} {t.clean(stage, 24)}", f"{epoch}")) for epoch, stage in history.stages[1:]]
