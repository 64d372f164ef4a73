"""Several runs: the list, the switch, a second run behind the curves, and the settings of two side by side."""

import time
from pathlib import Path

import frozen
import pytest
from fake_run import FakeRun
from screen import choose, screen_text, wait_for

from xr2text_monitor.alerts import Limits
from xr2text_monitor.app import MonitorApp
from xr2text_monitor.hardware.gpu_poller import nobody
from xr2text_monitor.panels.charts import ChartsPanel
from xr2text_monitor.readers.run_files import RunFolder
from xr2text_monitor.readers.runs import RunList
from xr2text_monitor.readers.settings import compared
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.screens.compare import CompareScreen
from xr2text_monitor.screens.runs import RunsScreen


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three runs: one without a name that trains, one that is finished, one with a history alone."""
    FakeRun(tmp_path).typical()
    done = FakeRun(tmp_path, "done")
    done.rows(range(1, 51))
    done.status("finished", epoch=50, best_score=0.4, best_epoch=44)
    done.run_json(settings={"batch": 8, "seed": 1})
    FakeRun(tmp_path, "copied").rows(range(1, 4))
    FakeRun(tmp_path).run_json(settings={"batch": 4, "seed": 1})
    return tmp_path


def app_of(out: Path, name: str = "") -> MonitorApp:
    sampler = Sampler(RunFolder.under(out, name), Limits(), nobody)
    return MonitorApp(sampler.sample(), sampler)


def test_all_runs_are_listed_with_state_epoch_best_and_age(out: Path) -> None:
    found = {run.folder.name: run for run in RunList(out).read()}
    assert set(found) == {"", "done", "copied"}
    assert (found[""].state, found[""].epoch, found[""].epochs) == ("training", 13, 50)
    done = found["done"]
    assert (done.state, done.epoch, done.best, done.best_epoch) == ("finished", 50, 0.4, 44)
    assert done.written_at is not None and time.time() - done.written_at < 60
    assert (found["copied"].state, found["copied"].epoch) == ("unknown", 3)
    assert found["copied"].best is not None and found["copied"].best_epoch == 3


def test_runs_that_come_and_go_are_noticed(out: Path) -> None:
    runs = RunList(out)
    assert len(runs.read()) == 3
    (out / "data" / "statistics" / "copied" / "training_history.csv").unlink()
    FakeRun(out, "new").status()
    assert {run.name for run in runs.read()} == {"(no name)", "done", "new"}


def test_nothing_there_is_an_empty_list(tmp_path: Path) -> None:
    assert RunList(tmp_path / "nowhere").read() == []


async def test_enter_watches_another_run_without_a_restart(out: Path) -> None:
    app = app_of(out)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, app, lambda text: "● TRAINING" in text and "13/50" in text)
        before = app.watcher
        await choose(pilot, app, "done")
        await pilot.press("enter")
        shown = await wait_for(pilot, app, lambda text: "✓ FINISHED  done" in text)
        assert "/data/statistics/done" in shown and "skipped_step" not in shown
        assert app.watcher is not before
        FakeRun(out).status("failed", message="of the run that is no longer watched")
        await pilot.pause(1.5)
        assert "✓ FINISHED" in screen_text(app)


async def test_o_lays_a_run_behind_the_curves_and_takes_it_away_again(out: Path) -> None:
    app = app_of(out)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_for(pilot, app, lambda text: "● TRAINING" in text)
        for expected in (True, False):
            await choose(pilot, app, "done")
            await pilot.press("o")
            await wait_for(pilot, app, lambda text, expected=expected: ("· done" in text) is expected)  # type: ignore[misc]


async def test_c_compares_the_settings_of_the_marked_run_with_the_one_under_the_cursor(out: Path) -> None:
    app = app_of(out)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_for(pilot, app, lambda text: "● TRAINING" in text)
        await choose(pilot, app, "")
        await pilot.press("c")
        assert isinstance(app.screen, RunsScreen)  # nothing to compare a run with itself
        await choose(pilot, app, "done")
        await pilot.press("c")
        assert isinstance(app.screen, CompareScreen)
        shown = await wait_for(pilot, app, lambda text: "settings.batch" in text)
        assert "settings.seed" not in shown and "1 of" in shown
        await pilot.press("a")
        assert "settings.seed" in await wait_for(pilot, app, lambda text: "settings.seed" in text)


async def test_a_run_without_run_json_is_named(out: Path) -> None:
    app = app_of(out)
    async with app.run_test(size=(80, 24)) as pilot:
        folders = [RunFolder.under(out, name) for name in ("", "copied")]
        app.push_screen(CompareScreen(*folders))
        await wait_for(pilot, app, lambda text: "no run.json that can be read: copied" in text)


def test_settings_are_paired_by_name_and_missing_ones_are_dashes() -> None:
    left = {"started_at": "1", "settings": {"batch": 4, "layers": [1, 2]}, "version": "0.1"}
    right = {"started_at": "2", "settings": {"batch": 8, "warm_up": True}, "version": "0.1"}
    found = {pair.name: pair for pair in compared(left, right)}
    assert (found["settings.batch"].left, found["settings.batch"].right) == ("4", "8")
    assert (found["settings.layers"].left, found["settings.layers"].right) == ("[1, 2]", "—")
    assert found["settings.warm_up"].right == "true" and found["settings.warm_up"].differs
    assert not found["version"].differs and not found["started_at"].differs
    assert next(iter(found)).startswith("settings.")


def test_hostile_settings_are_text() -> None:
    (pair,) = compared({"a\x1b[2J": "b\x1b]0;x\x07"}, {})
    assert (pair.name, pair.left) == ("a [2J", "b ]0;x")


async def test_the_pages_of_curves_go_around_and_findings_have_one_when_they_are_measured(tmp_path: Path) -> None:
    for picture, pages in (
        (frozen.typical, ["steps", "gpu", "epochs"]),
        (frozen.saw, ["findings", "steps", "gpu", "epochs"]),
    ):
        snapshot = picture(tmp_path / picture.__name__)
        app = MonitorApp(snapshot)
        async with app.run_test(size=(120, 40)) as pilot:
            app.show(snapshot)
            seen = []
            for _ in pages:
                await pilot.press("c")
                seen.append(app.screen.query_one(ChartsPanel).page)
            shown = screen_text(app)
        assert seen == pages
        assert ("finding AUC 0.830" in shown) is (picture is frozen.saw)
