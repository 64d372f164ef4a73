"""The watch with readers and clocks given by hand, in a thread with a driver that hangs, and with a played driver."""

import ctypes
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from xr2text_core.machine.power import Power
from xr2text_core.machine.watch import MachineWatch, awake_s


@dataclass
class Computer:
    """What the readers and clocks of a watch say."""

    temperature_c: float | None = None
    power: Power | None = None
    wall_s: float = 1_800_000_000.0
    awake_s: float = 5000.0

    def watch(self) -> MachineWatch:
        return MachineWatch(lambda: self.temperature_c, lambda: self.power, lambda: self.wall_s, lambda: self.awake_s)

    def passes(self, seconds: float) -> None:
        self.wall_s += seconds
        self.awake_s += seconds


@pytest.fixture
def computer() -> Computer:
    return Computer()


def kinds(watch: MachineWatch) -> list[str]:
    watch.poll()
    return [news.kind for news in watch.take_news()]


def heat(computer: Computer, watch: MachineWatch, *temperatures: float) -> list[list[str]]:
    """What is new after each temperature."""
    news = []
    for computer.temperature_c in temperatures:
        news.append(kinds(watch))
    return news


def test_a_desktop_without_a_gpu_is_silent(computer: Computer) -> None:
    watch = computer.watch()
    watch.poll()
    computer.passes(2)
    assert kinds(watch) == []
    assert watch.temperature_c is None and watch.take_hottest_c() is None
    assert not watch.must_cool(85) and watch.is_cool(85)


def test_heat_is_said_once_until_it_has_fallen(computer: Computer) -> None:
    watch = computer.watch()
    assert heat(computer, watch, 85, 86, 91, 85, 80, 86) == [[], ["hot"], [], [], [], []]
    assert heat(computer, watch, 79, 84, 85, 86) == [[], [], [], ["hot"]]


def test_news_of_heat_carries_its_temperature(computer: Computer) -> None:
    computer.temperature_c = 91.0
    watch = computer.watch()
    watch.poll()
    (news,) = watch.take_news()
    assert news.fields == {"temperature_c": 91.0} and "91 °C" in news.message


def test_the_hottest_reading_since_the_last_question_is_kept(computer: Computer) -> None:
    watch = computer.watch()
    heat(computer, watch, 60, 83, 70)
    assert watch.temperature_c == 70 and watch.take_hottest_c() == 83
    assert watch.take_hottest_c() is None
    heat(computer, watch, 65)
    assert watch.take_hottest_c() == 65


def test_a_pause_begins_above_its_temperature_and_ends_ten_degrees_below(computer: Computer) -> None:
    watch = computer.watch()
    said = []
    for computer.temperature_c in (90, 91, 85, 80, 79):
        watch.poll()
        said.append((watch.must_cool(90), watch.is_cool(90)))
    assert said == [(False, False), (True, False), (False, False), (False, False), (False, True)]


def test_a_card_that_slows_down_below_the_limit_pauses_when_it_does(computer: Computer) -> None:
    watch = MachineWatch(lambda: computer.temperature_c, awake=lambda: computer.awake_s, slowdown_c=87.0)
    said = []
    for computer.temperature_c in (86, 87, 76, 75):
        watch.poll()
        said.append((watch.must_cool(90), watch.is_cool(90)))
    assert said == [(False, False), (True, False), (False, False), (False, True)]
    assert (watch.limit_c(90), watch.limit_c(80)) == (86, 80)


def test_one_reading_that_fails_does_not_end_a_pause(computer: Computer) -> None:
    watch = computer.watch()
    heat(computer, watch, 95)
    computer.temperature_c = None
    computer.passes(2)
    watch.poll()
    assert watch.temperature_c == 95 and watch.must_cool(90) and not watch.is_cool(90)


def test_a_reading_that_grew_old_is_unknown_and_holds_nothing_up(computer: Computer) -> None:
    watch = computer.watch()
    heat(computer, watch, 95)
    computer.passes(31)
    assert watch.temperature_c is None and not watch.must_cool(90) and watch.is_cool(90)
    assert watch.take_hottest_c() == 95


def test_unplugging_and_plugging_in_are_said_once_each(computer: Computer) -> None:
    watch = computer.watch()
    said = []
    for plugged in (True, True, False, False, None, False, True, True):
        computer.power = Power(70.0, plugged)
        said += kinds(watch)
    assert said == ["power_unplugged", "power_plugged"]


def test_a_training_that_starts_on_the_battery_says_so(computer: Computer) -> None:
    computer.power = Power(70.0, False)
    watch = computer.watch()
    assert kinds(watch) == ["power_unplugged"]


