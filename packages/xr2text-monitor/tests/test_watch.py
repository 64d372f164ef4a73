"""What wakes the watcher, and that it needs nothing to wake it."""

import threading
from pathlib import Path

from fake_run import FakeRun

from xr2text_monitor.alerts import Limits
from xr2text_monitor.hardware import gpu_poller
from xr2text_monitor.hardware.gpu import Gpu, GpuReport
from xr2text_monitor.readers.run_files import RunFolder
from xr2text_monitor.sampler import Sampler, Snapshot
from xr2text_monitor.watch import FolderChanges, Watcher

LONG_S = 20.0


def test_a_change_is_reported_also_after_the_folder_was_made_again(tmp_path: Path) -> None:
    folder, seen = tmp_path / "run", threading.Event()
    changes = FolderChanges(folder, seen.set)
    changes.follow()
    for _ in range(2):
        folder.mkdir()
        changes.follow()
        seen.clear()
        (folder / "status.json").write_text("x")
        assert seen.wait(LONG_S)
        (folder / "status.json").unlink()
        folder.rmdir()
        changes.follow()
    changes.stop()


def test_reading_and_temporary_files_wake_nobody(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text("x")
    names: list[str] = []
    done = threading.Event()

    class Noting(FolderChanges):
        def _seen(self, event: object) -> None:
            names.append(str(getattr(event, "src_path", "")))
            super()._seen(event)

    changes = Noting(tmp_path, done.set)
    changes.follow()
    (tmp_path / "status.json").read_text()
    (tmp_path / "status.json.tmp").write_text("x")
    assert not done.wait(0.3)
    (tmp_path / "events.jsonl").write_text("x")
    assert done.wait(LONG_S)
    assert not [name for name in names if name.endswith("status.json")]
    changes.stop()


def test_polling_alone_sees_a_new_row(tmp_path: Path) -> None:
    run, seen = FakeRun(tmp_path), threading.Event()
    run.status()

    def show(snapshot: Snapshot) -> None:
        if len(snapshot.history) == 1:
            seen.set()

    sampler = Sampler(RunFolder.under(tmp_path), Limits(), gpu_poller.nobody)
    watcher = Watcher(sampler, show, lambda error: None, use_events=False)
    watcher.start()
    run.rows([1])
    assert seen.wait(LONG_S)
    watcher.stop()
    watcher.join(LONG_S)
    assert not watcher.is_alive()


def test_a_driver_that_hangs_is_told_and_old_values_are_not_shown() -> None:
    poller = gpu_poller.GpuPoller()
    _, at = poller._latest
    poller._latest = (GpuReport((Gpu(0, utilisation=0.0),)), at - 60)
    assert poller.report().gpus == () and "has not answered for 1 min" in poller.report().note
