"""Axes with round numbers: how values become places, and where the ticks stand. Pure functions; no widget."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LABEL_CELLS = 5
WORTH = 0.7  # of the height: where round ends leave less to the curve, they stand inside
SMALLEST = 1e-300  # that has a place on a log axis
LARGEST = 1e300  # beyond it differences overflow
RELATIVE_SPAN = 0.005  # of the value: with fewer digits than this, labels of five letters could not differ
LOG_STEPS = ((1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True)
class Scale:
    """What values of one kind allow: `floor`, below which there are none, and the least span that is worth a curve."""

    floor: float | None = None
    least_span: float = 0.0
    is_log: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Axis:
    """From `low` at the bottom to `high` at the top, with ticks at round numbers."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def place(self, value: float) -> float | None:
        """0 at the top, 1 at the bottom; None where the value cannot be drawn."""
        if not math.isfinite(value) or (self.is_log and value < SMALLEST):
            return None
        low, high, value = (_log(x) if self.is_log else _within(x) for x in (self.low, self.high, value))
        return min(1.0, max(0.0, (high - value) / (high - low)))

    def labels(self, rows: int) -> dict[int, str]:
        """The ticks by the row in which they stand, the outermost first; never two that read alike."""
        digits = _digits(self.ticks)
        found: dict[int, str] = {}
        for tick in (self.ticks[0], self.ticks[-1], *self.ticks[1:-1]):
            place = self.place(tick)
            text = _log_label(tick) if self.is_log else short(tick, digits)
            if place is not None and text not in found.values():
                found.setdefault(dots(place, rows) // 4, text)
        return found


def dots(place: float, rows: int) -> int:
    """The row of dots, four in a cell, of a place between 0 (top) and 1."""
    return round(place * (4 * rows - 1))


def axis_for(values: Sequence[float], rows: int, scale: Scale) -> Axis | None:
    """The axis over these values in so many rows; None where there is nothing to draw."""
    drawable = [_within(x) for x in values if math.isfinite(x) and (x >= SMALLEST or not scale.is_log)]
    if not drawable:
        return None
    most = max(2, (rows - 1) // 2)  # one round step cannot enclose both signs
    low, high = min(drawable), max(drawable)
    if scale.is_log:
        return _log_axis(low, high, most)
    low, high = _widened(low, high, scale)
    ticks = enclosing(low, high, most)
    if high - low < WORTH * (ticks[-1] - ticks[0]):
        within = inside(low, high, most)
        if len(within) > 1:
            return Axis(low, high, within)
    return Axis(ticks[0], ticks[-1], ticks)


def enclosing(low: float, high: float, most: int) -> tuple[float, ...]:
    """Multiples of the smallest round step that enclose `low`..`high` in at most `most` intervals."""
    for step in round_steps((high - low) / most):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if 0 < last - first <= most:
            return tuple(number * step for number in range(first, last + 1))
    raise AssertionError("steps rise without end")


def inside(low: float, high: float, most: int, least_step: float = 0.0) -> tuple[float, ...]:
    """Multiples of the smallest round step of which at most `most` intervals fit into `low`..`high`."""
    for step in round_steps(max(least_step, (high - low) / max(1, most))):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if step >= least_step and last - first <= most:
            return tuple(number * step for number in range(first, last + 1))
    raise AssertionError("steps rise without end")


def round_steps(least: float) -> Iterator[float]:
    """1, 2 or 5 times a power of ten, rising, from about `least` on."""
    exponent = math.floor(math.log10(max(least, SMALLEST)))
    while True:
        for factor in (1, 2, 5):
            # 5 * 10**-3 is 0.005, but 5 * 0.001 is not: divide by whole powers
            yield factor * 10.0**exponent if exponent >= 0 else factor / 10.0**-exponent
        exponent += 1


def short(value: float, digits: int) -> str:
    """At most five letters: 0.040, 12, 250k, 1e+30."""
    if abs(value) < 1e5:
        text = f"{value:.{digits}f}"
        return text if len(text) <= LABEL_CELLS else f"{value:.{max(0, digits - len(text) + LABEL_CELLS)}f}"
    for suffix, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if abs(value) < 1e3 * size:
            return f"{value / size:.0f}{suffix}"
    return f"{value:.0e}"


def _widened(low: float, high: float, scale: Scale) -> tuple[float, float]:
    """Never empty, never narrower than what is worth a curve, and not below the floor where the values are not."""
    least = max(scale.least_span, RELATIVE_SPAN * max(abs(low), abs(high))) or 1.0
    missing = max(0.0, least - (high - low))
    down, up = low - missing / 2, high + missing / 2
    if scale.floor is not None and down < scale.floor <= low:
        down, up = scale.floor, up + scale.floor - down
    return down, up


def _log_axis(low: float, high: float, most: int) -> Axis:
    """Round numbers inside the range; where those are too few, its ends."""
    if high < 1.1 * low:
        low, high = low / 1.05, high * 1.05
    ticks = inside(low, high, most) if high < 10 * low else _powers(low, high, most)
    return Axis(low, high, ticks if len(ticks) > 1 else (low, high), True)


def _powers(low: float, high: float, most: int) -> tuple[float, ...]:
    """1, 2, 5 or 1, 3 times powers of ten or, where those are too many, some powers of ten alone."""
    exponents = range(math.floor(_log(low)), math.ceil(_log(high)) + 1)
    for factors in LOG_STEPS:
        every = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        ticks = tuple(tick for tick in every if low <= tick <= high)
        if len(ticks) <= most + 1:
            return ticks
    return ticks[:: -(-len(ticks) // (most + 1))]


def _digits(ticks: Sequence[float]) -> int:
    """Decimals that show every tick as it is, three at most."""
    for digits in range(3):
        if all(abs(round(tick, digits) - tick) <= 1e-3 * 10.0**-digits for tick in ticks):
            return digits
    return 3


def _log_label(value: float) -> str:
    text = f"{value:.3g}"
    return text if len(text) <= LABEL_CELLS else f"{value:.0e}"


def _log(value: float) -> float:
    return math.log10(max(value, SMALLEST))


def _within(value: float) -> float:
    return min(LARGEST, max(-LARGEST, value))
