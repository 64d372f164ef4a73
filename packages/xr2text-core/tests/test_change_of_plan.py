"""What changes between two starts of a run does what docs/run-files.md says: tiny runs that change their mind."""

import csv
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from xr2text_core.release.export import export
from xr2text_core.run.checkpoint import CheckpointError, load_checkpoint
from xr2text_core.run.folder import RunError
from xr2text_core.run.history import TIME_COLUMNS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.optimizer import learning_rate_factor
from xr2text_core.training.parts import THUMBNAILS
from xr2text_core.training.step import Stepper
from xr2text_core.training.trainer import Trainer

TINY = [
    *("--num-studies", "32", "--val-studies", "4", "--image-size", "64", "--max-tokens", "48", "--device", "cpu"),
    *("--batch", "8", "--accumulation", "1", "--epochs", "4"),
]
BATCH_NORM = ["--encoder", "resnet10t"]
Change = Callable[[Trainer], None]


def trainer(folder: Path, *flags: str, **arguments: Any) -> Trainer:
    return Trainer(settings_of(parse_arguments([*TINY, "--out", str(folder), *flags])), **arguments)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "data/statistics/training_history.csv").open() as file:
        return [{key: cell for key, cell in row.items() if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


def without_dropout(run: Trainer) -> Trainer:
    for module in run.model.modules():
        for name in ("p", "dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return run


def followed(run: Trainer, stop_at: int | None = None) -> list[tuple[float, float]]:
    """Train, until a step if one is given; for each step the share of all studies before it, and its factor."""
    seen: list[tuple[float, float]] = []
    show = run._show

    def look(bar: Any, result: Any, num_studies: int) -> None:
        progress = run.progress
        before = sum(run.plan.num_studies(epoch) for epoch in range(1, progress.epoch))
        total = sum(run.plan.num_studies(epoch) for epoch in range(1, run.settings.epochs + 1))
        group = run.parts.optimizer.param_groups[0]
        seen.append(((before + progress.sums.num_studies - num_studies) / total, group["lr"] / group["peak"]))
        show(bar, result, num_studies)
        if progress.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    run._show = look  # type: ignore[method-assign]
    assert run.fit() == (0 if stop_at is None else 128 + signal.SIGTERM)
    return seen


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is finished."""
    folder = tmp_path_factory.mktemp("base")
    assert trainer(folder, "--epochs", "2").fit() == 0
    return folder


@pytest.mark.parametrize("accumulation", ["1", "4"])
def test_another_effective_batch_keeps_the_rate_on_the_same_curve_over_studies(
    tmp_path: Path, accumulation: str
) -> None:
    first = "4" if accumulation == "1" else "1"
    followed(trainer(tmp_path, "--batch", "4", "--accumulation", first), stop_at=3)
    again = trainer(tmp_path, "--batch", "4", "--accumulation", accumulation)
    rates = followed(again)
    total = sum(again.plan.num_studies(epoch) for epoch in range(1, 5))
    for share, factor in rates:
        step = 4 * int(accumulation) / total
        low, high = sorted(
            learning_rate_factor(at, at + step) for at in (max(0.0, share - step), min(1.0, share + step))
        )
        assert low - 1e-9 <= factor <= high + 1e-9 or share < 0.1
    assert [factor for share, factor in rates if share > 0.1] == sorted(
        (factor for share, factor in rates if share > 0.1), reverse=True
    )


def test_a_larger_batch_within_an_epoch_sees_every_study_of_it_once(tmp_path: Path) -> None:
    first = trainer(tmp_path, "--batch", "4")
    epoch = first.plan.steps(1)
    followed(first, stop_at=1)
    again = trainer(tmp_path, "--batch", "8")
    seen = [study for step in (epoch[:1] + again.plan.steps(1, again.progress.sums.num_studies)) for study in step]
    assert sorted(seen) == sorted(study for step in epoch for study in step)


def test_more_epochs_let_the_rate_fall_on_and_no_stage_comes_back(tmp_path: Path) -> None:
    followed(trainer(tmp_path, "--epochs", "4"), stop_at=9)
    before = load_checkpoint(tmp_path / "checkpoints/latest.pt").progress
    rates = followed(trainer(tmp_path, "--epochs", "7"))
    factors = [factor for _, factor in rates]
    assert factors == sorted(factors, reverse=True) and factors[-1] < 0.1
    stages = [row["stage"] for row in history(tmp_path)]
    assert stages == sorted(stages, key=["normal_cases", "single_region", "multi_region", "complex_cases"].index)
    assert before["epoch"] > 1 and len(stages) == 7


def test_more_epochs_after_the_end_stay_at_the_floor_and_warm_up_again_only_when_asked(
    base: Path, tmp_path: Path
) -> None:
    final = base / "checkpoints/final_model.pt"
    rates = followed(trainer(tmp_path / "on", "--epochs", "3", resume=final))
    assert [factor for _, factor in rates] == pytest.approx([0.02] * len(rates))
    again = trainer(tmp_path / "warm", "--epochs", "6", resume=final, rewarm=True)
    factors = [factor for _, factor in followed(again, stop_at=again.progress.step + 6)]
    assert max(factors) > 0.8 and factors[-1] < factors[1]
    repeated = trainer(tmp_path / "warm", "--epochs", "6", rewarm=True)  # as a supervisor would
    assert repeated.plan.since == again.plan.since
    assert followed(repeated)[0][1] < factors[-1]


def test_fewer_epochs_than_are_done_say_how_many_were_trained(base: Path) -> None:
    import json

    assert trainer(base, "--epochs", "1").fit() == 0
    status = json.loads((base / "data/statistics/status.json").read_text())
    assert (status["state"], status["epoch"], status["epochs"]) == ("finished", 2, 2)


@pytest.mark.parametrize("source", ["checkpoint", "folder"])
def test_init_begins_a_new_run_with_weights_and_tokenizer_of_another(base: Path, tmp_path: Path, source: str) -> None:
    weights = base / "checkpoints/best_model.pt"
    if source == "folder":
        export(weights, tmp_path / "exported")
    found = load_checkpoint(weights)
    path = str(weights if source == "checkpoint" else tmp_path / "exported")
    flags = ["--init", path, "--seed", "5", "--num-studies", "16"]
    run = trainer(tmp_path, *flags)
    assert (run.progress.epoch, run.progress.step, run.progress.rows) == (1, 0, [])
    ours = run.model.state_dict()
    of_studies = (THUMBNAILS, "encoder.study.decision.prevalence")  # fitted to those of this run
    learned = {name: tensor for name, tensor in found.model.items() if not name.startswith(of_studies)}
    assert len(learned) > 100 and all(torch.equal(ours[name], tensor) for name, tensor in learned.items())
    assert ours[f"{THUMBNAILS}to_reports"].shape[1] == len(run.parts.composer.bank.texts) == 16
    ours = run.data.tokenizer
    assert ours.encode(["Mild cardiomegaly."], 48) == type(ours).from_json(found.tokenizer).encode(
        ["Mild cardiomegaly."], 48
    )
    assert followed(run, stop_at=2)[0][1] > 0.5
    again = trainer(tmp_path, *flags)
    assert again.progress.step == 2
    assert trainer(tmp_path, "--seed", "5", "--num-studies", "16").settings.init == again.settings.init
    assert again.fit() == 0
    assert [row["epoch"] for row in history(tmp_path)] == ["1", "2", "3", "4"]


def test_init_refuses_another_model_by_its_flags_and_a_run_that_began_otherwise(base: Path, tmp_path: Path) -> None:
    weights = str(base / "checkpoints/best_model.pt")
    with pytest.raises(RunError, match="--image-size 64"):
        trainer(tmp_path, "--init", weights, "--image-size", "96")
    with pytest.raises(RunError, match="--encoder phantom"):
        trainer(tmp_path, "--init", weights, *BATCH_NORM)
    with pytest.raises(RunError, match="--teach-encoder all"):
        trainer(tmp_path, "--init", weights, "--teach-encoder", "findings")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        trainer(tmp_path, "--init", str(tmp_path / "nowhere.pt"))
    with pytest.raises(RunError, match=r"init.*--run NAME"):
        trainer(base, "--epochs", "2", "--init", weights)
    with pytest.raises(RunError, match="give only one of them"):
        settings_of(parse_arguments(["--init", weights, "--resume", weights]))


def test_a_run_that_has_nothing_left_to_train_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"all of its 2 epochs are done.*--init FILE"):
        trainer(tmp_path, "--epochs", "2", "--seed", "3", resume=base / "checkpoints/final_model.pt")
    assert not list((tmp_path / "checkpoints").glob("*.pt"))
    assert trainer(base, "--epochs", "2", resume=base / "checkpoints/final_model.pt").fit() == 0  # its own end


def spoil(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Let the images of these steps overflow."""
    take = Stepper.take_step

    def take_spoilt(stepper: Stepper, batch: Any, micro_batch: int, step: int) -> Any:
        if step in steps:
            batch.images.fill_(float("inf"))
        return take(stepper, batch, micro_batch, step)

    monkeypatch.setattr(Stepper, "take_step", take_spoilt)


def test_an_overflow_leaves_no_trace_in_an_encoder_with_batch_normalisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*BATCH_NORM, "--epochs", "2", "--encoder-rate", "1e-4"]
    assert trainer(tmp_path / "without", *flags).fit() == 0
    spoil(monkeypatch, {2})
    assert trainer(tmp_path / "with", *flags).fit() == 0
    without, spoilt = history(tmp_path / "without"), history(tmp_path / "with")
    assert [row["skipped_steps"] for row in without] != [row["skipped_steps"] for row in spoilt]
    assert float(spoilt[-1]["val_loss"]) == pytest.approx(float(without[-1]["val_loss"]), rel=0.05)
    for path in (tmp_path / "with/checkpoints").glob("*.pt"):
        assert all(tensor.isfinite().all() for tensor in load_checkpoint(path).model.values()), path


def test_batch_normalisation_is_exact_whatever_the_micro_batch(tmp_path: Path) -> None:
    rows = []
    for name, batch, accumulation in (("a", "8", "1"), ("b", "2", "4"), ("c", "1", "8")):
        flags = [*BATCH_NORM, "--epochs", "1", "--batch", batch, "--accumulation", accumulation]
        assert without_dropout(trainer(tmp_path / name, *flags)).fit() == 0
        rows.append(history(tmp_path / name)[0])
    for row, column in itertools.product(rows[1:], ("train_loss", "val_loss", "grad_norm")):
        assert float(row[column]) == pytest.approx(float(rows[0][column]), rel=1e-3), column


def test_batch_normalisation_resumes_to_the_bit(tmp_path: Path) -> None:
    flags = [*BATCH_NORM, "--epochs", "2"]
    assert trainer(tmp_path / "whole", *flags).fit() == 0
    followed(trainer(tmp_path / "broken", *flags), stop_at=2)
    assert trainer(tmp_path / "broken", *flags).fit() == 0
    ours, theirs = (load_checkpoint(tmp_path / name / "checkpoints/final_model.pt") for name in ("broken", "whole"))
    assert all(torch.equal(ours.model[name], tensor) for name, tensor in theirs.model.items())


def test_while_steps_are_skipped_nothing_is_saved_and_the_last_sound_checkpoint_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--autosave-min", "0", "--epochs", "8", "--no-curriculum"]
    spoil(monkeypatch, set(range(7, 99)))  # 4 steps an epoch: the streak begins in the second and ends in the seventh
    with pytest.raises(
        RunError, match=r"20 steps in a row had no finite loss; the last .* finite loss is best_model\.pt"
    ):
        trainer(tmp_path, *flags).fit()
    assert load_checkpoint(tmp_path / "checkpoints/latest.pt").progress["step"] == 7
    assert load_checkpoint(tmp_path / "checkpoints/best_model.pt").progress["epoch"] == 2
    assert trainer(tmp_path, *flags).progress.epoch == 2


def test_weights_that_explode_at_the_end_of_an_epoch_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no finite loss; (the last checkpoint|there is no checkpoint from before)"):
        trainer(tmp_path, "--decoder-rate", "3e35", "--epochs", "30", "--no-curriculum").fit()
    for path in (tmp_path / "checkpoints").glob("*.pt"):
        assert all(tensor.isfinite().all() for tensor in load_checkpoint(path).model.values()), path


def test_a_run_asked_to_stop_while_steps_are_skipped_goes_on_from_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {5})
    followed(trainer(tmp_path, "--no-curriculum"), stop_at=6)
    assert load_checkpoint(tmp_path / "checkpoints/latest.pt").progress["step"] == 4
    assert "from the last save" in (tmp_path / "data/statistics/events.jsonl").read_text()


@pytest.mark.parametrize(
    "flags",
    [
        ["--decoder-rate", "nan"], ["--encoder-rate", "-0.1"], ["--new-rate", "0"], ["--decoder-rate", "inf"],
        ["--workers", "-3"], ["--seed", "-1"], ["--autosave-min", "nan"], ["--autosave-min", "-1"],
        ["--pause-temp", "nan"], ["--replay", "nan"], ["--epochs", "0"], ["--epochs", "2.5"], ["--batch", "many"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_that_makes_no_sense_is_refused_by_its_flag(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(flags)
    assert f"argument {flags[0]}: {flags[1]}: expected" in capsys.readouterr().err