def test_a_low_battery_is_said_once_and_again_after_it_was_plugged_in(computer: Computer) -> None:
    watch = computer.watch()
    said = []
    for percent, plugged in ((21, False), (20, False), (21, False), (19, False), (19, True), (19, False)):
        computer.power = Power(percent, plugged)
        said.append(kinds(watch))
    assert said == [["power_unplugged"], ["battery_low"], [], [], ["power_plugged"], ["power_unplugged", "battery_low"]]


def test_a_low_battery_that_charges_is_no_news(computer: Computer) -> None:
    computer.power = Power(3.0, True)
    assert kinds(computer.watch()) == []


def test_sleep_is_said_with_its_length_and_likely_cause(computer: Computer) -> None:
    watch = computer.watch()
    watch.poll()
    computer.wall_s += 8 * 3600 + 120  # the night
    computer.passes(2)
    watch.poll()
    (news,) = watch.take_news()
    assert news.kind == "clock_jumped" and news.fields == {"jump_s": 28920}
    assert "8 h 2 min" in news.message and "asleep" in news.message and "does not depend" in news.message
    computer.passes(2)
    assert kinds(watch) == []


def test_a_clock_that_was_set_back_is_not_called_sleep(computer: Computer) -> None:
    watch = computer.watch()
    watch.poll()
    computer.wall_s -= 3600
    watch.poll()
    (news,) = watch.take_news()
    assert news.fields == {"jump_s": -3600}
    assert "back by 1 h 0 min" in news.message and "asleep" not in news.message


def test_a_slow_computer_and_a_time_server_are_no_news(computer: Computer) -> None:
    watch = computer.watch()
    watch.poll()
    computer.passes(600)  # a poll that came late: both clocks saw the same time pass
    assert kinds(watch) == []
    computer.wall_s += 59
    assert kinds(watch) == []


def test_windows_counts_only_the_time_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    def query(count: ctypes.c_ulonglong) -> int:
        count._obj.value = 25_000_000
        return 1

    monkeypatch.setattr(sys, "platform", "win32")
    windows = SimpleNamespace(kernel32=SimpleNamespace(QueryUnbiasedInterruptTime=query))
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    assert awake_s() == 2.5


def test_time_awake_goes_forward() -> None:
    assert awake_s() <= awake_s()


def test_a_driver_that_hangs_holds_nobody_up() -> None:
    asked, answer = threading.Event(), threading.Event()

    def hang() -> float:
        asked.set()
        answer.wait()
        return 99.0

    try:
        with MachineWatch(hang, power=lambda: None) as watch:
            asked.wait()
            assert watch.temperature_c is None and watch.take_news() == []
            assert not watch.must_cool(85) and watch.is_cool(85)
    finally:
        answer.set()


def test_the_thread_polls_until_the_end_and_not_longer() -> None:
    readings = threading.Semaphore(0)

    def read() -> float:
        readings.release()
        return 50.0

    with MachineWatch(read, power=lambda: None, interval_s=0.001) as watch:
        for _ in range(3):
            readings.acquire()
    assert watch.take_hottest_c() == 50.0
    for thread in threading.enumerate():
        if thread.name == "machine watch":
            thread.join()


WITH_A_DRIVER = """
import json, os, pathlib, queue
from xr2text_core.machine.nvml import GpuReader
from xr2text_core.machine.watch import MachineWatch

script = pathlib.Path(os.environ["NVML_STUB_SCRIPT"])
laptop = script.read_text()
reader = GpuReader("0a1b2c3d-1111-2222-3333-444455556666")
seen = queue.Queue()

def nothing():
    return None

def stands_still():
    return 0.0

def read():
    value = reader.temperature_c()
    seen.put(value)
    return value

def play(celsius):
    beside = script.with_name("next")
    beside.write_text(laptop.replace("celsius 71", f"celsius {celsius}"))
    os.replace(beside, script)
    while seen.get() != celsius:
        pass
    seen.get()  # the next reading began, so all of the one before has been looked at

with MachineWatch(read, nothing, stands_still, stands_still, interval_s=0.001) as watch:
    for celsius in (71, 88, 93, 84, 79, 95):
        play(celsius)
        news = [each.kind for each in watch.take_news()]
        print(json.dumps([watch.temperature_c, watch.take_hottest_c(), news, watch.must_cool(90), watch.is_cool(90)]))
"""


def test_heat_of_a_played_driver_rises_and_falls(
    play: Callable[[Path, str, str], str], driver: Path, laptop: str
) -> None:
    said = [json.loads(line) for line in play(driver, laptop, WITH_A_DRIVER).splitlines()]
    assert said == [
        [71, 71, [], False, True],
        [88, 88, ["hot"], False, False],
        [93, 93, [], True, False],
        [84, 84, [], False, False],
        [79, 79, [], False, True],
        [95, 95, ["hot"], True, False],
    ]
