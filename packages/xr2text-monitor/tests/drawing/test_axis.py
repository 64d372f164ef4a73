"""Axes: round numbers, never two alike, nothing below what can be."""

import math

import pytest

from xr2text_monitor.drawing.axis import Axis, Scale, axis_for, inside, short

SCORES = Scale(floor=0.0, least_span=0.01)


def axis(values: list[float], rows: int = 7, scale: Scale = SCORES) -> Axis:
    found = axis_for(values, rows, scale)
    assert found is not None
    return found


def labels(values: list[float], rows: int = 7, scale: Scale = SCORES) -> list[str]:
    """From the bottom to the top."""
    return [text for _, text in sorted(axis(values, rows, scale).labels(rows).items(), reverse=True)]


@pytest.mark.parametrize("values", [[0.0] * 9, [0.0, 3e-23], [1e-12, 0.0]])
def test_a_score_of_nothing_stands_on_zero_and_the_axis_has_no_negative_scores(values: list[float]) -> None:
    assert axis(values).low == 0 and labels(values) == ["0.000", "0.005", "0.010"]


@pytest.mark.parametrize("value", [1.0, 0.04, 2.0531, 5.0, 61.0, 1234.0, 98765.0, 0.0, -3.0])
@pytest.mark.parametrize("rows", [2, 3, 4, 8, 21, 60])
def test_labels_on_a_plateau_differ_and_fit_into_five_letters(value: float, rows: int) -> None:
    found = labels([value] * 5, rows)
    assert len(set(found)) == len(found) >= 1 and all(len(text) <= 5 for text in found)


@pytest.mark.parametrize("values", [[2.05, 3.95], [0.011, 0.237], [61.0, 88.0], [1e-3, 1e3], [-4.0, 9.0], [1e30, 5.0]])
@pytest.mark.parametrize("rows", [2, 4, 9, 30])
def test_ticks_are_multiples_of_one_two_or_five_and_lie_on_the_axis(values: list[float], rows: int) -> None:
    found = axis(values, rows)
    step = found.ticks[1] - found.ticks[0]
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)
    assert found.low - 1e-9 * abs(step) <= found.ticks[0] and found.ticks[-1] <= found.high + 1e-9 * abs(step)
    slack = 1e-12 * max(map(abs, values))
    assert found.low <= min(values) + slack and found.high >= max(values) - slack


def test_round_ends_are_left_away_where_they_would_take_the_height_from_the_curve() -> None:
    found = axis([0.011, 0.237], 4)
    assert (found.low, found.high) == (0.011, 0.237) and found.ticks == (0.1, 0.2)


def test_a_log_axis_shows_powers_of_ten_over_decades_and_leaves_out_what_has_no_logarithm() -> None:
    log = Scale(floor=0.0, is_log=True)
    assert labels([1e-4, 1e3], 9, log) == ["1e-04", "0.01", "1", "100"]
    assert labels([2.17, 3.95], 7, log) == ["2.5", "3", "3.5"]
    assert axis([1.0, 10.0, 0.0, -4.0], 7, log).place(0.0) is None
    assert axis_for([0.0, -1.0, 1e-310], 7, log) is None


def test_equal_factors_are_equal_heights_on_a_log_axis() -> None:
    found = axis([1.0, 100.0], 9, Scale(is_log=True))
    assert [found.place(value) for value in (1.0, 10.0, 100.0)] == pytest.approx([1.0, 0.5, 0.0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_place(value: float) -> None:
    assert axis([1.0, 2.0, value]).place(value) is None
    assert axis_for([value], 7, SCORES) is None


def test_no_finite_values_are_too_large_to_draw() -> None:
    found = axis([-1.7e308, 1.7e308])
    assert found.place(0.0) == pytest.approx(0.5)


def test_epochs_and_steps_have_whole_ticks() -> None:
    assert inside(1, 12, 4, 1.0) == (5, 10) and inside(1, 3, 8, 1.0) == (1, 2, 3)
    assert inside(7, 7, 3, 1.0) == (7,)


def test_large_numbers_are_short() -> None:
    assert [short(x, 0) for x in (99_999, 250_000, 3e6, 2e9, 4e12)] == ["99999", "250k", "3M", "2G", "4e+12"]
