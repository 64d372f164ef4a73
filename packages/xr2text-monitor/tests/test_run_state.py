"""The state of a run and the evidence for it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from fake_run import FakeRun

from xr2text_monitor.hardware.host import Process, look_at_process
from xr2text_monitor.readers.history import History, HistoryReader
from xr2text_monitor.readers.run_files import Event, Problem, Status
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


@pytest.mark.parametrize(
    ("changes", "silence_s", "state"),
    [
        ({"step": 0}, 600, "training"),  # compiles
        ({"step": 1}, 600, "training"),
        ({"step": 3}, 600, "training"),  # nothing says how long a step takes
        ({"step": 3, "studies_per_s": 0.25, "micro_batch": 4, "accumulation": 8}, 300, "training"),
        ({"step": 3, "studies_per_s": 0.25, "micro_batch": 4, "accumulation": 8}, 500, "silent"),
        ({"step": 300, "studies_per_s": 30.0, "micro_batch": 4, "accumulation": 8}, 90, "silent"),
        ({"step": 4, "started_at": 1000.0, "updated_at": 1400.0}, 250, "training"),
        ({"step": 4, "started_at": 1000.0, "updated_at": 1400.0}, 350, "silent"),
    ],
)
def test_silence_in_the_first_epoch_is_judged_by_how_long_a_step_takes(
    changes: dict[str, float], silence_s: float, state: str
) -> None:
    status = Status(state="training", pid=77, epoch=1, steps_in_epoch=960, **changes)  # type: ignore[arg-type]
    assert state_of(status, History(), "alive", silence_s).name == state


def test_a_supervisor_that_restarts_is_believed_for_as_long_as_that_takes() -> None:
    def at(wall: float, *kinds: str) -> tuple[str, str]:
        events = [Event(1000.0, kind, "", delay_s=20.0) for kind in kinds]
        states = [state_of(TRAINING, History(), "gone", age_s, events, wall) for age_s in (0.5, 30.0)]
        fresh, state = states
        assert fresh.name == state.name or kinds[-1:] not in (("restarted",), ("gave_up",))
        return state.name, state.evidence

    assert at(1005, "restarted") == ("restarting", "the supervisor starts the trainer again in 15 s")
    assert at(1040, "restarted") == ("restarting", "the supervisor has just started the trainer again")
    assert at(1200, "restarted")[0] == "dead" and "no trainer came" in at(1200, "restarted")[1]
    assert at(1040, "restarted", "resumed")[0] == "dead"
    assert at(1005, "restarted", "gave_up")[0] == "dead" and "gave up" in at(1005, "restarted", "gave_up")[1]
    assert at(1005)[0] == "dead"


@pytest.mark.parametrize("status", [None, TRAINING])
def test_a_status_that_cannot_be_read_makes_the_state_unknown(status: Status | None) -> None:
    problems = [Problem("status.json", "it is damaged")]
    state = state_of(status, History(), "alive", 1.0, problems=problems)
    assert (state.name, state.evidence) == ("unknown", "cannot read status.json: it is damaged")
    other = [Problem("run.json", "it is damaged")]
    assert state_of(TRAINING, History(), "alive", 1.0, problems=other).name == "training"
    assert state_of(TRAINING, History(), "gone", 60.0, problems=problems).name == "dead"


def test_a_history_without_a_status_and_a_status_without_a_state_are_unknown(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    run.rows([1, 2])
    assert state_of(None, HistoryReader(run.history).read(), "unknown", None).name == "unknown"
    assert state_of(Status(pid=1), History(), "alive", 1.0).name == "unknown"


def test_dates_that_prove_nothing_are_no_sign_of_life() -> None:
    assert state_of(TRAINING, History(), "gone", None).name == "dead"
    assert state_of(TRAINING, History(), "unknown", None).name == "unknown"
    assert state_of(TRAINING, History(), "alive", None).name == "training"


def test_a_date_in_the_future_is_proof_only_once_the_file_changes() -> None:
    life = SignOfLife()
    life.age("a", None, 1000.0)
    assert not life.is_proven
    life.age("b", None, 1001.0)
    assert life.is_proven
    life.age(None, None, 1002.0)
    life.age("c", 5.0, 1003.0)
    assert life.is_proven


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
