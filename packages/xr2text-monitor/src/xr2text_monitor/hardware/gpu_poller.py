"""Asks NVML once a second in a thread of its own: a driver that hangs must not stop the rest."""

import threading
import time

from xr2text_monitor.hardware.gpu import GpuReport
from xr2text_monitor.text import duration

POLL_S = 1.0
STALE_S = 5.0
FIRST_S = 2.0  # for an answer that nothing is shown without


class GpuPoller(threading.Thread):
    """Started once; `report` gives the newest answer at any time, and says so when the driver has stopped answering."""

    def __init__(self) -> None:
        super().__init__(name="gpu", daemon=True)
        self._latest = (GpuReport((), "asking the driver"), time.monotonic())
        self._answered = threading.Event()
        self._begun_at = time.monotonic()

    def run(self) -> None:
        from xr2text_monitor.hardware.nvml import GpuReader  # not before the first paint

        reader = GpuReader()
        while True:
            self._latest = (reader.read(time.monotonic()), time.monotonic())
            self._answered.set()
            time.sleep(POLL_S)

    def report(self) -> GpuReport:
        report, at = self._latest
        age_s = time.monotonic() - at
        if age_s > STALE_S:
            return GpuReport((), f"the driver has not answered for {duration(age_s)}", is_failing=True)
        return report

    def first_report(self) -> GpuReport:
        """For a single look: waits for an answer, but not long."""
        if self._answered.wait(max(0.0, self._begun_at + FIRST_S - time.monotonic())):
            return self.report()
        return GpuReport((), f"the driver has not answered for {duration(FIRST_S)}", is_failing=True)


def nobody() -> GpuReport:
    """For --no-gpu."""
    return GpuReport((), "not asked (--no-gpu)")
