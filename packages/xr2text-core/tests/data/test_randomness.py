"""Randomness is a function of (seed, epoch, study): the same on every machine, for every number of workers."""

import numpy as np
import pytest

from xr2text_core.data.randomness import NUM_DRAWS, draws, epoch_order, step_seed

IDS = [f"study-{number}" for number in range(50)]


def test_draws_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert draws(0, 1, "study-0")[:2] == pytest.approx([0.540618240772764, 0.6933962878724651], abs=1e-15)
    assert step_seed(0, 1) == 7359998640416684799


def test_seed_epoch_and_study_each_change_every_draw() -> None:
    first = draws(0, 1, "a")
    for other in (draws(1, 1, "a"), draws(0, 2, "a"), draws(0, 1, "b")):
        assert (first != other).all()


def test_draws_are_spread_evenly_over_0_to_1_and_independent() -> None:
    many = np.stack([draws(0, epoch, study) for epoch in range(40) for study in IDS])
    assert many.shape == (2000, NUM_DRAWS)
    assert (many >= 0).all() and (many < 1).all()
    for column in many.T:
        shares = np.histogram(column, bins=10, range=(0, 1))[0] / len(column)
        assert abs(shares - 0.1).max() < 0.03
    assert abs(np.corrcoef(many.T) - np.eye(NUM_DRAWS)).max() < 0.1


def test_an_order_holds_every_study_once_and_epochs_differ() -> None:
    first, second = (epoch_order(IDS, range(50), seed=0, epoch=epoch) for epoch in (1, 2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_orders_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert epoch_order(IDS, range(12), seed=0, epoch=1) == [6, 4, 10, 3, 9, 5, 2, 7, 0, 8, 11, 1]
    assert epoch_order(IDS, range(12), seed=7, epoch=3) == [4, 11, 9, 6, 5, 2, 10, 3, 7, 8, 0, 1]
    assert epoch_order(["ä", "b/1", "", "s"], range(4), seed=0, epoch=2) == [3, 2, 0, 1]


def test_an_order_is_by_the_first_draw() -> None:
    by_draw = sorted(range(50), key=lambda index: draws(3, 9, IDS[index])[0])
    assert epoch_order(IDS, range(50), seed=3, epoch=9) == by_draw
    assert epoch_order(IDS, [], seed=3, epoch=9) == []


def test_an_order_does_not_depend_on_how_the_studies_were_listed() -> None:
    assert epoch_order(IDS, range(50), 0, 1) == epoch_order(IDS, range(49, -1, -1), 0, 1)


def test_some_studies_keep_the_order_that_they_have_among_all() -> None:
    every = epoch_order(IDS, range(50), 0, 1)
    assert epoch_order(IDS, range(0, 50, 3), 0, 1) == [index for index in every if index % 3 == 0]


def test_step_seeds_differ_and_are_what_torch_takes() -> None:
    seeds = {step_seed(seed, step) for seed in range(10) for step in range(100)}
    assert len(seeds) == 1000
    assert all(0 <= each < 2**63 for each in seeds)
