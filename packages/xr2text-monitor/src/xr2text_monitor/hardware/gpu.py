"""What is known of the GPUs at one moment. nvml.py reads it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU at one moment. None: this part, driver or permission does not give the value."""

    index: int
    name: str = ""
    uuid: str = ""
    utilisation: float | None = None  # percent of time in which a kernel ran
    temperature_c: float | None = None
    slowdown_c: float | None = None  # from here on the card slows itself down
    memory_used_mib: float | None = None  # as nvidia-smi counts it: the driver's own reserve left out
    memory_total_mib: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    fan_percent: float | None = None
    clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    throttling: tuple[str, ...] | None = None
    mig: bool = False
    pids: tuple[int, ...] = ()
    note: str = ""  # why it is all dashes: lost, reset required, ...
    is_lost: bool = False  # the driver says that only a reset or restart brings it back


@dataclass(frozen=True)
class GpuReport:
    """All GPUs, or one sentence that says why there are none.

    `is_failing`: a driver that should answer does not, so that nobody knows how the GPUs are. Without a driver, or not
    asked, nothing is failing.
    """

    gpus: tuple[Gpu, ...] = ()
    note: str = ""
    is_failing: bool = False
