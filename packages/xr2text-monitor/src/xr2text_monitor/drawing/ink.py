"""Pieces of lines for the panels: styled text, bars, sparks. No markup is ever parsed: names cannot break it."""

from collections.abc import Iterable

from textual.content import Content

Piece = str | Content | tuple[str, str]

MUTED = "$foreground-muted"
STRONG = "bold"
GOOD = "$text-success"
WARN = "$text-warning"
BAD = "$text-error"
FIRST = "$text-primary"
SECOND = "$text-accent"
LABEL_CELLS = 8
ALERT_GLYPHS = {"info": "•", "warning": "▲", "critical": "▲▲", "unknown": "?"}  # told apart without colour too
ALERT_STYLES = {"info": FIRST, "warning": WARN, "critical": BAD, "unknown": WARN}


def line(*pieces: Piece) -> Content:
    """One line from plain and styled pieces."""
    return Content.assemble(*pieces)


def label(name: str, *pieces: Piece) -> Content:
    """A line that begins with a muted name in a column of fixed width."""
    return line((f"{name:<{LABEL_CELLS}}", MUTED), *pieces)


def bar(share: float | None, cells: int, style: str = FIRST) -> list[Piece]:
    """A bar of `cells`; full and empty part differ in shape too. None gives an empty bar."""
    filled = 0 if share is None else round(min(1.0, max(0.0, share)) * cells)
    return [("█" * filled, style), ("░" * (cells - filled), MUTED)]


def spark(values: Iterable[float], cells: int) -> str:
    """The newest values as one row of eighth blocks; NaN and infinity leave a gap."""
    shown = list(values)
    width = max(1, -(-len(shown) // cells)) if cells > 0 else 1
    groups = [shown[start : start + width] for start in range(0, len(shown), width)][-cells:]
    means = [sum(group) / len(group) for group in groups]
    finite = [mean for mean in means if abs(mean) < float("inf")]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[round((mean - low) / span * 7)] if abs(mean) < float("inf") else " " for mean in means)
