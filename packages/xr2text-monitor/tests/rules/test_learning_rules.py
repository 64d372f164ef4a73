"""Numbers of a training that are not sound."""

import math
from dataclasses import replace

import pytest
from watching import CALM, look, rows

from xr2text_monitor.alerts import Watched
from xr2text_monitor.readers.history import EpochRow
from xr2text_monitor.readers.run_files import Status
from xr2text_monitor.state import RunState


def with_losses(*losses: float, stage: str = "normal_cases") -> Watched:
    found = [EpochRow(epoch, stage, train_loss=loss) for epoch, loss in enumerate(losses, 1)]
    return replace(CALM, history=rows(*found))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["train_loss", "val_loss"])
def test_a_loss_in_the_newest_row_that_is_not_finite_is_an_alert(column: str, bad: float) -> None:
    row = replace(EpochRow(7, train_loss=1.0, val_loss=1.0), **{column: bad})  # type: ignore[arg-type]
    found = look(replace(CALM, history=rows(row)))
    assert list(found) == ["loss_not_finite"] and f"{column} of epoch 7" in found["loss_not_finite"].title


@pytest.mark.parametrize("column", ["bleu_1", "bleu_4", "rouge_l", "cider", "clinical_f1", "grad_norm", "epoch_s"])
def test_anything_else_in_the_newest_row_that_is_not_finite_is_an_alert(column: str) -> None:
    row = replace(EpochRow(7), **{column: math.inf})  # type: ignore[arg-type]
    assert list(look(replace(CALM, history=rows(row)))) == ["row_not_finite"]
    newer = rows(row, EpochRow(8, bleu_4=0.1))
    assert look(replace(CALM, history=newer)) == {}


def test_a_column_of_a_newer_trainer_that_is_not_finite_is_an_alert() -> None:
    row = EpochRow(7, further={"finding_auc": math.nan})
    assert "finding_auc" in look(replace(CALM, history=rows(row)))["row_not_finite"].title


def test_a_run_that_finished_with_a_broken_row_is_not_healthy() -> None:
    watched = replace(CALM, history=rows(EpochRow(7, val_loss=math.nan)), state=RunState("finished", "done"))
    assert list(look(watched)) == ["loss_not_finite"]


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ((3.0, 2.0, 1.5, 1.4), False),
        ((3.0, 2.0, 1.5, 2.3), True),
        ((3.0, 2.0, 1.5, 8.0, 12.0), True),
        ((3.0, 2.0, 1.5, 1.7, 1.6), False),
        ((0.02, 0.01, 0.05), False),
    ],
)
def test_a_training_loss_that_grows_by_half_diverges(losses: tuple[float, ...], diverges: bool) -> None:
    assert ("divergence" in look(with_losses(*losses))) is diverges


def test_a_harder_stage_is_no_divergence() -> None:
    history = rows(
        *[EpochRow(epoch, "normal_cases", train_loss=0.3) for epoch in (1, 2)], EpochRow(3, "b", train_loss=2.0)
    )
    assert look(replace(CALM, history=history)) == {}


def test_losses_of_the_newest_steps_that_grow_diverge_before_the_epoch_is_over() -> None:
    losses = (*[1.0] * 60, *[2.0] * 20)
    status = replace(CALM.status, recent_losses=losses, step=80)  # type: ignore[type-var]
    assert list(look(replace(CALM, status=status))) == ["divergence"]
    assert look(replace(CALM, status=replace(status, step=30))) == {}  # most of them belong to the epoch before


def test_ten_epochs_without_a_better_one_are_information() -> None:
    flat = [EpochRow(epoch, bleu_4=0.1, is_best=float(epoch == 2)) for epoch in range(1, 13)]
    assert look(replace(CALM, history=rows(*flat[:11]))) == {}
    assert look(replace(CALM, history=rows(*flat)))["plateau"].severity == "info"


def test_a_third_slower_than_its_own_median_is_an_alert() -> None:
    fast = [EpochRow(epoch, studies_per_s=30.0) for epoch in (1, 2, 3)]
    watched = replace(CALM, history=rows(*fast))
    slow = Status(state="training", device="NVIDIA X", studies_per_s=19.0, step=200)
    assert list(look(replace(watched, status=slow))) == ["throughput"]
    assert look(replace(watched, status=replace(slow, studies_per_s=21.0))) == {}
    assert look(replace(watched, status=replace(slow, step=3))) == {}  # an epoch has just begun
    assert list(look(replace(CALM, history=rows(*fast, EpochRow(4, studies_per_s=15.0))))) == ["throughput"]


def test_trends_of_a_run_that_is_over_concern_nobody() -> None:
    watched = replace(with_losses(2.0, 1.0, 9.0), state=RunState("finished", "done"))
    assert look(watched) == {}
