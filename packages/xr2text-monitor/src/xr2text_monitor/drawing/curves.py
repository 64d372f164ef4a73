"""Which part of a history a chart shows, and how: zoom, smoothing, log scale, a second run. No widget."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xr2text_monitor.readers.history import History

ZOOMS = (100, 50, 20, 10)  # newest epochs
SPANS = (1, 5, 15)  # epochs that the moving average mainly sees; 1: as measured


@dataclass(frozen=True)
class OtherRun:
    """A second run whose curves are drawn behind those of the first."""

    name: str
    history: History


@dataclass(frozen=True)
class CurveView:
    """How the curves over the epochs are shown."""

    zoom: int | None = None  # newest epochs; None: all
    span: int = 1
    is_log: bool = False
    other: OtherRun | None = None

    def next_zoom(self, num_epochs: int) -> "CurveView":
        """From all epochs to ever fewer of the newest, as far as there are more than those, and back to all."""
        smaller = [zoom for zoom in ZOOMS if zoom < min(num_epochs, self.zoom or num_epochs)]
        return replace(self, zoom=smaller[0] if smaller else None)

    def next_span(self) -> "CurveView":
        return replace(self, span=SPANS[(SPANS.index(self.span) + 1) % len(SPANS)])

    def words(self, has_log: bool) -> str:
        """What differs from the plain view, for the legend."""
        words = [
            "log" if self.is_log and has_log else "",
            f"last {self.zoom}" if self.zoom else "",
            f"mean {self.span}" if self.span > 1 else "",
        ]
        return ", ".join(word for word in words if word)

    def first_epoch(self, history: History) -> float:
        """Where the view begins, by the run that is watched."""
        return history.epochs[-self.zoom] if self.zoom and len(history) > self.zoom else float("-inf")


def points(
    history: History, column: str, view: CurveView, first_epoch: float
) -> tuple[Sequence[float], Sequence[float]]:
    """Epochs and values of one column from `first_epoch` on; smoothed before the cut: zooming moves nothing."""
    start = bisect_left(history.epochs, first_epoch)
    values = history.columns.get(column, ())
    shown = values if view.span == 1 else smoothed(values, view.span)
    return (history.epochs[start:], shown[start:]) if start else (history.epochs, shown)  # no copy of 100,000 rows


def smoothed(values: Sequence[float], span: int) -> list[float]:
    """Exponential moving average with the weight 2 / (span + 1), corrected for its beginning; NaN stays a gap."""
    keep = 1 - 2 / (span + 1)
    total, weight, found = 0.0, 0.0, []
    for value in values:
        if value - value == 0:  # finite
            total, weight = total * keep + value, weight * keep + 1
            found.append(total / weight)
        else:
            found.append(value)
    return found


def has_values(history: History, columns: Sequence[str]) -> bool:
    """Whether any of these columns was ever measured."""
    return any(value == value for column in columns for value in history.columns.get(column, ()))
