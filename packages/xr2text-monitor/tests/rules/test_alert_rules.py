"""The rules of the warnings and their hysteresis."""

import math
from dataclasses import replace

import pytest
from watching import CALM, IDLE_GPU, NOW, keys, with_gpu

from xr2text_monitor.alerts import AlertBook, Limits
from xr2text_monitor.hardware.host import Host
from xr2text_monitor.readers.history import EpochRow, History
from xr2text_monitor.readers.run_files import Checkpoint, Event, RunInfo, Status
from xr2text_monitor.state import RunState


def test_a_healthy_run_has_no_warning() -> None:
    assert keys(AlertBook(Limits()), CALM) == []


@pytest.mark.parametrize(("celsius", "expected"), [(85, []), (85.5, ["temperature_0"]), (None, [])])
def test_temperature_warns_above_85(celsius: float | None, expected: list[str]) -> None:
    assert keys(AlertBook(Limits()), with_gpu(temperature_c=celsius)) == expected


def test_a_temperature_at_its_threshold_does_not_flicker() -> None:
    book, changes = AlertBook(Limits()), 0
    for second, celsius in enumerate([86, 85, 86, 84, 86, 83, 88, 82, 81]):
        changes += len(book.update(with_gpu(temperature_c=celsius), second, 1e9 + second))
        if celsius == 88:
            assert (book.standing[0].since, book.standing[0].peak) == (1e9, 88)
    assert changes == 2 and book.standing == ()


@pytest.mark.parametrize(
    ("limits", "mib", "warns"),
    [
        (Limits(), 7680, False),
        (Limits(), 7681, True),
        (Limits(memory_gib=None, memory_percent=90), 7300, False),
        (Limits(memory_gib=None, memory_percent=90), 7400, True),
    ],
)
def test_memory_warns_above_its_limit_in_gib_or_percent(limits: Limits, mib: float, warns: bool) -> None:
    assert bool(keys(AlertBook(limits), with_gpu(memory_used_mib=mib))) is warns


def test_five_minutes_at_zero_while_training_warn() -> None:
    book, idle = AlertBook(Limits()), replace(CALM, gpus=(IDLE_GPU,))
    for second in range(300):
        assert keys(book, idle, second) == []
    assert keys(book, idle, 300) == ["gpu_idle"]
    assert keys(book, CALM, 301) == []


