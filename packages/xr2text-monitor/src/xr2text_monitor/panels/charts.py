"""Curves over the epochs, within the newest steps, and of the GPUs over the last hours, in pages of up to three."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from xr2text_monitor import text as t
from xr2text_monitor.drawing import chart
from xr2text_monitor.drawing.axis import Scale
from xr2text_monitor.drawing.chart import Mark, Series
from xr2text_monitor.drawing.curves import CurveView, has_values, points
from xr2text_monitor.drawing.ink import FIRST, GOOD, MUTED, SECOND, STRONG, Piece, line
from xr2text_monitor.hardware.trace import FIELDS, GpuTrace
from xr2text_monitor.panels.panel import Panel
from xr2text_monitor.readers.history import History
from xr2text_monitor.snapshot import Snapshot

STYLES = (FIRST, SECOND, GOOD, MUTED)
REDRAWN_S = 10.0  # a curve over hours does not change every second
HOURS_FROM_MIN = 120
PLAIN = Scale(floor=0.0, least_span=0.01)


@dataclass(frozen=True)
class Kind:
    """A chart over the epochs: its columns with their names, and what their values allow."""

    title: str
    columns: tuple[tuple[str, str], ...]
    scale: Scale = PLAIN
    has_log: bool = False


LOSSES = Kind("losses", (("train_loss", "train"), ("val_loss", "val")), has_log=True)
SCORES = Kind("scores", (("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE-L")))
FINDINGS = Kind("findings", (("finding_auc", "finding AUC"), ("says_what_it_saw", "says what it saw")))
GPU_SCALES = {
    "temperature_c": ("temperature", Scale(0.0, 10.0, unit="°C")),
    "memory_used_mib": ("memory", Scale(0.0, 1.0, unit="GiB")),
    "power_w": ("power", Scale(0.0, 10.0, unit="W")),
}


class ChartsPanel(Container):
    """All charts; `c` turns the page."""

    def __init__(self, snapshot: Snapshot, trace: GpuTrace) -> None:
        super().__init__(id="charts")
        self.snapshot, self.trace = snapshot, trace
        self.view = CurveView()
        self.page = "epochs"

    def compose(self) -> ComposeResult:
        seen = self.snapshot
        for kind in (LOSSES, SCORES, FINDINGS):
            yield HistoryChart(seen, kind)
        yield LiveChart(seen, id="live")
        for name in FIELDS:
            yield GpuChart(seen, self.trace, name)

    def pages(self, history: History) -> list[str]:
        """Those that have something to show."""
        return [
            "epochs",
            *(["findings"] if has_values(history, [c for c, _ in FINDINGS.columns]) else []),
            "steps",
            "gpu",
        ]

    def turn(self, history: History) -> None:
        """To the next page."""
        pages = self.pages(history)
        place = pages.index(self.page) if self.page in pages else -1
        self.page = pages[(place + 1) % len(pages)]
        for name in ("findings", "steps", "gpu"):
            self.set_class(self.page == name, f"-{name}")

    def look(self, view: CurveView) -> None:
        self.view = view
        for one in self.query(HistoryChart):
            one.look(view)


class HistoryChart(Panel):
    """Two columns of the history over its epochs; the second one dotted, a second run behind them."""

    def __init__(self, snapshot: Snapshot, kind: Kind) -> None:
        super().__init__(snapshot, kind.title)
        self.kind, self.view = kind, CurveView()
        self.border_title = kind.title
        self._cached: tuple[object, list[Content]] | None = None

    def look(self, view: CurveView) -> None:
        self.view = view
        self.fit()

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        other = self.view.other
        key = (snapshot.history.version, width, height, self.view, other and other.history.version)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._lines(snapshot.history, width, height))
        return self._cached[1]

    def _lines(self, history: History, width: int, height: int) -> list[Content]:
        view, other = self.view, self.view.other
        first = view.first_epoch(history)
        series = [
            Series(name, *points(history, column, view, first), STYLES[place], place == 1)
            for place, (column, name) in enumerate(self.kind.columns)
        ]
        behind = [
            Series(other.name, *points(other.history, column, view, first), MUTED, place == 1)
            for place, (column, _) in enumerate(self.kind.columns)
        ] if other is not None else []  # fmt: skip
        scale = Scale(self.kind.scale.floor, self.kind.scale.least_span, view.is_log and self.kind.has_log)
        marks = [mark for mark in _stage_marks(history) if mark.x >= first]
        drawn = chart.draw([*behind, *series], marks, width, height - 1, scale, "epoch")
        names = [f"· {t.clean(other.name, 20) or 'no name'}"] if other is not None else []
        words = "  ".join([*names, view.words(self.kind.has_log)])
        newest = [next(iter(history.recent(column, 1)), None) for column, _ in self.kind.columns]
        legend = _fitting(width, "" if self.is_boxed else self.kind.title, series, newest, words)
        return [legend, *(drawn or _nothing("epoch", series))]


class LiveChart(Panel):
    """The loss of the newest steps of this epoch, and before them those of the last one."""

    TITLE = "newest steps"

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        status = snapshot.status
        losses = status.recent_losses if status is not None else ()
        step = status.step if status is not None and status.step is not None else len(losses)
        series = [Series("loss", range(step + 1 - len(losses), step + 1), losses, FIRST)]
        marks = [Mark(1, ("new epoch", "new"))] if step < len(losses) else []
        drawn = chart.draw(series, marks, width, height - 1, Scale(0.0, 0.01), "step")
        legend = _fitting(width, "" if self.is_boxed else "newest steps", series, losses[-1:] or [None])
        return [legend, *(drawn or _nothing("step", series))]


class GpuChart(Panel):
    """One value of every GPU over the last hours, as far as this monitor has watched."""

    def __init__(self, snapshot: Snapshot, trace: GpuTrace, name: str) -> None:
        super().__init__(snapshot, name)
        self.trace, self.column = trace, name
        self.title, self.scale = GPU_SCALES[name]
        self.border_title = f"GPU {self.title}"
        self._cached: tuple[object, list[Content]] | None = None

    def draw(self, snapshot: Snapshot, width: int, height: int) -> list[Content]:
        key = (int(snapshot.at // REDRAWN_S), len(snapshot.gpu.gpus), width, height)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._lines(width, height))
        return self._cached[1]

    def _lines(self, width: int, height: int) -> list[Content]:
        factor = 1 / 1024 if self.scale.unit == "GiB" else 1.0
        curves = {index: self.trace.curve(index, self.column) for index in self.trace.indices}
        minutes = max((-curve.ages_s[0] / 60 for curve in curves.values() if curve.ages_s), default=0.0)
        name, seconds = ("hour", 3600.0) if minutes >= HOURS_FROM_MIN else ("min", 60.0)
        series = [
            Series(
                f"{index}" if len(curves) > 1 else "",
                [age / seconds for age in curve.ages_s],
                [value * factor for value in curve.values],
                STYLES[place % len(STYLES)],
                place % 2 == 1,
            )
            for place, (index, curve) in enumerate(curves.items())
        ]
        drawn = chart.draw(series, [], width, height - 1, self.scale, name)
        title = self.scale.unit if self.is_boxed else f"{self.title} {self.scale.unit}"
        newest = [one.ys[-1] if one.ys else None for one in series]
        legend = _fitting(width, title, series, newest, digits=1)
        return [legend, *(drawn or _nothing("reading", series))]


def _nothing(what: str, series: Sequence[Series]) -> list[Content]:
    """Why there is no curve: no value yet, or no room for one."""
    has_values = any(y == y for one in series for y in one.ys)
    return [line((f"  {t.DASH} no room" if has_values else f"  {t.DASH} from the first {what} on", MUTED))]


def _fitting(
    width: int, title: str, series: Sequence[Series], values: Sequence[float | None], words: str = "", digits: int = 3
) -> Content:
    """The legend; where it is too long, without the newest values, and then without its title."""
    for title_shown, values_shown in ((title, values), (title, None), ("", None)):
        legend = _legend(title_shown, series, values_shown, words, digits)
        if legend.cell_length <= width:
            break
    return legend


def _legend(
    title: str, series: Sequence[Series], values: Sequence[float | None] | None, words: str, digits: int
) -> Content:
    pieces: list[Piece] = [(f"{title} " if title else "", STRONG)]
    for place, one in enumerate(series):
        pieces += [(f"{'┄' if one.is_dotted else '━'} ", one.style), (f"{one.name} " if one.name else "", MUTED)]
        pieces += [t.number(values[place], digits), " "] if values is not None else []
    return line(*pieces, (words, MUTED))


def _stage_marks(history: History) -> list[Mark]:
    """Where a stage begins, with its name where there is room, else the epoch alone."""
    return [Mark(epoch, (f"{epoch} {t.clean(stage, 24)}", f"{epoch}")) for epoch, stage in history.stages[1:]]
