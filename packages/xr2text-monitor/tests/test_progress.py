"""Times and trends, also where a clock is wrong or the run does not move."""

from dataclasses import replace
from pathlib import Path

import frozen
import pytest
from watching import rows

from xr2text_monitor.progress import times, trend, trend_epochs
from xr2text_monitor.readers.history import EpochRow
from xr2text_monitor.readers.run_files import Event, Status
from xr2text_monitor.snapshot import Snapshot
from xr2text_monitor.state import RunState


def at(folder: Path, state: str, age_s: float | None = 1.0, **changes: object) -> Snapshot:
    snapshot = frozen.typical(folder)
    status = replace(snapshot.status or Status(), **changes)  # type: ignore[arg-type]
    return replace(snapshot, state=RunState(state, "", age_s), status=status)


@pytest.mark.parametrize("state", ["silent", "dead", "unknown", "failed", "finished", "interrupted"])
def test_a_run_that_does_not_move_will_be_done_at_no_time(tmp_path: Path, state: str) -> None:
    found = times(at(tmp_path, state))
    assert found.eta_s is None and found.finish_at is None and found.epoch_s is not None


@pytest.mark.parametrize("eta_s", [float("nan"), float("inf"), -1.0, None])
def test_a_time_left_that_is_no_number_is_estimated_here(tmp_path: Path, eta_s: float | None) -> None:
    found = times(at(tmp_path, "training", eta_s=eta_s))
    assert found.is_own_estimate and found.eta_s == pytest.approx((50 - 13 + 1 - 410 / 960) * 913.6, abs=2)


@pytest.mark.parametrize("ahead_s", [-3600.0, 3600.0])
def test_a_wrong_clock_of_the_trainer_does_not_change_the_time_left(tmp_path: Path, ahead_s: float) -> None:
    found = times(at(tmp_path, "training", 3.0, eta_s=7200.0, updated_at=frozen.NOW + ahead_s))
    assert found.eta_s == 7197.0 and found.finish_at == frozen.NOW + 7197.0


def test_an_estimate_that_has_run_out_is_not_zero_seconds(tmp_path: Path) -> None:
    assert times(at(tmp_path, "training", 30.0, eta_s=20.0)).eta_s is None


def test_a_pause_does_not_eat_the_time_left(tmp_path: Path) -> None:
    assert times(at(tmp_path, "cooling", 300.0, eta_s=7200.0)).eta_s == 7200.0


def test_elapsed_goes_on_over_a_resume(tmp_path: Path) -> None:
    snapshot = at(tmp_path, "training", started_at=frozen.NOW - 100)
    assert times(snapshot).elapsed_s == 100
    resumed = replace(snapshot, events=(*snapshot.events, Event(frozen.NOW - 100, "resumed", "", 13)))
    assert times(resumed).elapsed_s == pytest.approx(100 + 12 * 913.6)


def test_elapsed_on_another_host_is_measured_by_its_clock(tmp_path: Path) -> None:
    late = frozen.NOW - 5000
    snapshot = at(tmp_path, "elsewhere", 2.0, started_at=late - 100, updated_at=late)
    assert times(replace(snapshot, other_host="node7")).elapsed_s == 102


@pytest.mark.parametrize(
    ("values", "change", "epochs"),
    [([], None, 0), ([0.1], None, 0), ([0.1, 0.3], 0.2, 1), ([0.0, *[0.1] * 5, 0.2], 0.1, 5)],
)
def test_a_trend_says_over_how_many_epochs_it_goes(values: list[float], change: float | None, epochs: int) -> None:
    history = rows(*(EpochRow(epoch, bleu_4=value) for epoch, value in enumerate(values, 1)), EpochRow(99))
    assert (trend(history, "bleu_4"), trend_epochs(history, "bleu_4")) == (change and pytest.approx(change), epochs)
