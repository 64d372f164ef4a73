"""Text is readable: contrast by WCAG 2.2, measured on every cell of every screen as it is drawn."""

from collections.abc import Iterator
from pathlib import Path

import frozen
import pytest
from rich.color import Color
from rich.segment import Segment

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.ink import ALERT_STYLES
from xr2text_monitor.theme import DARK, LIGHT

LEAST = 4.5
SCREENS = (
    (),
    ("l",),
    ("l", "2"),
    ("l", "3"),
    ("l", "slash", "a"),
    ("l", "enter"),
    ("r",),
    ("question_mark",),
    ("ctrl+p",),
)


def luminance(color: Color) -> float:
    """Relative luminance, 0..1."""
    assert color.triplet is not None
    parts = [part / 255 for part in color.triplet]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def is_text(segment: Segment) -> bool:
    """Not frames, bars, curves and scroll bars, which are no text."""
    return any(letter.isalnum() or letter in "▲✓✗?→★—%" for letter in segment.text)


def too_faint(app: MonitorApp) -> Iterator[str]:
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            if style is None or style.color is None or style.bgcolor is None or not is_text(segment):
                continue
            one, other = style.color, style.bgcolor
            if style.reverse:
                one, other = other, one
            if contrast(one, other) < LEAST:
                yield f"{contrast(one, other):.2f} : 1 for {segment.text!r} ({style})"


@pytest.mark.parametrize("no_color", [False, True], ids=["color", "NO_COLOR"])
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_all_text_of_all_screens_has_enough_contrast(
    tmp_path: Path, theme: str, no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    snapshot = frozen.hot(tmp_path)
    app = MonitorApp(snapshot)
    app.theme = theme
    found: dict[str, list[str]] = {}
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.show(snapshot)
        for severity in ("information", "warning", "error"):
            app.notify("a toast", title="new warning", severity=severity, timeout=60)
        for keys in SCREENS:
            await pilot.press(*keys)
            await pilot.pause(0.1)
            found[" ".join(keys)] = list(too_faint(app))
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
                await pilot.pause()
    assert {keys: faint for keys, faint in found.items() if faint} == {}


def test_warnings_critical_alerts_and_curves_have_colours_of_their_own() -> None:
    for theme in (DARK, LIGHT):
        colours = [theme.warning, theme.error, theme.success, theme.primary, theme.accent]
        assert len(set(colours)) == len(colours)
    assert ALERT_STYLES["warning"] != ALERT_STYLES["critical"]


def test_no_theme_is_offered_that_was_not_measured() -> None:
    assert set(MonitorApp(frozen.waiting()).available_themes) == {"dark", "light"}
