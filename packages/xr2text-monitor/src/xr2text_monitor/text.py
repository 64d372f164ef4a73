"""Values as a person reads them: fixed units, a dash for what is missing, and no control characters from outside."""

import math
from datetime import datetime, timedelta
from pathlib import Path

DASH = "—"


def clean(text: object, limit: int = 400) -> str:
    """Text from a file, safe to print: one line of printable characters (no escape sequences), cut to `limit`."""
    flat = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * limit])
    return " ".join(flat.split())[:limit]


def number(value: float | None, digits: int = 4) -> str:
    """0.0789, nan as `nan` (it was measured and is not finite), None as a dash."""
    return DASH if value is None else f"{value:.{digits}f}"


def whole(value: float | None) -> str:
    return DASH if value is None or not math.isfinite(value) else f"{value:.0f}"


def unit(value: float | None, name: str) -> str:
    """71 °C, or a dash without the unit."""
    text = whole(value)
    return text if text == DASH else f"{text} {name}"


def rate(value: float | None) -> str:
    """Learning rate: 5.0e-05."""
    return DASH if value is None else f"{value:.1e}"


def gib(mebibytes: float | None) -> str:
    return DASH if mebibytes is None else f"{mebibytes / 1024:.1f}"


def size(num_bytes: float | None) -> str:
    """1.2 GiB, 340 MiB, 12 KiB."""
    if num_bytes is None:
        return DASH
    for name, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.1f} {name}" if num_bytes < 100 * scale else f"{num_bytes / scale:.0f} {name}"
    return f"{num_bytes:.0f} B"


def duration(seconds: float | None) -> str:
    """8 s, 3 min 05 s, 2 h 07 min, 3 d 04 h."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    left = max(0, int(seconds))
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60:02} s"
    if left < 86400:
        return f"{left // 3600} h {left % 3600 // 60:02} min"
    return f"{left // 86400} d {left % 86400 // 3600:02} h"


def age(seconds: float) -> str:
    """The largest unit only: 5 min ago, 2 h ago."""
    left = max(0, int(seconds))
    for name, scale in (("d", 86400), ("h", 3600), ("min", 60)):
        if left >= scale:
            return f"{left // scale} {name} ago"
    return f"{left} s ago"


def clock(at: float | None, now: float) -> str:
    """A moment (Unix seconds) in local time: 04:12 today, else with the day: Tue 04:12, 12 Jan 04:12."""
    if at is None or not math.isfinite(at) or abs(at) > 1e11:
        return DASH
    try:
        moment, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    except (ValueError, OverflowError, OSError):  # the year 1, or what this system's C library does not know
        return DASH
    if moment.date() == today.date():
        return f"{moment:%H:%M}"
    if abs(moment - today) < timedelta(days=6):
        return f"{moment:%a %H:%M}"
    return f"{moment:%d %b %H:%M}"


def place(path: Path) -> str:
    """A folder by its whole path, with ~ for the home folder, safe to print."""
    try:
        whole = path.absolute()
        home = Path.home()
    except (OSError, RuntimeError):  # the current folder was deleted, a user without a home
        return clean(path)
    return clean(Path("~") / whole.relative_to(home) if whole.is_relative_to(home) else whole)


def ending(text: str, cells: int) -> str:
    """The end of a path says most."""
    return text if len(text) <= cells else f"…{text[1 - cells :]}" if cells > 1 else ""