def test_a_driver_that_always_says_0_percent_raises_no_alarm_while_steps_are_taken() -> None:
    book, idle = AlertBook(Limits()), replace(CALM, gpus=(IDLE_GPU,))
    for second in range(0, 900, 10):
        status = Status(state="training", device=IDLE_GPU.name, step=second // 60)
        assert keys(book, replace(idle, status=status), second) == []


def test_validation_missing_readings_and_gaps_do_not_count_as_idle() -> None:
    book, idle = AlertBook(Limits()), replace(CALM, gpus=(IDLE_GPU,))
    validating = replace(idle, state=RunState("validating", "", 1.0))
    for second in range(400):
        assert keys(book, validating, second) == []
    for second in range(400, 800):
        assert keys(book, with_gpu(utilisation=None), second) == []
    for second in range(800, 6000, 20):
        assert keys(book, idle, second) == []


def test_a_training_on_the_cpu_is_not_an_idle_gpu() -> None:
    book, idle = AlertBook(Limits()), replace(CALM, gpus=(IDLE_GPU,), status=Status(state="training", device="cpu"))
    for second in range(400):
        assert keys(book, idle, second) == []


def test_only_the_gpu_of_the_trainer_counts_as_idle() -> None:
    other = replace(IDLE_GPU, index=1, utilisation=99.0)
    book = AlertBook(Limits())
    watched = replace(CALM, gpus=(replace(IDLE_GPU, pids=(5,)), other), status=Status(state="training", pid=5))
    for second in range(301):
        found = keys(book, watched, second)
    assert found == ["gpu_idle"]


def test_an_alert_whose_reading_goes_missing_is_unknown_and_never_taken_back() -> None:
    book = AlertBook(Limits())
    assert keys(book, with_gpu(temperature_c=90), 0) == ["temperature_0"]
    assert keys(book, with_gpu(temperature_c=None), 5) == ["temperature_0"] and not book.standing[0].is_unknown
    for second in (20, 31, 3600):
        assert keys(book, with_gpu(temperature_c=None), second) == ["temperature_0"]
        assert book.standing[0].is_unknown and "90" in book.standing[0].title
    assert keys(book, with_gpu(temperature_c=70), 3601) == []


@pytest.mark.parametrize("name", ["dead", "silent", "failed"])
def test_no_sign_of_life_warns_and_is_taken_back_when_writing_resumes(name: str) -> None:
    book = AlertBook(Limits())
    assert keys(book, replace(CALM, state=RunState(name, "because"))) == ["life"]
    assert "because" in book.standing[0].title
    assert keys(book, CALM) == []


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_warns_until_one_is(loss: float) -> None:
    book = AlertBook(Limits())
    assert keys(book, replace(CALM, status=replace(CALM.status, loss=loss))) == ["loss_not_finite"]  # type: ignore[type-var]
    assert keys(book, replace(CALM, status=replace(CALM.status, loss=None))) == ["loss_not_finite"]  # type: ignore[type-var]
    assert keys(book, CALM) == []
    assert keys(book, replace(CALM, status=None, history=History(last=EpochRow(1, train_loss=loss)))) == [
        "loss_not_finite"
    ]


def test_skipped_steps_and_out_of_memory_warn_when_recent() -> None:
    skipped = tuple(Event(1e9 - 5, "skipped_step", "") for _ in range(3))
    assert keys(AlertBook(Limits()), replace(CALM, events=skipped)) == ["skipped_steps"]
    assert keys(AlertBook(Limits()), replace(CALM, events=skipped[:2])) == []
    old = Event(1e9 - 700, "out_of_memory", "")
    assert keys(AlertBook(Limits()), replace(CALM, events=(old,))) == []
    assert keys(AlertBook(Limits()), replace(CALM, events=(replace(old, at=1e9),))) == ["out_of_memory"]


def test_disk_too_small_for_one_more_checkpoint_warns() -> None:
    big = (Checkpoint("latest.pt", 2 * 10**9, 0.0),)
    assert keys(AlertBook(Limits()), replace(CALM, checkpoints=big, host=Host(disk_free=2 * 10**9))) == ["disk"]
    assert keys(AlertBook(Limits()), replace(CALM, checkpoints=big, host=Host(disk_free=None))) == []
    ended = replace(CALM, checkpoints=big, host=Host(disk_free=1), state=RunState("finished", ""))
    assert keys(AlertBook(Limits()), ended) == []
    unwritten = replace(CALM, info=RunInfo(num_parameters=170_000_000), host=Host(disk_free=10**9))
    assert keys(AlertBook(Limits()), unwritten) == ["disk"]


def test_heat_that_slows_the_gpu_warns_and_the_routine_power_cap_does_not() -> None:
    assert keys(AlertBook(Limits()), with_gpu(throttling=("hardware thermal limit",))) == ["throttling_0"]
    assert keys(AlertBook(Limits()), with_gpu(throttling=())) == []


def test_every_warning_says_what_to_do() -> None:
    book = AlertBook(Limits())
    book.update(with_gpu(temperature_c=90, memory_used_mib=8000, throttling=("x",)), 0, 0)
    assert len(book.standing) == 3 and all(alert.advice for alert in book.standing)
    assert "cooling" in book.standing[0].advice and "batch" in book.standing[1].advice


def test_silence_that_becomes_death_rings_again_with_the_advice_of_death() -> None:
    book = AlertBook(Limits())
    (silent,) = book.update(replace(CALM, state=RunState("silent", "no word", 90.0)), 0, NOW)
    (dead,) = book.update(replace(CALM, state=RunState("dead", "pid 1 is gone", 150.0)), 60, NOW + 60)
    assert (silent.alert.severity, dead.alert.severity, dead.is_raised, dead.was) == (
        "warning",
        "critical",
        True,
        "warning",
    )
    assert "start the same training command again" in dead.alert.advice and "train.log" in silent.alert.advice
    assert "presumed dead: pid 1 is gone" in dead.alert.title
    assert book.update(replace(CALM, state=RunState("dead", "pid 1 is gone", 151.0)), 61, NOW + 61) == []


@pytest.mark.parametrize(("name", "since"), [("silent", NOW - 10_800), ("dead", NOW - 10_800), ("failed", NOW - 7200)])
def test_since_is_when_it_happened_and_not_when_it_was_seen(name: str, since: float) -> None:
    status = replace(CALM.status, updated_at=NOW - 7200)  # type: ignore[type-var]
    book = AlertBook(Limits())
    book.update(replace(CALM, state=RunState(name, "why", 10_800.0), status=status), 0, NOW)
    assert book.standing[0].since == since


def test_the_advice_of_a_dead_run_whose_supervisor_gave_up_is_not_to_start_it_blindly() -> None:
    book = AlertBook(Limits())
    book.update(replace(CALM, state=RunState("dead", "pid 1 is gone; the supervisor gave up", 9.0)), 0, NOW)
    assert "train.log" in book.standing[0].advice


def test_death_that_can_no_longer_be_seen_stays() -> None:
    book = AlertBook(Limits())
    book.update(replace(CALM, state=RunState("dead", "pid 1 is gone", 9.0)), 0, NOW)
    blind = replace(CALM, state=RunState("unknown", "cannot read status.json: x"))
    assert set(keys(book, blind, 100)) == {"life", "state_unknown"}
    assert all(alert.is_unknown for alert in book.standing)
