"""Watches heat, power and clock of the computer while it trains, in a thread of its own.

The training loop only reads what the thread saw last, so a driver that hangs never hangs the loop: its last value
grows old and then counts as unknown. Without GPU and battery nothing is logged.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from xr2text_core.machine.power import Power, read_power

HOT_C, COOLED_C = 85.0, 80.0  # logged above the first, and again only after a fall below the second
COOL_BY_C = 10.0  # a pause for heat ends this far below --pause-temp
LOW_PERCENT = 20.0
JUMP_S = 60.0  # smaller steps are time servers at work
STALE_S = 30.0
STOP_S = 1.0  # longer than any reading takes, unless the driver hangs


@dataclass(frozen=True)
class News:
    """One change: the kind, message and fields of an event (docs/run-files.md)."""

    kind: str
    message: str
    fields: dict[str, float] = field(default_factory=dict)


def awake_s() -> float:
    """Seconds this computer has been awake. Python's monotonic clock stops in sleep, except on Windows."""
    if sys.platform == "win32":
        count = ctypes.c_ulonglong()  # of 100 ns
        ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(count))
        return count.value / 1e7
    return time.monotonic()


def _unknown() -> None:
    return None


class MachineWatch:
    """A context in which a thread polls every `interval_s`: `MachineWatch(GpuReader(uuid).temperature_c)`.

    Readers return None for what is unknown and do not raise; one that did would end the thread, not the training.
    """

    def __init__(
        self,
        temperature: Callable[[], float | None] = _unknown,
        power: Callable[[], Power | None] = read_power,
        wall: Callable[[], float] = time.time,
        awake: Callable[[], float] = awake_s,
        interval_s: float = 2.0,
        slowdown_c: float | None = None,
    ) -> None:
        self._read_temperature, self._read_power, self._wall, self._awake = temperature, power, wall, awake
        self.interval_s = interval_s
        self._slowdown_c = slowdown_c
        self._thread = threading.Thread(target=self._run, name="machine watch", daemon=True)
        self._stop = threading.Event()
        self._lock = threading.Lock()  # held for assignments only, never while a driver is asked
        self._news: list[News] = []
        self._temperature: tuple[float, float] | None = None  # degrees C, and when it was read
        self._hottest_c: float | None = None
        self._clocks: tuple[float, float] | None = None
        self._is_hot = self._is_unplugged = self._is_low = False

    def __enter__(self) -> "MachineWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_S)

    # -- for the training loop

    @property
    def temperature_c(self) -> float | None:
        """The last reading; None when there is none or it is too old."""
        latest = self._temperature
        return latest[0] if latest and self._awake() - latest[1] <= STALE_S else None

    def take_hottest_c(self) -> float | None:
        """The highest reading since the last call."""
        with self._lock:
            hottest, self._hottest_c = self._hottest_c, None
        return hottest

    def limit_c(self, pause_temp: float) -> float:
        """`pause_temp`, or less where the card slows itself down before: it would never become hotter than that."""
        return pause_temp if self._slowdown_c is None else min(pause_temp, self._slowdown_c - 1)

    def must_cool(self, pause_temp: float) -> bool:
        """Whether training should pause. Unknown is not hot: cards protect themselves."""
        now = self.temperature_c
        return now is not None and now > self.limit_c(pause_temp)

    def is_cool(self, pause_temp: float) -> bool:
        """Whether a pause may end. A card that no longer answers does not block training forever."""
        now = self.temperature_c
        return now is None or now < self.limit_c(pause_temp) - COOL_BY_C

    def take_news(self) -> list[News]:
        """What changed since the last call, each change once."""
        with self._lock:
            news, self._news = self._news, []
        return news

    # -- in the thread

    def _run(self) -> None:
        self.poll()
        while not self._stop.wait(self.interval_s):
            self.poll()

    def poll(self) -> None:
        """Take all readings once."""
        self._look_at_clocks()
        self._look_at_temperature()
        self._look_at_power()

    def _look_at_clocks(self) -> None:
        wall, awake = self._wall(), self._awake()
        before, self._clocks = self._clocks, (wall, awake)
        if before is None:
            return
        jump_s = (wall - before[0]) - (awake - before[1])
        if abs(jump_s) > JUMP_S:
            what = "went ahead by" if jump_s > 0 else "was set back by"
            why = ": it was probably asleep" if jump_s > 0 else ""
            message = f"The computer's clock {what} {_in_words(abs(jump_s))}{why}. The run does not depend on it"
            self._add_news("clock_jumped", message, jump_s=round(jump_s))

    def _look_at_temperature(self) -> None:
        now_c = self._read_temperature()
        if now_c is None:
            return
        with self._lock:
            self._temperature = now_c, self._awake()
            self._hottest_c = now_c if self._hottest_c is None else max(now_c, self._hottest_c)
        if now_c > HOT_C and not self._is_hot:
            self._add_news("hot", f"The GPU is at {now_c:.0f} °C: check its fans and vents", temperature_c=now_c)
        self._is_hot = now_c > HOT_C or (self._is_hot and now_c >= COOLED_C)

    def _look_at_power(self) -> None:
        power = self._read_power()
        if power is None or power.is_plugged is None:
            return
        charge = power.battery_percent
        was_unplugged, was_low = self._is_unplugged, self._is_low
        self._is_unplugged = not power.is_plugged
        self._is_low = self._is_unplugged and (was_low or charge <= LOW_PERCENT)
        if self._is_unplugged and not was_unplugged:
            message = f"The computer runs on its battery ({charge:.0f} %): slow, and empty by morning. Plug it in"
            self._add_news("power_unplugged", message, battery_percent=charge)
        if was_unplugged and not self._is_unplugged:
            self._add_news(
                "power_plugged", f"The computer is plugged in (battery: {charge:.0f} %)", battery_percent=charge
            )
        if self._is_low and not was_low:
            message = f"The battery is down to {charge:.0f} %: plug the computer in, or stop with Ctrl-C, which saves"
            self._add_news("battery_low", message, battery_percent=charge)

    def _add_news(self, kind: str, message: str, **fields: float) -> None:
        with self._lock:
            self._news.append(News(kind, message, fields))


def _in_words(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
