"""What a chart shows of a history: zoom, smoothing, a second run; and the GPUs over the night."""

import math
from array import array
from dataclasses import replace

import frozen
import pytest

from xr2text_monitor.drawing.curves import CurveView, OtherRun, has_values, points, smoothed
from xr2text_monitor.hardware.trace import BUCKET_S, NUM_BUCKETS, GpuTrace
from xr2text_monitor.readers.history import History


def history(values: list[float]) -> History:
    found = History(version=1)
    found.epochs.extend(range(1, len(values) + 1))
    found.columns["val_loss"] = array("d", values)
    return found


def test_zoom_keeps_the_newest_epochs() -> None:
    seen, view = history([float(n) for n in range(60)]), CurveView(zoom=20)
    epochs, values = points(seen, "val_loss", view, view.first_epoch(seen))
    assert list(epochs) == list(range(41, 61)) and list(values) == list(range(40, 60))


def test_zoom_beyond_the_history_shows_all_of_it() -> None:
    seen, view = history([1.0, 2.0]), CurveView(zoom=100)
    assert list(points(seen, "val_loss", view, view.first_epoch(seen))[0]) == [1, 2]


def test_zooming_does_not_move_a_smoothed_curve() -> None:
    seen = history([math.sin(n) for n in range(60)])
    whole = points(seen, "val_loss", CurveView(span=5), float("-inf"))[1]
    part = points(seen, "val_loss", CurveView(span=5, zoom=10), 51)[1]
    assert list(part) == list(whole[-10:])


def test_smoothing_keeps_a_constant_begins_at_the_first_value_and_leaves_gaps() -> None:
    assert smoothed([2.0] * 6, 5) == pytest.approx([2.0] * 6)
    assert smoothed([7.0, 1.0], 15)[0] == 7.0
    found = smoothed([1.0, math.nan, math.inf, 3.0], 5)
    assert math.isnan(found[1]) and math.isinf(found[2]) and 1.0 < found[3] < 3.0


@pytest.mark.parametrize(
    ("num_epochs", "zooms"), [(13, [10, None]), (60, [50, 20, 10, None]), (10, [None]), (0, [None])]
)
def test_zoom_goes_around_what_is_fewer_than_there_are(num_epochs: int, zooms: list[int | None]) -> None:
    view, seen = CurveView(), []
    for _ in zooms:
        view = view.next_zoom(num_epochs)
        seen.append(view.zoom)
    assert seen == zooms


def test_smoothing_goes_around() -> None:
    assert CurveView().next_span().next_span().next_span() == CurveView()


def test_the_legend_says_what_differs_from_the_plain_view() -> None:
    view = CurveView(zoom=20, span=5, is_log=True, other=OtherRun("b", History()))
    assert view.words(has_log=True) == "log, last 20, mean 5" and view.words(has_log=False) == "last 20, mean 5"
    assert CurveView().words(has_log=True) == ""


def test_a_column_counts_as_measured_from_its_first_value_on() -> None:
    assert not has_values(history([math.nan, math.nan]), ["val_loss", "finding_auc"])
    assert has_values(history([math.nan, 0.5]), ["finding_auc", "val_loss"])


def test_the_hours_of_a_gpu_keep_the_worst_of_each_half_minute_and_their_gaps() -> None:
    trace = GpuTrace()
    for second, celsius in ((0, 60.0), (10, 80.0), (20, 70.0), (5 * BUCKET_S, 65.0)):
        trace.add((replace(frozen.LAPTOP, temperature_c=celsius),), 1000 * BUCKET_S + second)
    curve = trace.curve(0, "temperature_c")
    assert curve.ages_s == [-150, -120, -90, -60, -30, 0]
    assert curve.values[0] == 80 and curve.values[-1] == 65 and all(math.isnan(x) for x in curve.values[1:-1])


def test_a_gpu_that_gives_no_value_leaves_a_gap_and_appears_when_it_comes() -> None:
    trace = GpuTrace()
    trace.add((replace(frozen.LAPTOP, power_w=None),), 0.0)
    trace.add((frozen.LAPTOP, replace(frozen.LAPTOP, index=1)), BUCKET_S)
    assert trace.indices == [0, 1]
    assert math.isnan(trace.curve(0, "power_w").values[0]) and math.isnan(trace.curve(1, "power_w").values[0])
    assert trace.curve(1, "power_w").values[1] == 84.6 and trace.curve(7, "power_w").values == []


def test_after_a_long_night_only_the_last_twelve_hours_are_kept() -> None:
    trace = GpuTrace()
    for bucket in range(NUM_BUCKETS + 100):
        trace.add((replace(frozen.LAPTOP, temperature_c=float(bucket)),), bucket * BUCKET_S)
    curve = trace.curve(0, "temperature_c")
    assert len(curve.values) == NUM_BUCKETS and curve.values[0] == 100 and curve.ages_s[-1] == 0
