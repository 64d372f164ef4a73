"""What the trainer and its supervisor call an emergency is never shown as healthy, until it is over."""

from dataclasses import replace

import pytest
from watching import CALM, NOW, event, look, rows, with_events

from xr2text_monitor.alerts import AlertBook, Limits
from xr2text_monitor.readers.history import EpochRow
from xr2text_monitor.readers.run_files import Checkpoint
from xr2text_monitor.rules.emergencies import EMERGENCIES
from xr2text_monitor.state import RunState

GRAVE = ("gave_up", "failed", "checkpoint_failed", "battery_low", "paused")
NOTABLE = ("collapsed", "checkpoint_damaged", "history_failed", "power_unplugged", "restarted", "image_lost", "hot")


@pytest.mark.parametrize("kind", [*GRAVE, *NOTABLE])
def test_an_emergency_of_the_trainer_is_an_alert_since_it_happened_and_says_what_to_do(kind: str) -> None:
    (alert,) = look(with_events(event(kind, message="the trainer's words"))).values()
    assert alert.severity == ("critical" if kind in GRAVE else "warning")
    assert "the trainer's words" in alert.title and alert.since == NOW - 60 and alert.advice


@pytest.mark.parametrize(
    ("kind", "later"),
    [
        ("gave_up", "resumed"),
        ("failed", "started"),
        ("checkpoint_damaged", "checkpoint_saved"),
        ("power_unplugged", "power_plugged"),
        ("battery_low", "power_plugged"),
        ("battery_low", "finished"),
        ("paused", "cooled"),
        ("history_failed", "resumed"),
        ("restarted", "finished"),
        ("collapsed", "started"),
    ],
)
def test_an_emergency_is_over_when_the_trainer_says_so(kind: str, later: str) -> None:
    assert look(with_events(event(kind), event(later, 30))) == {}
    assert list(look(with_events(event(later, 90), event(kind)))) != []


@pytest.mark.parametrize("kind", [one.kind for one in EMERGENCIES if one.lasts_s])
def test_what_only_lasts_a_while_is_over_then(kind: str) -> None:
    assert len(look(with_events(event(kind, 599)))) == 1
    assert look(with_events(event(kind, 601))) == {}


def test_a_checkpoint_that_failed_stands_until_it_is_written() -> None:
    failed = event("checkpoint_failed", 60, checkpoint="best_model.pt")
    latest, best = Checkpoint("latest.pt", 1, NOW - 5), Checkpoint("best_model.pt", 1, NOW - 5)
    for checkpoints, expected in (
        ((), ["checkpoint_failed"]),
        ((replace(best, modified_at=NOW - 90),), ["checkpoint_failed"]),
        ((latest,), ["checkpoint_failed"]),
        ((latest, best), []),
    ):
        assert list(look(with_events(failed, checkpoints=checkpoints))) == expected


def test_a_numbered_checkpoint_that_failed_is_made_good_by_a_later_one() -> None:
    failed = event("checkpoint_failed", 60, checkpoint="checkpoint_epoch_5.pt")
    newer = (Checkpoint("checkpoint_epoch_10.pt", 1, NOW - 5),)
    assert look(with_events(failed, checkpoints=newer)) == {}


def test_a_collapse_stands_also_after_the_end_until_reports_differ_again() -> None:
    collapsed = event("collapsed", epoch=4)
    one, many = EpochRow(5, distinct_reports=1.0), EpochRow(5, distinct_reports=40.0)
    over = RunState("finished", "done")
    assert list(look(with_events(collapsed, history=rows(one), state=over))) == ["collapsed"]
    assert list(look(with_events(collapsed, history=rows(replace(many, epoch=4))))) == ["collapsed"]
    assert look(with_events(collapsed, history=rows(many))) == {}


def test_a_collapse_that_stays_rings_again_and_is_critical() -> None:
    book = AlertBook(Limits())
    events = [event("collapsed", 1000 - epoch, epoch=epoch) for epoch in (1, 3, 4, 5, 6, 7)]
    changes = [change for count in range(1, 7) for change in book.update(with_events(*events[:count]), count, NOW)]
    assert [(change.alert.severity, change.was) for change in changes] == [("warning", ""), ("critical", "warning")]
    (alert,) = book.standing
    assert "5 epochs in a row" in alert.title and alert.since == NOW - 1000 + 1


def test_a_history_that_could_not_be_written_is_fine_once_its_row_is_there() -> None:
    failed = event("history_failed", epoch=4)
    assert list(look(with_events(failed, history=rows(EpochRow(3))))) == ["history_failed"]
    assert look(with_events(failed, history=rows(EpochRow(4)))) == {}


def test_an_unplugged_computer_rings_again_when_its_battery_is_low() -> None:
    book = AlertBook(Limits())
    unplugged, low = event("power_unplugged", 60), event("battery_low", 5)
    (first,) = book.update(with_events(unplugged), 0, NOW)
    (second,) = book.update(with_events(unplugged, low), 1, NOW + 1)
    assert first.is_raised and second.is_raised and second.was == "warning"
    assert [alert.severity for alert in book.standing] == ["critical"] and "plug" in book.standing[0].advice


def test_restarts_are_counted() -> None:
    (alert,) = look(with_events(event("restarted", 3000), event("restarted", 500), event("restarted", 20))).values()
    assert "3 within the last hour" in alert.title


def test_an_event_of_the_year_1_or_without_a_time_is_no_error() -> None:
    old, timeless = replace(event("gave_up"), at=-6.2e10), replace(event("gave_up"), at=None)
    assert look(with_events(old))["gave_up"].since == look(with_events(timeless))["gave_up"].since == NOW


def test_a_failure_is_told_once() -> None:
    failed = with_events(event("failed"), state=RunState("failed", "out of disk", 5.0))
    assert list(look(failed)) == ["life"]


def test_news_that_is_no_emergency_raise_nothing() -> None:
    kinds = (
        "started",
        "resumed",
        "stage_changed",
        "new_best",
        "checkpoint_saved",
        "cooled",
        "power_plugged",
        "finished",
    )
    assert look(with_events(*(event(kind) for kind in kinds))) == {}
    assert list(look(replace(CALM, events=(event("clock_jumped"),)))) == ["clock_jumped"]
