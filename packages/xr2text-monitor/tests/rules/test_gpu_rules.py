"""GPUs that are hot, full, idle, lost, silent or none of the run's business."""

from dataclasses import replace

import pytest
from watching import CALM, IDLE_GPU, NOW, keys, look, with_gpu

from xr2text_monitor.alerts import AlertBook, Limits, Watched
from xr2text_monitor.hardware.gpu import Gpu
from xr2text_monitor.state import RunState

BUSY_GPU = CALM.gpus[0]
LOST = Gpu(0, "NVIDIA X", note="the GPU is lost", is_lost=True)


def test_a_hot_gpu_that_is_lost_stays_an_alert_and_is_worse() -> None:
    book = AlertBook(Limits())
    assert keys(book, with_gpu(temperature_c=86), 0) == ["temperature_0"]
    for second in (1, 12, 3600):
        assert set(keys(book, replace(CALM, gpus=(LOST,)), second)) == {"temperature_0", "gpu_0"}
    lost, heat = book.standing
    assert (lost.key, lost.severity, heat.is_unknown) == ("gpu_0", "critical", True)
    assert keys(book, CALM, 3601) == []


def test_one_lost_of_eight_is_an_alert() -> None:
    gpus = tuple(replace(BUSY_GPU, index=index) for index in range(8))
    book = AlertBook(Limits())
    assert keys(book, replace(CALM, gpus=gpus)) == []
    assert keys(book, replace(CALM, gpus=(*gpus[:5], replace(LOST, index=5), *gpus[6:])), 1) == ["gpu_5"]
    assert keys(book, replace(CALM, gpus=gpus[:7]), 2) == ["gpu_7"] and "no longer lists" in book.standing[0].title


def test_a_driver_that_stops_answering_leaves_nothing_healthy() -> None:
    book = AlertBook(Limits())
    keys(book, with_gpu(temperature_c=88), 0)
    silent = replace(CALM, gpus=(), gpu_problem="the driver has not answered for 6 s")
    assert keys(book, silent, 20) == ["gpu_driver", "temperature_0"]
    assert all(alert.is_unknown for alert in book.standing)
    assert keys(AlertBook(Limits()), silent) == ["gpu_driver"]


def test_all_gpus_lost_stay_lost_when_the_driver_is_closed() -> None:
    book = AlertBook(Limits())
    keys(book, CALM, 0)
    keys(book, replace(CALM, gpus=(LOST,)), 1)
    closed = replace(CALM, gpus=(), gpu_problem="no GPU answers any more; asking again")
    assert keys(book, closed, 20) == ["gpu_driver", "gpu_0"]
    assert [(alert.severity, alert.is_unknown) for alert in book.standing] == [("critical", True), ("critical", False)]


def test_a_sensor_that_falls_silent_is_unknown_although_it_was_never_hot() -> None:
    book = AlertBook(Limits())
    assert keys(book, with_gpu(temperature_c=70), 0) == []
    assert keys(book, with_gpu(temperature_c=None), 9) == []
    assert keys(book, with_gpu(temperature_c=None), 11) == ["temperature_0"]
    assert book.standing[0].is_unknown and "70" in book.standing[0].title and book.standing[0].since == NOW


def test_a_sensor_that_never_answered_is_no_alert() -> None:
    book = AlertBook(Limits())
    for second in (0, 60):
        assert keys(book, with_gpu(temperature_c=None, memory_used_mib=None), second) == []


@pytest.mark.parametrize("change", ["cpu", "other host", "finished", "interrupted"])
def test_gpus_that_the_run_does_not_use_are_none_of_its_alerts(change: str) -> None:
    hot = with_gpu(temperature_c=95, memory_used_mib=8000, throttling=("x",))
    watched = {
        "cpu": replace(hot, status=replace(CALM.status, device="cpu")),  # type: ignore[type-var]
        "other host": replace(hot, other_host="elsewhere"),
        "finished": replace(hot, state=RunState("finished", "")),
        "interrupted": replace(hot, state=RunState("interrupted", "")),
    }[change]
    assert look(watched) == {}


