"""A file or a driver that hangs holds up neither the other nor the answer."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_run import FakeRun
from watching import CALM

from xr2text_monitor.alerts import Limits
from xr2text_monitor.hardware.gpu import GpuReport
from xr2text_monitor.hardware.gpu_poller import GpuPoller, nobody
from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.readers.run_files import JsonReader, RunFolder
from xr2text_monitor.readers.run_reader import RunReader
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.summary import exit_code

FILES = ("status.json", "training_history.csv", "events.jsonl", "run.json")
ERRORS = (PermissionError(13, "Permission denied"), OSError(116, "Stale file handle"), OSError(5, "I/O error"))


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A drive that hangs while the event is clear."""
    works = threading.Event()
    works.set()
    read = JsonReader.read

    def hanging(self: JsonReader) -> object:
        works.wait()
        return read(self)

    monkeypatch.setattr(JsonReader, "read", hanging)
    yield works
    works.set()


def test_an_errand_that_hangs_is_waited_for_again_and_not_started_twice() -> None:
    go, runs = threading.Event(), []

    def work() -> int:
        runs.append(1)
        go.wait()
        return len(runs)

    errand = Errand(work, "test")
    assert errand.result(0.01) is None and errand.result(0.01) is None and errand.late_s > 0
    go.set()
    assert errand.result(20) == 1 and errand.late_s == 0
    assert errand.result(20) == 2
    errand.stop()


def test_a_defect_in_an_errand_is_raised_where_its_result_is_wanted() -> None:
    errand: Errand[float] = Errand(lambda: 1 / 0, "test")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            errand.result(20)


def test_a_hot_gpu_is_told_while_the_files_hang(tmp_path: Path, drive: threading.Event) -> None:
    run = FakeRun(tmp_path)
    run.status(device="NVIDIA X")
    hot = GpuReport((replace(CALM.gpus[0], temperature_c=92),))
    reports = [GpuReport(CALM.gpus), hot]
    sampler = Sampler(RunFolder.under(tmp_path), Limits(), lambda: reports[0], files_s=0.2)
    assert sampler.sample().health == "ok"
    drive.clear()
    reports.pop(0)
    snapshot = sampler.sample()
    assert snapshot.state.name == "unknown" and "cannot read status.json: no answer" in snapshot.state.evidence
    assert {alert.key for alert in snapshot.alerts} == {"unreadable_status.json", "temperature_0"}
    assert snapshot.status is not None and snapshot.status.epoch == 13  # what was known is still shown
    drive.set()
    deadline = time.monotonic() + 20
    while sampler.sample().state.name != "training":
        assert time.monotonic() < deadline
    assert [alert.key for alert in sampler.sample().alerts] == ["temperature_0"]


def test_files_that_hang_from_the_beginning_are_unknown_and_not_absent(tmp_path: Path, drive: threading.Event) -> None:
    FakeRun(tmp_path).status()
    drive.clear()
    snapshot = Sampler(RunFolder.under(tmp_path), Limits(), nobody, files_s=0.1).sample()
    assert snapshot.state.name == "unknown" and exit_code(snapshot) == 3


@pytest.mark.parametrize("name", FILES)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are a thing of POSIX")
def test_a_pipe_in_place_of_a_file_is_told_and_not_waited_for(tmp_path: Path, name: str) -> None:
    run = FakeRun(tmp_path)
    run.typical()
    (run.statistics / name).unlink()
    os.mkfifo(run.statistics / name)
    command = [sys.executable, "-m", "xr2text_monitor.cli", "--json", "--no-gpu", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    (alert,) = json.loads(done.stdout)["alerts"]
    assert alert["title"] == f"cannot read {name}: it is not a regular file" and alert["is_unknown"]


@pytest.mark.parametrize("error", ERRORS)
def test_files_that_cannot_be_read_any_more_keep_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    FakeRun(tmp_path).typical()
    reader = RunReader(RunFolder.under(tmp_path))
    before = reader.read()
    stat = Path.stat

    def failing(self: Path, **options: bool) -> os.stat_result:
        if self.name in FILES:
            raise error
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", failing)
    after = reader.read()
    assert {problem.name: problem.reason for problem in after.problems} == dict.fromkeys(FILES, error.strerror)
    assert after.status == before.status and after.events == before.events and len(after.history) == 12
    monkeypatch.undo()
    assert reader.read().problems == ()


@pytest.mark.parametrize("error", ERRORS)
def test_a_checkpoints_folder_that_may_not_be_entered_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    run = FakeRun(tmp_path)
    run.typical()
    scandir, stat = os.scandir, os.stat

    def is_closed(path: object) -> bool:
        return str(path).startswith(str(run.checkpoints))

    def closed_scandir(path: str) -> object:
        if is_closed(path):
            raise error
        return scandir(path)

    def closed_stat(path: object, **options: object) -> os.stat_result:
        if is_closed(path):
            raise error
        return stat(path, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "scandir", closed_scandir)
    monkeypatch.setattr(os, "stat", closed_stat)
    snapshot = Sampler(RunFolder.under(tmp_path), Limits(), nobody).sample()
    assert snapshot.state.name == "training" and exit_code(snapshot) == 3
    assert [str(problem) for problem in snapshot.problems] == [f"cannot read the checkpoints: {error.strerror}"]


def test_a_driver_that_hangs_from_the_beginning_is_not_waited_for(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.status(device="NVIDIA X")
    poller = GpuPoller()  # never started: never an answer
    poller._begun_at -= 60
    snapshot = Sampler(RunFolder.under(tmp_path), Limits(), poller.first_report).sample()
    assert "has not answered" in snapshot.gpu.note and snapshot.alerts[0].title.startswith("cannot read the GPUs")
    assert exit_code(snapshot) == 3
    run.status(device="cpu")
    assert exit_code(Sampler(RunFolder.under(tmp_path), Limits(), poller.first_report).sample()) == 0
