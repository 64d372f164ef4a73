"""The JSON holds what the screen draws."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import frozen
import pytest

from xr2text_monitor.alerts import Alert
from xr2text_monitor.sampler import Snapshot
from xr2text_monitor.state import RunState
from xr2text_monitor.summary import as_json, as_text, exit_code

ELSEWHERE = {"folder": "statistics", "changes": "alerts", "num_events": "events"}  # where a field is under another name


def at(found: Any, path: str) -> Any:
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def test_every_part_of_a_snapshot_is_in_the_json(tmp_path: Path) -> None:
    found = json.loads(as_json(frozen.hot(tmp_path)))
    for part in fields(Snapshot):
        assert ELSEWHERE.get(part.name, part.name) in found


def test_what_the_screen_draws_is_in_the_json(tmp_path: Path) -> None:
    found = json.loads(as_json(frozen.hot(tmp_path)))
    drawn = {
        "state.name": "training",
        "state.evidence": "pid 4242 runs",
        "state.age_s": 0.4,
        "alerts.0.title": "GPU 0 at 88 °C, above 85 °C",
        "alerts.0.since": frozen.NOW - 95,
        "status.epoch": 13,
        "status.epochs": 50,
        "status.stage": "single_region",
        "status.step": 410,
        "status.micro_batch": 4,
        "status.studies_per_s": 37.4,
        "progress.stage_number": 2,
        "progress.elapsed_s": 11314,
        "progress.epoch_s": 913.6,
        "progress.finish_at": frozen.NOW + found["progress"]["eta_s"],
        "scores.bleu_4.best.1": 11,
        "history.last.rouge_l": 0.23611,
        "history.last.clinical_f1": 0.42,
        "history.last.gpu_peak_mib": 6120.5,
        "history.stages.1.from_epoch": 6,
        "history.train_loss.11": 2.0528,
        "gpu.gpus.0.temperature_c": 88,
        "gpu.gpus.0.memory_used_mib": 7800,
        "gpu.gpus.0.fan_percent": None,
        "gpu.gpus.0.clock_mhz": 2160,
        "host.cpu_percent": 37,
        "host.trainer_memory": 3_900_000_000,
        "checkpoints.1.name": "best_model.pt",
        "events.4.kind": "skipped_step",
        "info.data": "manifest",
    }
    assert {path: at(found, path) for path in drawn} == drawn
    assert (
        round(found["progress"]["run_fraction"], 3) == 0.249 and round(found["progress"]["step_fraction"], 3) == 0.427
    )


def test_the_text_says_the_same_in_words(tmp_path: Path) -> None:
    text = as_text(frozen.hot(tmp_path))
    for expected in ("training", "ALERT", "13/50", "410/960", "88 °C", "7.6/8.0 GiB", "fan —", "best_model.pt"):
        assert expected in text


def test_exit_codes_tell_healthy_warned_and_absent(tmp_path: Path) -> None:
    codes = (
        exit_code(frozen.typical(tmp_path / "a")),
        exit_code(frozen.hot(tmp_path / "b")),
        exit_code(frozen.waiting()),
    )
    assert codes == (0, 1, 2)


def test_the_state_and_the_name_of_the_run_are_two_words(tmp_path: Path) -> None:
    snapshot = frozen.typical(tmp_path)
    named = replace(snapshot, folder=replace(snapshot.folder, name="night-1"))
    assert as_text(named).startswith("state        training, run night-1, last sign of life 0 s ago")


@pytest.mark.parametrize(
    ("alerts", "state", "health", "code"),
    [
        ((), "training", "ok", 0),
        ((Alert("a", "t", "a", 1.0, severity="info"),), "training", "info", 0),
        ((Alert("a", "t", "a", 1.0, is_unknown=True),), "training", "unknown", 3),
        ((), "unknown", "unknown", 3),
        ((Alert("a", "t", "a", 1.0), Alert("b", "t", "a", 1.0, is_unknown=True)), "training", "warning", 1),
        ((Alert("a", "t", "a", 1.0), Alert("b", "t", "a", 1.0, severity="critical")), "unknown", "critical", 1),
    ],
)
def test_health_is_the_worst_that_stands_and_unknown_is_never_healthy(
    tmp_path: Path, alerts: tuple[Alert, ...], state: str, health: str, code: int
) -> None:
    snapshot = replace(frozen.typical(tmp_path), alerts=alerts, state=RunState(state, "why"))
    assert (snapshot.health, exit_code(snapshot)) == (health, code)
