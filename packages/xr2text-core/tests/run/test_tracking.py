"""Curves for a tracker hold what the history holds, a resumed run replaces what it repeats, nothing ends a run."""

import itertools
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from accelerate import Accelerator

from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.history import HEADER, EpochRow
from xr2text_core.run.tracking import Curves
from xr2text_core.settings.arguments import TRACKERS, parse_arguments, settings_of
from xr2text_core.settings.settings import Settings
from xr2text_core.training.progress import Progress
from xr2text_core.training.run_log import open_run

SOME = {
    "epoch": 1,
    "stage": "normal_cases",
    "bleu_4": 0.125,
    "gpu_peak_mib": None,
    "finished_at": "2026-11-23T21:04:05",
}
ROW = EpochRow(**{**dict.fromkeys(HEADER, 7), **SOME})


@pytest.fixture(autouse=True)
def accelerator() -> Accelerator:
    """As in a training: accelerate's tracker asks it whether this is the main process."""
    return Accelerator()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that pass by themselves: TensorBoard reads its files in the order of the second in their names."""
    pytest.importorskip("tensorboard")
    seconds = itertools.count(1_800_000_000)
    clock = SimpleNamespace(time=lambda: next(seconds))
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer.time", clock)


def log_scores(folder: Path, scores: dict[int, float]) -> None:
    """What one start of the trainer logs."""
    with closing(Curves("tensorboard", folder, min(scores))) as curves:
        for epoch, score in scores.items():
            curves.add(replace(ROW, epoch=epoch, bleu_4=score))


def shown(folder: Path, name: str) -> list[tuple[int, float]]:
    """The epochs and values of a curve, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)] if name in events.Tags()["scalars"] else []


def test_the_curves_are_the_columns_of_the_history(tmp_path: Path, clock: None) -> None:
    log_scores(tmp_path, {1: 0.125, 2: 0.25, 3: 0.375})
    assert shown(tmp_path, "bleu_4") == [(1, 0.125), (2, 0.25), (3, 0.375)]
    assert shown(tmp_path, "distinct_reports") == [(1, 7.0), (2, 7.0), (3, 7.0)]
    assert shown(tmp_path, "gpu_peak_mib") == []  # not measured is not zero


def test_an_epoch_can_be_seen_as_soon_as_it_is_over(tmp_path: Path, clock: None) -> None:
    with closing(Curves("tensorboard", tmp_path, 1)) as curves:
        curves.add(ROW)
        assert shown(tmp_path, "bleu_4") == [(1, 0.125)]


def test_a_resumed_run_replaces_the_epochs_that_it_repeats(tmp_path: Path, clock: None) -> None:
    log_scores(tmp_path, {1: 0.5, 2: 0.5, 3: 0.5})
    log_scores(tmp_path, {2: 0.25})
    assert shown(tmp_path, "bleu_4") == [(1, 0.5), (2, 0.25)]


def test_a_run_tracks_its_rows_where_asked_for(tmp_path: Path, clock: None) -> None:
    for track in ("", "tensorboard"):
        folder = RunFolder.under(tmp_path, f"run{track}")
        run_log = open_run(folder, Settings(track=track), fresh=False, is_rank_0=True)
        progress = Progress()
        with run_log.locked_run(progress):
            run_log.row(ROW, progress)
        assert (folder.statistics / "tensorboard").exists() == bool(track)
    assert shown(folder.statistics, "bleu_4") == [(1, 0.125)]


def test_nothing_is_written_unless_asked_for(tmp_path: Path) -> None:
    with closing(Curves("", tmp_path, 1)) as curves:
        curves.add(ROW)
    assert list(tmp_path.iterdir()) == []
    assert settings_of(parse_arguments([])).track == ""


def test_curves_that_cannot_be_written_end_no_training(
    tmp_path: Path, clock: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorboard").write_text("in the way")
    log_scores(tmp_path, {1: 0.5, 2: 0.5})
    assert caplog.text.count("The curves for tensorboard end here, training continues") == 1


class StandIn(ModuleType):
    """A package with `init`, as trackio and wandb have it: it notes what it is given, and may fail in an action."""

    def __init__(self, name: str, failing: str = "") -> None:
        super().__init__(name)
        self.failing, self.given, self.logged = failing, [], []

    def _do(self, action: str) -> None:
        if action == self.failing:
            raise RuntimeError("no server answers")

    def init(self, **given: Any) -> "StandIn":
        self._do("start")
        self.given.append(given)
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self._do("log")
        assert "step" not in values  # trackio would warn and rename it
        self.logged.append((step, values["bleu_4"]))

    def finish(self) -> None:
        self._do("finish")
        self.logged.append("finished")


def start(name: str, folder: Path, scores: dict[int, float], monkeypatch: pytest.MonkeyPatch, failing: str) -> StandIn:
    """What one start of the trainer gives to a tracker in place of the real one."""
    package = StandIn(name, failing)
    monkeypatch.setitem(sys.modules, name, package)
    with closing(Curves(name, folder, min(scores))) as curves:
        for epoch, score in scores.items():
            curves.add(replace(ROW, epoch=epoch, bleu_4=score))
    return package


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_another_tracker_gets_every_row_and_a_run_of_its_own_for_each_start(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = start(name, tmp_path / "small", {1: 0.125, 2: 0.25}, monkeypatch, failing="")
    assert package.logged == [(1, 0.125), (2, 0.25), "finished"]
    resumed = start(name, tmp_path / "small", {2: 0.5}, monkeypatch, failing="")
    (first,), (second,) = package.given, resumed.given
    assert (first["project"], first["name"]) == ("xr2text", "small")
    assert second["name"] == "small from epoch 2"


def test_wandb_stays_offline_and_in_the_folder_of_the_run_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    (given,) = start("wandb", tmp_path, {1: 0.5}, monkeypatch, failing="").given
    assert (given["mode"], given["dir"]) == ("offline", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "online")
    (given,) = start("wandb", tmp_path, {1: 0.5}, monkeypatch, failing="").given
    assert given["mode"] == "online"


@pytest.mark.parametrize("name", ["trackio", "wandb"])
@pytest.mark.parametrize("failing", ["start", "log", "finish"])
def test_a_tracker_that_fails_is_logged_once_and_ends_no_training(
    name: str, failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start(name, tmp_path, {1: 0.5, 2: 0.5}, monkeypatch, failing)
    assert caplog.text.count(f"The curves for {name} end here, training continues: no server answers") == 1


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_one_clear_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xr2text_core.settings.arguments.find_spec", lambda name: None)
    with pytest.raises(RunError, match=rf"--track {name} needs the package {name}: .pip install {name}"):
        settings_of(parse_arguments(["--track", name]))


def test_a_folder_of_runs_is_not_taken_for_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(RunError, match="--track wandb needs the package wandb"):
        settings_of(parse_arguments(["--track", "wandb"]))
