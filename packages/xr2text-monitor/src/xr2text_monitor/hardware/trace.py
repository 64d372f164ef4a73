"""What the GPUs did in the last hours: the hottest, fullest and hungriest moment of every half minute."""

from array import array
from dataclasses import dataclass

from xr2text_monitor.hardware.gpu import Gpu

BUCKET_S = 30.0
NUM_BUCKETS = 1440  # twelve hours; 45 KiB a GPU, taken at once, so that memory does not grow through the night
FIELDS = ("temperature_c", "memory_used_mib", "power_w")
NAN = float("nan")


@dataclass(frozen=True)
class Curve:
    """Ages in seconds (negative, rising to now) and values; NaN where nothing was read."""

    ages_s: list[float]
    values: list[float]


class GpuTrace:
    """Readings of all GPUs in buckets of half a minute, for twelve hours."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, str], array[float]] = {}
        self._newest = -1  # number of the newest bucket, counted from the clock's zero
        self._oldest = -1

    @property
    def indices(self) -> list[int]:
        return sorted({index for index, _ in self._values})

    def add(self, gpus: tuple[Gpu, ...], now: float) -> None:
        """`now` is monotonic: a clock that is set leaves no gap."""
        bucket = int(now // BUCKET_S)
        if self._newest < 0:
            self._oldest = self._newest = bucket
        for skipped in range(max(self._newest + 1, bucket - NUM_BUCKETS + 1), bucket + 1):
            for values in self._values.values():
                values[skipped % NUM_BUCKETS] = NAN
        self._newest = max(self._newest, bucket)
        for gpu in gpus:
            for name in FIELDS:
                self._put(gpu.index, name, getattr(gpu, name))

    def _put(self, index: int, name: str, value: float | None) -> None:
        values = self._values.get((index, name))
        if values is None:
            values = self._values[index, name] = array("d", [NAN]) * NUM_BUCKETS
        place = self._newest % NUM_BUCKETS
        if value is not None and not values[place] >= value:
            values[place] = value

    def curve(self, index: int, name: str) -> Curve:
        """One value of one GPU, oldest first."""
        values = self._values.get((index, name))
        if values is None:
            return Curve([], [])
        first = max(self._oldest, self._newest - NUM_BUCKETS + 1)
        buckets = range(first, self._newest + 1)
        return Curve([(b - self._newest) * BUCKET_S for b in buckets], [values[b % NUM_BUCKETS] for b in buckets])
