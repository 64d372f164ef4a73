"""Line charts in braille: two by four dots a cell. Pure functions from numbers to lines; no widget."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from textual.content import Content

from xr2text_monitor.drawing.axis import LABEL_CELLS, Axis, Scale, axis_for, dots, inside
from xr2text_monitor.drawing.ink import MUTED, Piece, line

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # bit of the dot in column 0..1, row 0..3 of a braille cell
AXIS_CELLS = LABEL_CELLS + 2
TICK_CELLS = 8  # room for a number below the curve
LINEAR = Scale()


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


def draw(
    series: Sequence[Series],
    marks: Sequence[Mark],
    width: int,
    height: int,
    scale: Scale = LINEAR,
    x_name: str = "",
) -> list[Content]:
    """Chart of exactly `height` lines: the plot, and below it the axis with the marks. Empty when there is nothing."""
    ends = [end for one in series if len(one.xs) for end in (one.xs[0], one.xs[-1])]
    columns, rows = width - AXIS_CELLS, height - 1
    if not ends or columns < 4 or rows < 1:
        return []
    left, right = min(ends), max(*ends, min(ends) + 4)
    curves = [_by_column(one, left, (2 * columns - 1) / (right - left)) for one in series]
    axis = axis_for([mean for curve in curves for _, mean in curve if mean is not None], rows, scale)
    if axis is None:
        return []
    canvas = Canvas(columns, rows)
    for one, curve in zip(series, curves, strict=True):
        _draw_curve(canvas, one, curve, axis)
    places = {_column(mark.x, left, right, columns): mark.names for mark in marks if mark.x > left}
    labels = axis.labels(rows)
    lines = [
        line(
            (f"{labels.get(row, ''):>{LABEL_CELLS}} {'┤' if row in labels else '│'}", MUTED), *_row(canvas, row, places)
        )
        for row in range(rows)
    ]
    foot = _foot(left, max(ends), right, places, columns)
    return [*lines, line((f"{x_name[:LABEL_CELLS]:>{LABEL_CELLS}}  {foot}", MUTED))]


def _by_column(one: Series, left: float, scale: float) -> Curve:
    """The mean of the values that fall into each column of dots, from left to right; None: a gap (nothing finite)."""
    sums: dict[int, tuple[float, int]] = {}
    for x, y in zip(one.xs, one.ys, strict=True):
        column = round((x - left) * scale)
        total, count = sums.get(column, (0.0, 0))
        sums[column] = (total + y, count + 1) if math.isfinite(y) else (total, count)
    return [(column, total / count if count else None) for column, (total, count) in sums.items()]


def _draw_curve(canvas: Canvas, one: Series, curve: Curve, axis: Axis) -> None:
    before: tuple[int, int] | None = None
    for column, mean in curve:
        place = None if mean is None else axis.place(mean)
        if place is None:
            before = None
            continue
        point = (column, dots(place, canvas.height))
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


def _foot(left: float, last: float, right: float, places: dict[int, tuple[str, ...]], columns: int) -> str:
    """First and last x, the names of the marks, and round numbers, each where it fits between those before it."""
    cells = [" "] * columns
    ticks = inside(left, last, max(1, columns // TICK_CELLS), 1.0)
    named = [(x, (f"{x:.0f}",)) for x in (left, last)]
    words = [(_column(x, left, right, columns), names) for x, names in named] + sorted(places.items())
    words += [(_column(x, left, right, columns), (f"{x:.0f}",)) for x in ticks]
    for place, names in words:
        for name in names:
            start = max(0, min(place, columns - len(name)))
            around = cells[max(0, start - 1) : start + len(name) + 1]
            if all(cell == " " for cell in around):
                cells[start : start + len(name)] = name
                break
    return "".join(cells)


def _column(x: float, left: float, right: float, columns: int) -> int:
    return round((x - left) / (right - left) * (columns - 1))
