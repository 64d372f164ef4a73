"""The header at 3 am: state, how far, when done, alerts and folder; of a run that is over, when and how it ended."""

import time
from dataclasses import replace
from pathlib import Path

import frozen
import pytest
from screen import screen_text, settle

from xr2text_monitor.alerts import Alert
from xr2text_monitor.app import MonitorApp
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


async def shown(snapshot: Snapshot, size: tuple[int, int] = (80, 24)) -> str:
    app = MonitorApp(snapshot)
    async with app.run_test(size=size) as pilot:
        return await settle(app, pilot, snapshot)


async def header(snapshot: Snapshot, size: tuple[int, int] = (80, 24)) -> str:
    return "\n".join((await shown(snapshot, size)).splitlines()[:2])


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (80, 24), (120, 40), (200, 60)])
async def test_state_progress_end_alerts_and_folder_stand_at_the_top_of_every_size(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    found = await header(frozen.hot(tmp_path), size)
    for expected in (
        "● TRAINING",
        "13/50",
        "25 %",
        "done 11:46",
        "▲▲1" if size[0] == 40 else "▲▲ 1 critical",
        "/statistics",
    ):
        assert expected in found


async def test_alerts_are_counted_and_the_worst_is_named(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    alerts = [Alert(f"k{n}", "t", "a", frozen.NOW, severity=severity) for n, severity in enumerate(("warning", "info"))]
    unknown = Alert("u", "t", "a", frozen.NOW, is_unknown=True)
    assert "✓ no alerts" in await header(snapshot)
    assert "▲ 1 warning of 2 alerts" in await header(replace(snapshot, alerts=tuple(alerts)))
    assert "? 1 unknown" in await header(replace(snapshot, alerts=(unknown,)))
    assert "• 1 info" in await header(replace(snapshot, alerts=tuple(alerts[1:])))


async def test_a_finished_run_says_when_it_ended_and_how(tmp_path: Path) -> None:
    found = await header(frozen.finished(tmp_path))
    assert "✓ FINISHED" in found and "at 02:13 (6 h ago)" in found and "12/12" in found
    assert "Training completed!" in found and "done" not in found


async def test_a_dead_run_says_when_it_was_last_seen_and_has_no_end(tmp_path: Path) -> None:
    found = await header(frozen.dead(tmp_path))
    assert "last seen 02:13" in found and "done" not in found


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 40)])
async def test_the_whole_reason_of_a_failure_can_be_read(tmp_path: Path, size: tuple[int, int]) -> None:
    words = " ".join((await shown(frozen.failed(tmp_path), size)).split())
    assert frozen.REASON in words and "read train.log" in words


async def test_a_run_on_another_host_labels_gpu_and_machine_as_not_its_own(tmp_path: Path) -> None:
    snapshot = replace(
        frozen.typical(tmp_path), other_host="far-away", state=RunState("elsewhere", "training on host far-away", 1.0)
    )
    for size in ((80, 24), (120, 40)):
        assert "not of far-away, where the run is" in await shown(snapshot, size)
    assert "not of" not in await shown(frozen.typical(tmp_path / "here"))


async def test_a_gpu_that_the_run_does_not_use_is_labelled(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    assert snapshot.status is not None
    on_cpu = replace(snapshot, status=replace(snapshot.status, device="cpu"))
    for size in ((80, 24), (120, 40)):
        assert "GPU, not used: the run is on the CPU" in await shown(on_cpu, size)
    assert "not used" not in await shown(snapshot)


async def test_on_40x12_eta_gpu_and_events_can_be_reached(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    app = MonitorApp(snapshot)
    async with app.run_test(size=(40, 12)) as pilot:
        seen = await settle(app, pilot, snapshot)
        for key in ("pagedown", "pagedown", "pagedown"):
            await pilot.press(key)
            await pilot.pause()
            seen += "\n" + screen_text(app)
    for expected in (
        "ETA     9 h 32 min → 11:46",
        "78 °C",
        "6.0/8.0 GiB",
        "85/115 W",
        "BLEU-4",
        "epoch",
        "skipped_step",
    ):
        assert expected in seen
