"""The state of a run and the evidence for it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from fake_run import FakeRun

from xr2text_monitor.history import History, HistoryReader
from xr2text_monitor.host import Process, look_at_process
from xr2text_monitor.run_files import Status
from xr2text_monitor.state import SignOfLife, patience_s, state_of

TRAINING = Status(state="training", pid=77, host="here", step=5, steps_in_epoch=960)


@pytest.mark.parametrize("ended", ["finished", "interrupted", "failed"])
def test_the_last_word_of_the_trainer_stands_although_its_process_is_gone(ended: str) -> None:
    state = state_of(Status(state=ended, message="why"), History(), "gone", 9e9)
    assert (state.name, state.evidence) == (ended, "why")


@pytest.mark.parametrize("name", ["starting", "caching", "training", "validating", "saving", "cooling", "stopping"])
def test_a_living_process_is_in_the_state_it_says(name: str) -> None:
    assert state_of(Status(state=name, pid=77), History(), "alive", 2.0).name == name


def test_no_status_means_waiting() -> None:
    assert state_of(None, History(), "unknown", None).name == "waiting"


@pytest.mark.parametrize("process", ["gone", "reused"])
def test_a_process_that_is_gone_is_presumed_dead_with_the_reason(process: Process) -> None:
    state = state_of(TRAINING, History(), process, 14.0)
    assert state.name == "dead" and state.age_s == 14.0
    assert "pid 77" in state.evidence and "it was training" in state.evidence


def test_a_file_written_a_moment_ago_is_life_whatever_the_process_list_says() -> None:
    assert state_of(TRAINING, History(), "gone", 1.0).name == "training"


def test_silence_of_a_living_process_is_not_death() -> None:
    state = state_of(TRAINING, History(), "alive", 3600.0)
    assert state.name == "silent" and "pid 77 still runs" in state.evidence


def test_silence_is_judged_by_the_rhythm_of_the_run(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows([1, 2])
    run.history.write_text(run.history.read_text().replace(",913.6,", ",96000,").replace(",93.2,", ",4000,"))
    history = HistoryReader(run.history).read()
    assert patience_s(TRAINING, history) == pytest.approx(300)
    assert state_of(TRAINING, history, "alive", 200.0).name == "training"
    assert patience_s(Status(state="validating"), history) == 12_000


def test_on_another_host_nothing_is_presumed_of_its_process() -> None:
    assert state_of(TRAINING, History(), "elsewhere", 3.0).name == "elsewhere"
    assert state_of(TRAINING, History(), "elsewhere", 3600.0).name == "silent"


def test_age_runs_on_our_clock_and_begins_with_the_date_of_the_file() -> None:
    life = SignOfLife()
    assert life.age("a", 100.0, 1000.0) == 100.0
    assert life.age("a", None, 1005.0) == 105.0
    assert life.age("b", None, 1006.0) == 0.0
    assert life.age(None, None, 1007.0) is None
    assert life.age("c", -50.0, 1008.0) == 0.0


def test_a_writer_whose_pid_is_not_seen_lives_elsewhere() -> None:
    life = SignOfLife()
    assert life.judge("gone", 5, "first") == "gone"
    assert life.judge("gone", 5, "first") == "gone"
    assert life.judge("gone", 5, "second") == "elsewhere"
    assert life.judge("gone", 6, "third") == "gone"


def test_the_last_write_of_a_killed_trainer_is_not_taken_for_life_elsewhere() -> None:
    life = SignOfLife()
    assert life.judge("alive", 5, "first") == "alive"
    assert life.judge("gone", 5, "second") == "gone"
    assert life.judge("gone", 5, "second") == "gone"


def test_processes_are_told_apart_by_their_start() -> None:
    me = psutil.Process()
    assert look_at_process(me.pid, "", me.create_time()) == "alive"
    assert look_at_process(me.pid, "", me.create_time() - 3600) == "reused"
    assert look_at_process(me.pid, "another-host", None) == "elsewhere"
    assert look_at_process(None, "", None) == look_at_process(-1, "", None) == "unknown"
    assert look_at_process(10**14, "", None) in ("gone", "unknown")


def test_a_process_that_ended_is_gone_also_while_nobody_has_collected_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert look_at_process(child.pid, "", None) == "gone"
    child.wait()
    assert look_at_process(child.pid, "", None) == "gone"


def test_a_suspended_process_is_told_from_a_dead_one() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        psutil.Process(child.pid).suspend()
        while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
            pass
        assert look_at_process(child.pid, "", None) == "stopped"
        assert state_of(TRAINING, History(), "stopped", 20.0).name == "silent"
    finally:
        child.kill()
        child.wait()
