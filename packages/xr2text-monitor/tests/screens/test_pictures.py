"""Pictures of the screen, compared as SVG. After a change that is meant: pytest --snapshot-update, and look at them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frozen
import pytest

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.snapshot import Snapshot

Picture = Callable[[Path], Snapshot]
SIZES = ((60, 20), (80, 24), (120, 40), (200, 60))
THEMES = ("dark", "light")
SHOWN: list[tuple[Picture, tuple[int, int], str, tuple[str, ...]]] = [
    *((frozen.hot, size, theme, ()) for size in SIZES for theme in THEMES),
    *((frozen.typical, size, "dark", ()) for size in ((40, 12), (80, 24), (120, 40))),
    (frozen.dead, (80, 24), "dark", ()),
    (frozen.failed, (80, 24), "dark", ()),
    (frozen.finished, (80, 24), "dark", ()),
    (frozen.saw, (120, 40), "dark", ("c",)),
    (frozen.typical, (80, 24), "dark", ("question_mark",)),
    (frozen.hot, (80, 24), "dark", ("l",)),
]


def name_of(one: tuple[Picture, tuple[int, int], str, tuple[str, ...]]) -> str:
    picture, size, theme, keys = one
    return "-".join((picture.__name__, f"{size[0]}x{size[1]}", theme, *keys))


@pytest.mark.parametrize("shown", SHOWN, ids=name_of)
def test_screen(
    shown: tuple[Picture, tuple[int, int], str, tuple[str, ...]],
    tmp_path: Path,
    snap_compare: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture, size, theme, keys = shown
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    snapshot = picture(tmp_path)
    app = MonitorApp(snapshot)
    app.theme = theme

    async def before(pilot: Any) -> None:
        app.show(snapshot)
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)
