"""The screen, driven through Textual's pilot."""

import re
import time
from dataclasses import replace
from pathlib import Path

import frozen
import pytest
from fake_run import FakeRun
from screen import screen_text, settle, wait_for

from xr2text_monitor.alerts import Alert, Change, Limits
from xr2text_monitor.app import MonitorApp
from xr2text_monitor.hardware.gpu import Gpu, GpuReport
from xr2text_monitor.hardware.gpu_poller import nobody
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.panels.state import LOOKS
from xr2text_monitor.readers.history import EpochRow, History
from xr2text_monitor.readers.run_files import Checkpoint, Event, RunFolder, Status
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.screens.help import HelpScreen
from xr2text_monitor.state import BUSY, ENDED, RunState

SIZES = [(80, 24), (110, 28), (80, 40), (120, 40), (200, 60)]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("size", SIZES)
async def test_what_matters_stands_whole_on_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    snapshot = frozen.hot(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=size) as pilot:
        shown = await settle(app, pilot, snapshot)
    for expected in (
        "● TRAINING", "▲ GPU 0 at 88 °C, above 85 °C", "improve cooling", "reduce the batch",
        "13/50", "stage 2/4 single_region", "410/960", "37.4 studies/s", "3 h 08 min", "15 min 13 s",
        "9 h 32 min → 11:46",
        "BLEU-4  0.0876", "ROUGE-L 0.2361", "best 0.0907 ep. 11", "train 2.053", "val 2.151", "now 1.778",
        "97 %", "88 °C", "7.6/8.0 GiB", "85/115 W", "fan —", "2160/8001 MHz", "RTX 4060 Laptop GPU",
        "latest.pt", "best_model.pt", "1.9 GiB", "4 min ago", "skipped_step",
    ):  # fmt: skip
        assert expected in shown, f"{expected!r} is not on a screen of {size}"


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 10), (107, 33), (108, 34), (300, 100), (120, 15), (40, 80)])
async def test_no_size_is_an_error(tmp_path: Path, size: tuple[int, int]) -> None:
    snapshot = frozen.hot(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.resize_terminal(80, 24)
        assert "TRAINING" in await settle(app, pilot, snapshot)


@pytest.mark.parametrize("name", [*BUSY, *ENDED, "waiting", "silent", "dead", "elsewhere"])
async def test_every_state_has_words_a_glyph_and_its_evidence(tmp_path: Path, name: str) -> None:
    snapshot = replace(frozen.typical(tmp_path), state=RunState(name, "because of this", 12.0))
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        header = "".join((await settle(app, pilot, snapshot)).splitlines()[:2])
    glyph, _, words = LOOKS[name]
    assert glyph in header and words in header and "because of this" in header and "12 s ago" in header


async def test_nothing_known_is_shown_as_dashes() -> None:
    snapshot = replace(frozen.waiting(), status=Status(), host=Host(), gpu=GpuReport((Gpu(0), Gpu(1))))
    app = MonitorApp(snapshot)
    async with app.run_test(size=(120, 40)) as pilot:
        shown = await settle(app, pilot, snapshot)
    assert "—/— GiB" in shown and "—/— W" in shown and "0.0000" not in shown and "None" not in shown


async def test_waiting_says_where_it_looks_and_what_is_there() -> None:
    app = MonitorApp(frozen.waiting())
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await settle(app, pilot, frozen.waiting())
    assert "WAITING FOR A RUN" in shown and "data/statistics" in shown and "night-1" in shown


async def test_hostile_names_are_text_on_the_screen(tmp_path: Path) -> None:
    name = "[/red][bold]x"
    snapshot = replace(
        frozen.typical(tmp_path),
        folder=RunFolder(Path(name), Path(name), name),
        state=RunState("training", name, 1.0),
        status=Status(state="training", stage=name, message=name, device=name),
        events=(Event(1.0, name, name),),
        num_events=9,
        checkpoints=(Checkpoint(name, 1, 1.0),),
        gpu=GpuReport((Gpu(0, name, utilisation=1.0),)),
        alerts=(Alert("x", name, name, 1.0),),
        changes=(Change(Alert("x", name, name, 1.0), True, 1.0),),
    )
    app = MonitorApp(snapshot)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        shown = await settle(app, pilot, snapshot)
    assert shown.count(name) >= 7


async def test_a_new_warning_rings_once_and_stays_on_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rings: list[int] = []
    monkeypatch.setattr(MonitorApp, "bell", lambda self: rings.append(1))
    snapshot = frozen.hot(tmp_path)
    new = replace(snapshot, changes=(Change(snapshot.alerts[0], True, frozen.NOW),))
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(app, pilot, new)
        for _ in range(3):
            shown = await settle(app, pilot, snapshot)
        assert len(app._notifications) == 1 and len(rings) == 1
    assert "▲ GPU 0 at 88 °C" in shown


async def test_many_warnings_and_many_gpus_leave_room_for_the_rest(tmp_path: Path) -> None:
    alerts = tuple(Alert(f"k{n}", f"warning {n}", "do this", frozen.NOW) for n in range(12))
    gpus = GpuReport(tuple(replace(frozen.LAPTOP, index=n) for n in range(16)))
    snapshot = replace(frozen.typical(tmp_path), alerts=alerts, gpu=gpus)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await settle(app, pilot, snapshot)
    for expected in ("9 more: l lists all", "13 more GPUs", "13/50", "BLEU-4  0.0876", "CPU"):
        assert expected in shown


async def test_keys_open_help_switch_theme_and_curves_and_quit(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await settle(app, pilot, snapshot)
        await pilot.press("escape")
        await pilot.press("d")
        assert app.theme == "light"
        await pilot.press("c")
        assert "newest steps" in await settle(app, pilot, snapshot)
        await pilot.press("q")
    assert app.return_code == 0


async def test_s_saves_the_screen_as_svg_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = frozen.typical(tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot, snapshot)
        await pilot.press("s")
        deadline = time.monotonic() + 10
        while not list(here.glob("*.svg")) and time.monotonic() < deadline:
            await pilot.pause(0.05)
    (picture,) = here.glob("xr2text-monitor-*.svg")
    assert "TRAINING" in re.sub(r"<[^>]*>", " ", picture.read_text())


async def test_events_scroll_with_keys(tmp_path: Path) -> None:
    events = tuple(Event(frozen.NOW, "started", f"number {n}.") for n in range(12))
    snapshot = replace(frozen.typical(tmp_path), events=events, num_events=12)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(80, 24)) as pilot:
        assert "number 11." in await settle(app, pilot, snapshot)
        for _ in range(12):
            await pilot.press("down")
        assert "number 0." in screen_text(app) and "number 11." not in screen_text(app)


async def test_a_run_is_followed_from_nothing_to_its_end(tmp_path: Path) -> None:
    sampler = Sampler(RunFolder.under(tmp_path), Limits(), nobody)
    app = MonitorApp(sampler.sample(), sampler)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, app, lambda text: "WAITING FOR A RUN" in text)
        run = FakeRun(tmp_path)
        run.status(epoch=1)
        await wait_for(pilot, app, lambda text: "● TRAINING" in text and "1/50" in text)
        run.rows([1])
        await wait_for(pilot, app, lambda text: "BLEU-4  0.0" in text)
        run.status("finished", message="Training completed!")
        await wait_for(pilot, app, lambda text: "✓ FINISHED" in text and "Training completed!" in text)