def test_gpus_are_watched_while_the_files_cannot_be_read() -> None:
    blind = replace(with_gpu(temperature_c=95), status=None, state=RunState("unknown", "cannot read status.json"))
    assert "temperature_0" in look(blind)


@pytest.mark.parametrize(
    ("total_mib", "used_mib", "warns"),
    [
        (8188, 7680, False),
        (8188, 7681, True),
        (8192, 7700, True),
        (24564, 7700, False),
        (24564, 23000, False),
        (24564, 23200, True),
        (6144, 5700, False),
        (6144, 5800, True),
        (None, 7700, True),
    ],
)
def test_the_memory_limit_fits_the_card(total_mib: float | None, used_mib: float, warns: bool) -> None:
    assert bool(look(with_gpu(memory_total_mib=total_mib, memory_used_mib=used_mib))) is warns


def test_a_card_that_slows_down_below_85_degrees_warns_there() -> None:
    assert look(with_gpu(temperature_c=84, slowdown_c=83))["temperature_0"].title == "GPU 0 at 84 °C, above 83 °C"
    assert look(with_gpu(temperature_c=84, slowdown_c=102)) == {}
    book = AlertBook(Limits(temperature_c=90))
    assert keys(book, with_gpu(temperature_c=84, slowdown_c=83)) == []


def test_between_the_threshold_and_its_end_the_title_is_true() -> None:
    book = AlertBook(Limits())
    keys(book, with_gpu(temperature_c=88), 0)
    keys(book, with_gpu(temperature_c=83), 1)
    assert book.standing[0].title == "GPU 0 at 83 °C, no longer above 85 °C"


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"memory_used_mib": 7681}, "GPU 0 memory 7.501 GiB, above 7.50 GiB"),
        ({"temperature_c": 85.4}, "GPU 0 at 85.4 °C, above 85 °C"),
        ({"memory_used_mib": 7800}, "GPU 0 memory 7.62 GiB, above 7.50 GiB"),
    ],
)
def test_a_value_just_above_its_limit_does_not_look_equal(changes: dict[str, float], title: str) -> None:
    assert [alert.title for alert in look(with_gpu(**changes)).values()] == [title]


def test_a_gpu_as_hot_as_where_it_slows_down_is_critical_and_rings_again() -> None:
    book = AlertBook(Limits())
    (warm,) = book.update(with_gpu(temperature_c=88, slowdown_c=93), 0, NOW)
    (hot,) = book.update(with_gpu(temperature_c=93, slowdown_c=93), 1, NOW + 1)
    assert (warm.alert.severity, hot.alert.severity, hot.was) == ("warning", "critical", "warning")
    assert book.update(with_gpu(temperature_c=94, slowdown_c=93), 2, NOW + 2) == []


def test_an_idle_gpu_rings_once_however_many_validations_come_between() -> None:
    book = AlertBook(Limits())
    idle = replace(CALM, gpus=(IDLE_GPU,))
    validating = replace(CALM, state=RunState("validating", "", 1.0))  # with a busy GPU
    second, rings = 0.0, 0
    for _ in range(4):
        for watched, seconds in ((idle, 400), (validating, 100)):
            for _ in range(seconds):
                second += 1
                rings += sum(change.is_raised for change in book.update(watched, second, NOW + second))
    assert rings == 1 and [alert.key for alert in book.standing] == ["gpu_idle"]
    book.update(CALM, second + 1, NOW)
    assert book.standing == ()


def test_the_worst_alert_comes_first_and_equals_are_grouped() -> None:
    gpus = (
        replace(BUSY_GPU, throttling=("power brake",)),
        replace(BUSY_GPU, index=1, throttling=("power brake",), temperature_c=96),
    )
    watched: Watched = replace(CALM, gpus=gpus, state=RunState("silent", "why", 99.0))
    book = AlertBook(Limits())
    book.update(watched, 0, NOW)
    assert [alert.key for alert in book.standing] == ["temperature_1", "life", "throttling_0", "throttling_1"]
    assert [alert.group for alert in book.standing] == ["GPU 1", "run", "GPU 0", "GPU 1"]
