"""The log: what stands in it, filter, copy, full text, and files that misbehave."""

import os
from dataclasses import replace
from pathlib import Path

import frozen
import pytest
from fake_run import FakeRun
from screen import screen_text, settle, wait_for

from xr2text_monitor.app import MonitorApp
from xr2text_monitor.readers.run_files import Event, RunFolder
from xr2text_monitor.screens.log import LogScreen
from xr2text_monitor.screens.text import TextScreen
from xr2text_monitor.snapshot import Snapshot

LONG = "ValueError: " + "a reason that goes on and on, " * 9 + "and ends here."


def snapshot_with_log(folder: Path, lines: list[str]) -> Snapshot:
    snapshot = replace(frozen.hot(folder), folder=RunFolder.under(folder))
    FakeRun(folder)
    (snapshot.folder.statistics / "train.log").write_text("".join(line + "\n" for line in lines))
    return snapshot


async def test_enter_shows_the_whole_line_at_80x24(tmp_path: Path) -> None:
    snapshot = replace(frozen.typical(tmp_path), events=(Event(frozen.NOW, "failed", LONG),), num_events=1)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l")
        assert "and ends here." not in await wait_for(pilot, app, lambda text: "ValueError" in text)
        await pilot.press("enter")
        assert isinstance(app.screen, TextScreen)
        await wait_for(pilot, app, lambda text: "and ends here." in text)
        await pilot.press("escape")
        assert isinstance(app.screen, LogScreen)
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_filter_keeps_lines_with_all_words_and_escape_shows_all_again(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", "slash", *"SAVED", "space", *"best")
        shown = await wait_for(pilot, app, lambda text: "stage_changed" not in text)
        assert "new_best" in shown and "skipped_step" not in shown
        await pilot.press("escape")
        await wait_for(pilot, app, lambda text: "skipped_step" in text)


async def test_a_filter_that_nothing_matches_leaves_an_empty_table(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", "slash", *"zzz", "enter", "enter", "y")
        assert "skipped_step" not in screen_text(app)


@pytest.mark.parametrize("tab", ["1", "2", "3"])
async def test_y_copies_the_line_of_every_tab(tmp_path: Path, tab: str) -> None:
    snapshot = snapshot_with_log(tmp_path, ["2026-11-26 17:20:20,820 ERROR out of paper"])
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", tab)
        await wait_for(
            pilot, app, lambda text: {"1": "skipped_step", "2": "out of paper", "3": "GPU 0 at 88"}[tab] in text
        )
        await pilot.press("y")
        expected = {"1": "skipped_step: Step 388", "2": "ERROR out of paper", "3": "→ improve cooling"}[tab]
        assert expected in app.clipboard


async def test_train_log_is_followed_at_its_end_and_its_markup_and_escapes_are_text(tmp_path: Path) -> None:
    snapshot = snapshot_with_log(tmp_path, [f"line {n}" for n in range(3000)])
    path = snapshot.folder.statistics / "train.log"
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", "2")
        await wait_for(pilot, app, lambda text: "line 2999" in text)
        with path.open("a") as file:
            file.write("[/red][bold]new\x1b[2J\n")
        await wait_for(pilot, app, lambda text: "[/red][bold]new [2J" in text)
        path.write_text("begun anew\n")
        await wait_for(pilot, app, lambda text: "begun anew" in text and "line 29" not in text)


async def test_new_events_appear_while_the_log_is_open_and_the_cursor_stays_on_its_line(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", "down")
        log = app.screen
        assert isinstance(log, LogScreen)
        before = log._open.current
        assert before is not None and "new_best" in before.text
        more = (*snapshot.events, Event(frozen.NOW, "hot", "GPU at 86 degrees"))
        app.show(replace(snapshot, events=more, num_events=len(more)))
        await wait_for(pilot, app, lambda text: "GPU at 86" in text)
        assert log._open.current == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system here")
async def test_a_train_log_that_would_keep_a_reader_waiting_does_not(tmp_path: Path) -> None:
    snapshot = snapshot_with_log(tmp_path, [])
    path = snapshot.folder.statistics / "train.log"
    path.unlink()
    os.mkfifo(path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("l", "2")
        await wait_for(pilot, app, lambda text: "cannot read train.log: it is not a regular file" in text)
