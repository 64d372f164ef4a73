"""What every epoch trains on: whole, without doubles, and a function of (seed, epoch, study) alone."""

import logging
from dataclasses import replace

import pytest

from xr2text_core.settings.settings import Settings
from xr2text_core.training.curriculum import STAGES
from xr2text_core.training.plan import Plan

SETTINGS = Settings(epochs=10, micro_batch=4, accumulation=2, replay=0.25)
IDS = [f"study-{number:03d}" for number in range(100)]
CLASSES = [STAGES[number % 4] for number in range(100)]


@pytest.fixture
def plan() -> Plan:
    return Plan(SETTINGS, IDS, CLASSES)


def order(plan: Plan, epoch: int) -> list[str]:
    return [plan.study_ids[index] for step in plan.steps(epoch) for index in step]


def test_the_number_of_steps_is_that_of_the_steps_of_all_epochs(plan: Plan) -> None:
    steps = [plan.steps(epoch) for epoch in range(1, 11)]
    assert [len(each) for each in steps] == [plan.num_steps(epoch) for epoch in range(1, 11)]
    assert plan.total_steps == sum(len(each) for each in steps)
    assert plan.num_steps(1) < plan.num_steps(10)


@pytest.mark.parametrize("epoch", range(1, 11))
def test_no_admitted_study_is_left_out_or_comes_twice_in_an_epoch(plan: Plan, epoch: int) -> None:
    studies = order(plan, epoch)
    assert len(studies) == len(set(studies)) == plan.num_studies(epoch)
    reach = STAGES.index(plan.stage(epoch))
    simple = {study for study, name in zip(IDS, CLASSES, strict=True) if STAGES.index(name) <= reach}
    assert simple <= set(studies)


def test_every_step_is_full_but_the_last_of_an_epoch(plan: Plan) -> None:
    for epoch in range(1, 11):
        sizes = [len(step) for step in plan.steps(epoch)]
        assert set(sizes[:-1]) <= {8}
        assert 1 <= sizes[-1] <= 8


def test_epochs_and_seeds_differ_in_their_order(plan: Plan) -> None:
    other = Plan(replace(SETTINGS, seed=1), IDS, CLASSES)
    assert order(plan, 9) != order(plan, 10)
    assert sorted(order(plan, 9)) == sorted(order(plan, 10))
    assert order(plan, 10) != order(other, 10)


def test_the_same_plan_is_made_again_whatever_was_asked_of_it_before(plan: Plan) -> None:
    again = Plan(SETTINGS, IDS, CLASSES)
    for epoch in (7, 2, 7):
        assert again.steps(epoch) == plan.steps(epoch)


def test_removing_a_study_keeps_the_order_of_the_others(plan: Plan) -> None:
    gone = 42
    fewer = Plan(SETTINGS, IDS[:gone] + IDS[gone + 1 :], CLASSES[:gone] + CLASSES[gone + 1 :])
    for epoch in (1, 5, 10):
        assert order(fewer, epoch) == [study for study in order(plan, epoch) if study != IDS[gone]]


def test_the_order_in_which_studies_were_read_does_not_matter(plan: Plan) -> None:
    backwards = Plan(SETTINGS, IDS[::-1], CLASSES[::-1])
    assert order(backwards, 4) == order(plan, 4)


def test_another_micro_batch_with_the_same_product_is_the_same_plan(plan: Plan) -> None:
    halved = Plan(replace(SETTINGS, micro_batch=2, accumulation=4), IDS, CLASSES)
    assert halved.steps(3) == plan.steps(3)


def test_studies_after_an_epoch_are_those_of_all_later_ones(plan: Plan) -> None:
    assert plan.studies_after(10) == 0
    assert plan.studies_after(8) == plan.num_studies(9) + plan.num_studies(10)


def test_without_the_curriculum_every_epoch_has_every_study() -> None:
    plan = Plan(replace(SETTINGS, curriculum=False), IDS, CLASSES)
    assert [plan.stage(epoch) for epoch in (1, 10)] == ["all_cases", "all_cases"]
    assert sorted(order(plan, 1)) == IDS


def test_a_stage_without_studies_trains_on_all_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="xr2text_core")
    plan = Plan(replace(SETTINGS, replay=0.0), IDS, ["complex_cases"] * 100)
    assert plan.num_studies(1) == 100
    assert "normal_cases" in caplog.text
    assert plan.class_sizes() == {"normal_cases": 0, "single_region": 0, "multi_region": 0, "complex_cases": 100}
