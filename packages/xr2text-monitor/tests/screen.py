"""Reads the screen of an application that a test drives. Not a test itself."""

import time
from collections.abc import Callable

from textual.pilot import Pilot

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.screens.runs import RunsScreen
from xr2text_monitor.snapshot import Snapshot

PATIENCE_S = 20.0
KEYS = (  # that lead from the first screen to each of the others
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


def screen_text(app: MonitorApp) -> str:
    """What stands on the screen, row by row, read back from the picture the application makes of itself."""
    rows = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in rows)


async def settle(app: MonitorApp, pilot: Pilot[None], snapshot: Snapshot) -> str:
    app.show(snapshot)
    await pilot.pause()
    await pilot.pause()
    return screen_text(app)


async def wait_for(pilot: Pilot[None], app: MonitorApp, is_there: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not is_there(screen_text(app)):
        assert time.monotonic() < deadline, screen_text(app)
        await pilot.pause(0.05)
    return screen_text(app)


async def back_to_the_first(pilot: Pilot[None], app: MonitorApp) -> None:
    while len(app.screen_stack) > 1:
        await pilot.press("escape")
        await pilot.pause()


async def choose(pilot: Pilot[None], app: MonitorApp, name: str) -> RunsScreen:
    """Open the chooser, once it lists the runs, with the cursor on one of them."""
    if not isinstance(app.screen, RunsScreen):
        await pilot.press("r")
    await wait_for(pilot, app, lambda text: "finished" in text and "runs below" in text)
    chooser = app.screen
    assert isinstance(chooser, RunsScreen)
    chooser._table.move_cursor(row=[run.folder.name for run in chooser.runs].index(name))
    return chooser
