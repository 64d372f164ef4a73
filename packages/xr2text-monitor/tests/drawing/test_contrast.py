"""Text is readable: contrast by WCAG 2.2, measured on every cell of every screen as it is drawn."""

from collections.abc import Iterator
from pathlib import Path

import frozen
import pytest
from rich.color import Color
from rich.segment import Segment
from screen import KEYS, back_to_the_first
from textual.filter import Monochrome

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.drawing.ink import ALERT_STYLES
from xr2text_monitor.drawing.theme import DARK, LIGHT

LEAST = 4.5


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
    """Text as it is drawn, and as it is drawn with NO_COLOR."""
    background = app.screen.styles.background
    for strip in app.screen._compositor.render_strips():
        drawn = list(strip)
        for segment in (*drawn, *Monochrome().apply(drawn, background)):
            style = segment.style
            if style is None or style.color is None or style.bgcolor is None or not is_text(segment):
                continue
            if contrast(style.color, style.bgcolor) < LEAST:
                yield f"{contrast(style.color, style.bgcolor):.2f} : 1 for {segment.text!r} ({style})"


async def test_all_text_of_all_screens_has_enough_contrast_in_both_themes_and_without_colour(tmp_path: Path) -> None:
    snapshot = frozen.hot(tmp_path)
    app = MonitorApp(snapshot)
    found: dict[str, list[str]] = {}
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.show(snapshot)
        for severity in ("information", "warning", "error"):
            app.notify("a toast", title="new alert", severity=severity, timeout=60)
        for keys in KEYS:
            await pilot.press(*keys)
            for theme in ("dark", "light"):
                app.theme = theme
                await pilot.pause(0.1)
                found[" ".join((theme, *keys))] = list(too_faint(app))
            await back_to_the_first(pilot, app)
    assert {keys: faint for keys, faint in found.items() if faint} == {}


def test_the_measure_finds_text_that_is_too_faint() -> None:
    assert contrast(Color.parse("#ffffff"), Color.parse("#000000")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#ffffff")) < LEAST  # 4.48, the known edge


def test_warnings_critical_alerts_and_curves_have_colours_of_their_own() -> None:
    for theme in (DARK, LIGHT):
        colours = [theme.warning, theme.error, theme.success, theme.primary, theme.accent]
        assert len(set(colours)) == len(colours)
    assert ALERT_STYLES["warning"] != ALERT_STYLES["critical"]


def test_no_theme_is_offered_that_was_not_measured() -> None:
    assert set(MonitorApp(frozen.waiting()).available_themes) == {"dark", "light"}
