"""Charts, bars and texts: numbers to lines."""

import math

import pytest

from xr2text_monitor import text as t
from xr2text_monitor.drawing.chart import Mark, Series, draw
from xr2text_monitor.drawing.ink import bar, line, spark


def plain(lines: list) -> list[str]:  # type: ignore[type-arg]
    return [one.plain for one in lines]


def test_a_rising_curve_goes_from_bottom_left_to_top_right() -> None:
    drawn = plain(draw([Series("a", range(10), range(10), "")], [], 27, 6))
    assert len(drawn) == 6 and all(len(row) == 27 for row in drawn)
    assert drawn[0].startswith("   10 ┤") and drawn[4].startswith("    0 ┤")
    assert drawn[0][-1] not in " ⠀" and drawn[4][7] not in " ⠀" and drawn[0][7] == " "


def test_marks_stand_where_they_belong_with_their_name_below() -> None:
    drawn = plain(draw([Series("a", [1, 21], [0.0, 1.0], "")], [Mark(11, ("eleven is too long to fit", "11"))], 28, 5))
    assert drawn[0][7 + 10] == "┊" and drawn[-1][7 + 10 :].startswith("11")


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, math.nan]])
def test_nothing_to_draw_gives_no_lines(values: list[float]) -> None:
    assert draw([Series("a", range(len(values)), values, "")], [], 40, 8) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (11, 2), (300, 2), (12, 90)])
def test_no_size_is_an_error(size: tuple[int, int]) -> None:
    for row in plain(draw([Series("a", [1.0], [5.0], ""), Series("b", [1, 2], [math.nan, 1e9], "", True)], [], *size)):
        assert len(row) == size[0]


def test_nan_leaves_a_gap() -> None:
    ys = [1.0] * 20 + [math.nan] * 20 + [1.0] * 20
    drawn = plain(draw([Series("a", range(60), ys, "")], [], 37, 3))
    columns = [any(row[cell] > "⠀" for row in drawn[:-1]) for cell in range(7, 37)]
    assert columns[0] and columns[-1] and not any(columns[11:19])


def test_hundred_thousand_points_fit_into_a_few_cells() -> None:
    ys = [math.sin(x / 9000) for x in range(100_000)]
    assert len(draw([Series("a", range(100_000), ys, "")], [], 60, 12)) == 12


def test_bars_and_sparks_survive_any_value() -> None:
    for share in (None, -1.0, 0.5, 7.0):
        assert len(line(*bar(share, 10)).plain) == 10
    assert spark([1, 2, math.nan, 3], 4) == "▁▅ █" or len(spark([1, 2, math.nan, 3], 4)) == 4
    assert spark([], 5) == "" and spark([math.nan], 5) == "" and len(spark(range(1000), 30)) <= 30


def test_numbers_carry_units_and_missing_ones_are_dashes() -> None:
    assert (t.duration(8), t.duration(185), t.duration(7620), t.duration(100_000)) == (
        "8 s",
        "3 min 05 s",
        "2 h 07 min",
        "1 d 03 h",
    )
    assert (t.size(2_040_000_000), t.size(12), t.size(3 << 20)) == ("1.9 GiB", "12 B", "3.0 MiB")
    missing = (
        t.number(None),
        t.whole(None),
        t.unit(None, "W"),
        t.size(None),
        t.duration(None),
        t.clock(None, 0.0),
        t.gib(None),
    )
    assert set(missing) == {t.DASH}
    assert t.number(math.nan) == "nan" and t.duration(math.inf) == t.DASH and t.clock(1e30, 0.0) == t.DASH
