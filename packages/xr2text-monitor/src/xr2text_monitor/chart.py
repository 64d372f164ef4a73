"""Line charts in braille: two by four dots a cell. Pure functions from numbers to lines; no widget."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from textual.content import Content

from xr2text_monitor.ink import MUTED, Piece, line

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # bit of the dot in column 0..1, row 0..3 of a braille cell
AXIS_CELLS = 7


Curve = list[tuple[int, float | None]]  # (column of dots, value)


@dataclass(frozen=True)
class Series:
    """One curve over rising xs. A dotted one is told from a solid one without colour. NaN leaves a gap."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    is_dotted: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line; at its foot stands the first of its names that fits."""

    x: float
    names: tuple[str, ...]


class Canvas:
    """Cells of braille dots; the style of a cell is that of the last curve drawn through it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.bits = [[0] * width for _ in range(height)]
        self.styles = [[""] * width for _ in range(height)]

    def dot(self, x: int, y: int, style: str) -> None:
        """x from the left in half cells, y from the top in quarter cells."""
        if 0 <= x < 2 * self.width and 0 <= y < 4 * self.height:
            self.bits[y // 4][x // 2] |= DOTS[x % 2][y % 4]
            self.styles[y // 4][x // 2] = style


def draw(series: Sequence[Series], marks: Sequence[Mark], width: int, height: int) -> list[Content]:
    """Chart of exactly `height` lines: the plot, and below it the axis with the marks. Empty when there is nothing."""
    ends = [end for one in series if len(one.xs) for end in (one.xs[0], one.xs[-1])]
    columns, rows = width - AXIS_CELLS, height - 1
    if not ends or columns < 4 or rows < 1:
        return []
    left, right = min(ends), max(*ends, min(ends) + 4)
    curves = [_by_column(one, left, (2 * columns - 1) / (right - left)) for one in series]
    means = [mean for curve in curves for _, mean in curve if mean is not None]
    if not means:
        return []
    low, high = _padded(min(means), max(means))
    canvas = Canvas(columns, rows)
    for one, curve in zip(series, curves, strict=True):
        _draw_curve(canvas, one, curve, low, high)
    places = {round((mark.x - left) / (right - left) * (columns - 1)): mark.names for mark in marks if mark.x > left}
    labels = _axis_labels(low, high, rows)
    lines = [line((f"{labels[row]:>{AXIS_CELLS - 2}} ┤", MUTED), *_row(canvas, row, places)) for row in range(rows)]
    return [*lines, line((" " * AXIS_CELLS + _foot(left, max(ends), right, places, columns), MUTED))]


def _by_column(one: Series, left: float, scale: float) -> Curve:
    """The mean of the values that fall into each column of dots, from left to right; None: a gap (nothing finite)."""
    sums: dict[int, tuple[float, int]] = {}
    for x, y in zip(one.xs, one.ys, strict=True):
        column = round((x - left) * scale)
        total, count = sums.get(column, (0.0, 0))
        sums[column] = (total + y, count + 1) if math.isfinite(y) else (total, count)
    return [(column, total / count if count else None) for column, (total, count) in sums.items()]


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range that is never empty."""
    if high > low:
        return low, high
    margin = abs(low) * 0.05 or 0.5
    return low - margin, high + margin


def _draw_curve(canvas: Canvas, one: Series, curve: Curve, low: float, high: float) -> None:
    before: tuple[int, int] | None = None
    for column, mean in curve:
        if mean is None:
            before = None
            continue
        point = (column, round((high - mean) / (high - low) * (4 * canvas.height - 1)))
        canvas.dot(*point, one.style)
        if before is not None:
            _join(canvas, before, point, one)
        before = point


def _join(canvas: Canvas, start: tuple[int, int], end: tuple[int, int], one: Series) -> None:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(1, steps):
        x = round(start[0] + (end[0] - start[0]) * step / steps)
        if not one.is_dotted or x % 4 < 2:
            canvas.dot(x, round(start[1] + (end[1] - start[1]) * step / steps), one.style)


def _row(canvas: Canvas, row: int, places: Container[int]) -> list[Piece]:
    """Runs of equal style in one row; a mark shows where no curve passes."""
    pieces: list[tuple[str, str]] = []
    for column, bits in enumerate(canvas.bits[row]):
        letter = chr(0x2800 + bits) if bits else "┊" if column in places else " "
        style = canvas.styles[row][column] if bits else MUTED
        if pieces and pieces[-1][1] == style:
            pieces[-1] = (pieces[-1][0] + letter, style)
        else:
            pieces.append((letter, style))
    return list(pieces)


def _axis_labels(low: float, high: float, rows: int) -> list[str]:
    """Highest value at the top, lowest at the bottom, the middle where there is room."""
    labels = [""] * rows
    labels[-1], labels[0] = _short(low), _short(high)
    if rows >= 5:
        labels[rows // 2] = _short(high - (high - low) * (rows // 2) / (rows - 1))
    return labels


def _short(value: float) -> str:
    """Four or five letters at most."""
    if abs(value) >= 1e4 or 0 < abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 100 else 0}f}"


def _foot(left: float, last: float, right: float, places: dict[int, tuple[str, ...]], columns: int) -> str:
    """First and last x, and the names of the marks where they fit between."""
    cells = [" "] * columns
    end = round((last - left) / (right - left) * (columns - 1))
    for place, words in [(0, (f"{left:g}",)), (end, (f"{last:g}",)), *sorted(places.items())]:
        for word in words:
            start = max(0, min(place, columns - len(word)))
            around = cells[max(0, start - 1) : start + len(word) + 1]
            if all(cell == " " for cell in around):
                cells[start : start + len(word)] = word
                break
    return "".join(cells)
