"""Pictures of the screen, compared as SVG. After a change that is meant: pytest --snapshot-update, and look at them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frozen
import pytest

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.sampler import Snapshot


@pytest.mark.parametrize(
    ("picture", "size"),
    [(frozen.typical, (80, 24)), (frozen.typical, (120, 40)), (frozen.hot, (120, 40)), (frozen.dead, (80, 24))],
    ids=["typical-80x24", "typical-120x40", "hot-120x40", "dead-80x24"],
)
def test_screen(
    picture: Callable[[Path], Snapshot],
    size: tuple[int, int],
    tmp_path: Path,
    snap_compare: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    snapshot = picture(tmp_path)
    app = MonitorApp(snapshot)

    async def before(pilot: Any) -> None:
        app.show(snapshot)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)
