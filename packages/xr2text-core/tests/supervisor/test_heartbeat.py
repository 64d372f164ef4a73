"""A trainer hangs when its status stays the same for longer than usual; clocks, sleep and a full disk do not count."""

import json
from pathlib import Path
from typing import Any

import pytest

from xr2text_core.supervisor.heartbeat import Heartbeat, Limits

LIMITS = Limits(starting_s=3600, working_s=300, factor=20, asleep_s=30)
WRITER = {"host": "here", "pid": 12, "process_started_s": 5.0}


class Watched:
    """A run whose status and clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "status.json"
        self.now = 1000.0
        self.heartbeat = Heartbeat(self.path, LIMITS, clock=lambda: self.now)

    def write(self, **fields: Any) -> None:
        self.path.write_text(json.dumps({**WRITER, "state": "training", **fields}))

    def passes(self, seconds: float) -> None:
        """The time goes by, and the supervisor looks every ten seconds or more often."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + 10, until)
            self.heartbeat.look()

    def trains(self, steps: int, step_s: float) -> None:
        for step in range(steps):
            self.write(epoch=1, step=step)
            self.heartbeat.look()
            self.passes(step_s)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_fast_steps_may_pause_for_five_minutes(watched: Watched) -> None:
    watched.trains(10, step_s=1)
    watched.passes(298)
    assert not watched.heartbeat.is_hanging()
    watched.passes(10)
    assert watched.heartbeat.is_hanging()


def test_slow_steps_may_pause_for_twenty_of_them(watched: Watched) -> None:
    watched.trains(10, step_s=60)
    watched.passes(1100)
    assert not watched.heartbeat.is_hanging()
    watched.passes(200)
    assert watched.heartbeat.is_hanging()


def test_one_slow_change_does_not_become_the_usual_one(watched: Watched) -> None:
    watched.trains(10, step_s=1)
    watched.trains(1, step_s=250)
    watched.trains(1, step_s=305)
    assert watched.heartbeat.is_hanging()


@pytest.mark.parametrize("state", ["starting", "caching"])
def test_the_start_may_take_an_hour(watched: Watched, state: str) -> None:
    watched.write(state=state)
    watched.passes(3590)
    assert not watched.heartbeat.is_hanging()
    watched.passes(40)
    assert watched.heartbeat.is_hanging()


def test_a_first_step_is_waited_for_while_nobody_knows_how_long_one_takes(watched: Watched) -> None:
    watched.write(epoch=1, step=0)
    watched.passes(1000)
    assert not watched.heartbeat.is_hanging()


def test_the_usual_time_is_remembered_over_a_restart(watched: Watched) -> None:
    watched.trains(10, step_s=1)
    watched.heartbeat.begin()
    watched.write(pid=13, epoch=1, step=0)
    watched.passes(320)
    assert watched.heartbeat.is_hanging()


@pytest.mark.parametrize("state", ["validating", "saving", "cooling", "finished"])
def test_a_trainer_can_hang_in_every_state(watched: Watched, state: str) -> None:
    watched.trains(3, step_s=1)
    watched.write(state=state)
    watched.passes(320)
    assert watched.heartbeat.is_hanging()


def test_a_status_of_an_earlier_process_is_none(tmp_path: Path) -> None:
    first = Watched(tmp_path)
    first.write(epoch=7, step=3)
    second = Watched(tmp_path)
    second.passes(100)
    assert (second.heartbeat.fields, second.heartbeat.furthest, second.heartbeat.has_reported) == ({}, (0, 0), False)
    second.write(pid=13, epoch=2, step=1)
    second.passes(1)
    assert (second.heartbeat.furthest, second.heartbeat.has_reported) == ((2, 1), True)


def test_the_furthest_step_stays_when_a_restart_repeats_older_ones(watched: Watched) -> None:
    for epoch, step in ((1, 20), (2, 0), (1, 15)):
        watched.write(epoch=epoch, step=step)
        watched.heartbeat.look()
    assert watched.heartbeat.furthest == (2, 0)


def test_a_computer_that_slept_is_no_trainer_that_hangs(watched: Watched) -> None:
    watched.trains(10, step_s=1)
    watched.now += 8 * 3600
    watched.heartbeat.look()
    assert not watched.heartbeat.is_hanging()
    watched.passes(320)
    assert watched.heartbeat.is_hanging()


def test_a_night_of_sleep_is_no_usual_time(watched: Watched) -> None:
    watched.write(epoch=1, step=0)
    watched.heartbeat.look()
    watched.now += 8 * 3600
    watched.trains(2, step_s=1)
    watched.passes(320)
    assert watched.heartbeat.is_hanging()


def test_the_times_in_the_status_do_not_matter(watched: Watched) -> None:
    watched.trains(10, step_s=1)
    for updated_at in ("2036-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00", "2036-01-01T00:00:01+00:00"):
        watched.write(epoch=1, step=9, updated_at=updated_at)
        watched.passes(200)
        assert not watched.heartbeat.is_hanging()


def test_a_status_that_cannot_be_written_tells_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    watched.trains(10, step_s=1)
    watched.passes(320)
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        assert not watched.heartbeat.is_hanging()
    watched.passes(100)
    assert not watched.heartbeat.is_hanging()
    watched.passes(220)
    assert watched.heartbeat.is_hanging()
    assert [path.name for path in watched.path.parent.iterdir()] == ["status.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"epoch": null, "step": "x"}', "\udcff"])
def test_a_status_that_makes_no_sense_is_survived(watched: Watched, text: str) -> None:
    watched.path.write_bytes(text.encode(errors="surrogateescape"))
    watched.passes(100)
    assert watched.heartbeat.furthest == (0, 0)
    assert not watched.heartbeat.is_hanging()