async def test_a_folder_that_is_removed_and_made_again_is_followed_again(tmp_path: Path) -> None:
    import shutil

    sampler = Sampler(RunFolder.under(tmp_path), Limits(), nobody)
    FakeRun(tmp_path).typical()
    app = MonitorApp(sampler.sample(), sampler)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, app, lambda text: "13/50" in text)
        shutil.rmtree(tmp_path / "data")
        await wait_for(pilot, app, lambda text: "WAITING FOR A RUN" in text)
        FakeRun(tmp_path).status(epoch=2)
        await wait_for(pilot, app, lambda text: "2/50" in text)


async def test_hundred_thousand_epochs_are_drawn(tmp_path: Path) -> None:
    history = History(version=1, last=EpochRow(100_000), stages=[(1, "a"), (50_000, "b")])
    history.epochs.extend(float(epoch) for epoch in range(1, 100_001))
    for column in history.columns.values():
        column.extend(1 / epoch for epoch in history.epochs)
    snapshot = replace(frozen.typical(tmp_path), history=history)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(120, 40)) as pilot:
        assert "100000" in await settle(app, pilot, snapshot) or "1e+05" in screen_text(app)


async def test_a_defect_of_the_watcher_ends_the_screen_instead_of_freezing_it(tmp_path: Path) -> None:
    def broken() -> GpuReport:
        raise ZeroDivisionError("a defect")

    app = MonitorApp(frozen.waiting(), Sampler(RunFolder.under(tmp_path), Limits(), broken))
    with pytest.raises(ZeroDivisionError):
        async with app.run_test(size=(80, 24)) as pilot:
            for _ in range(100):
                await pilot.pause(0.05)


async def test_files_that_cannot_be_read_any_more_are_told(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.typical()
    sampler = Sampler(RunFolder.under(tmp_path), Limits(), nobody)
    app = MonitorApp(sampler.sample(), sampler)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, app, lambda text: "● TRAINING" in text)
        (run.statistics / "status.json").unlink()
        (run.statistics / "status.json").mkdir()
        shown = await wait_for(pilot, app, lambda text: "CANNOT READ" in text)
        assert "cannot read status.json: it is not a regular file" in shown
        (run.statistics / "status.json").rmdir()
        run.status()
        await wait_for(pilot, app, lambda text: "● TRAINING" in text and "no alerts" in text)
