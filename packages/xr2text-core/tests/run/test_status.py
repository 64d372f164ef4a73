"""status.json and events.jsonl tell what happens, and never get in its way."""

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from xr2text_core.run import status as status_module
from xr2text_core.run.status import RECENT, Events, Status, now


@pytest.fixture
def status(tmp_path: Path) -> Status:
    return Status(tmp_path / "status.json", "a_run", tmp_path / "checkpoints")


def read(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    contents: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return contents


def test_every_field_that_the_status_sets_by_itself_is_documented(
    status: Status, documented: Callable[[str], list[str]]
) -> None:
    status.write()
    assert set(read(status.path)) <= set(documented("status.json"))
    assert {"format", "state", "run", "pid", "host", "process_started_s", "started_at", "checkpoints_dir"} <= set(
        read(status.path)
    )


def test_every_state_and_kind_of_event_with_a_warning_is_documented(documented: Callable[[str], list[str]]) -> None:
    assert set(documented("events.jsonl")) >= status_module.WARNINGS


def test_the_first_update_is_written_with_its_fields(status: Status) -> None:
    status.update(epoch=3, loss=1.5)
    assert (read(status.path)["epoch"], read(status.path)["loss"], read(status.path)["run"]) == (3, 1.5, "a_run")


def test_steps_write_at_most_once_a_second(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    status.update(step=1)
    for tenth in range(1, 10):
        seconds[0] = 100 + tenth / 10
        status.update(step=1 + tenth)
        assert read(status.path)["step"] == 1
    seconds[0] = 101.0
    status.update(step=11)
    assert read(status.path)["step"] == 11


def test_a_change_of_state_is_written_at_once(status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    status.update(state="training", step=1)
    status.update(state="training", step=2)
    assert read(status.path)["step"] == 1
    status.update(state="validating")
    assert (read(status.path)["state"], read(status.path)["step"]) == ("validating", 2)


def test_only_the_newest_losses_are_kept_oldest_first(status: Status) -> None:
    status.recent_losses.extend(float(number) for number in range(RECENT + 10))
    status.write()
    losses = read(status.path)["recent_losses"]
    assert (len(losses), losses[0], losses[-1]) == (240, 10.0, 249.0)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_leaves_the_status_valid_json(status: Status, loss: float) -> None:
    status.recent_losses.extend([1.0, loss, 2.0])
    status.update(loss=loss)
    assert read(status.path)["loss"] is None
    assert read(status.path)["recent_losses"] == [1.0, 2.0]


def test_a_status_that_cannot_be_written_never_raises_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    status = Status(tmp_path / "file" / "status.json", "", tmp_path)
    for state in ("starting", "training", "validating"):
        status.update(state=state)
    assert len(caplog.records) == 1
    assert "training continues" in caplog.text


def test_an_event_that_cannot_be_written_never_raises_and_is_still_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Events(tmp_path).add("skipped_step", "Step 3 skipped", epoch=1, step=3)  # a folder cannot be appended to
    assert "Step 3 skipped" in caplog.text


def test_events_are_one_json_object_a_line_with_time_kind_and_message(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    events.add("started", "Training 50 epochs", epoch=1, step=0)
    events.add("out_of_memory", "Out of memory", epoch=1, step=7, micro_batch=2)
    first, second = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {key: first[key] for key in ("kind", "message", "epoch", "step")} == {
        "kind": "started", "message": "Training 50 epochs", "epoch": 1, "step": 0,
    }  # fmt: skip
    assert second["micro_batch"] == 2
    assert datetime.fromisoformat(first["at"]).utcoffset() is not None


def test_trouble_is_a_warning_and_progress_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events = Events(tmp_path / "events.jsonl")
    events.add("out_of_memory", "Out of memory")
    events.add("new_best", "New best")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_times_are_utc_with_their_offset() -> None:
    written = datetime.fromisoformat(now())
    assert written.utcoffset() == UTC.utcoffset(None)
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
