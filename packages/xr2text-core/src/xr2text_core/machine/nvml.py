"""The NVIDIA driver's readings, through NVML. Unknown values are None, and nothing here raises.

The monitor has a reader of its own, because the two packages import nothing of each other (docs/decisions/0004).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

import pynvml

T = TypeVar("T")

# All that pynvml raises: errors of the driver, a newer function asked of an older driver, a name that is no UTF-8, a
# function this pynvml does not have.
FAILURES = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError, OSError, ValueError, AttributeError)


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory of a GPU."""

    pid: int  # as the driver counts: inside a container, the pid on the host
    name: str | None  # of the program, without its folder and arguments
    memory_mib: float | None  # unknown on Windows


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment. None: this card, driver or permission does not give the value."""

    index: int | None  # in the driver's order, which CUDA_VISIBLE_DEVICES does not change
    name: str | None
    uuid: str | None
    temperature_c: float | None
    slowdown_c: float | None  # above it the card throttles
    memory_used_mib: float | None  # as nvidia-smi counts it: without the driver's own reserve
    memory_total_mib: float | None
    utilization_percent: float | None  # share of time in which a kernel ran
    processes: tuple[GpuProcess, ...] | None


@dataclass(frozen=True)
class DriverVersions:
    driver: str | None  # such as 570.86.15
    cuda: str | None  # the newest CUDA this driver serves, such as 12.8


class GpuReader:
    """One GPU, named by its UUID (with or without "GPU-", as torch gives it) or by its index in the driver's order.

    Once found, NVML stays open until the process ends: reopening it each time would wake and delay the driver.
    """

    def __init__(self, gpu: str | int) -> None:
        self._gpu = gpu
        self._handle: Any = None

    def read(self) -> GpuReading | None:
        """All values, or None where there is no such GPU. Lists processes, which holds the driver for milliseconds."""
        handle = self._find()
        if handle is None:
            return None
        used, total = _memory(handle)
        utilization = _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
        return GpuReading(
            index=_ask(pynvml.nvmlDeviceGetIndex, handle),
            name=_ask(pynvml.nvmlDeviceGetName, handle),
            uuid=_ask(pynvml.nvmlDeviceGetUUID, handle),
            temperature_c=_temperature(handle),
            slowdown_c=_slowdown(handle),
            memory_used_mib=used,
            memory_total_mib=total,
            utilization_percent=None if utilization is None else _plausible(utilization.gpu, 100),
            processes=_processes(handle),
        )

    def temperature_c(self) -> float | None:
        """The temperature alone: microseconds, cheap enough for every second."""
        return _temperature(self._find())

    def _find(self) -> Any:
        if self._handle is None and _is_open():
            if isinstance(self._gpu, int):
                self._handle = _ask(pynvml.nvmlDeviceGetHandleByIndex, self._gpu)
            else:
                self._handle = _ask(pynvml.nvmlDeviceGetHandleByUUID, f"GPU-{self._gpu.removeprefix('GPU-')}")
        return self._handle


def read_gpus() -> tuple[GpuReading, ...]:
    """All GPUs the driver lists, in its order; empty without a driver."""
    count = (_ask(pynvml.nvmlDeviceGetCount) or 0) if _is_open() else 0
    readings = [GpuReader(index).read() for index in range(count)]
    return tuple(reading for reading in readings if reading is not None)


def driver_versions() -> DriverVersions | None:
    """Versions of the driver; None without one."""
    if not _is_open():
        return None
    cuda = _ask(pynvml.nvmlSystemGetCudaDriverVersion)  # 12080 is 12.8
    return DriverVersions(
        driver=_ask(pynvml.nvmlSystemGetDriverVersion),
        cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
    )


def _is_open() -> bool:
    """Open NVML. It is reference-counted, and the process never closes it."""
    try:
        pynvml.nvmlInit()
    except FAILURES:
        return False
    return True


def _ask(query: Callable[..., T], *arguments: Any) -> T | None:
    """The answer of one query, or None. Old drivers lack functions, laptops lack sensors, GPUs get lost."""
    try:
        return query(*arguments)
    except FAILURES:
        return None


def _temperature(handle: Any) -> float | None:
    """Degrees C; the older call is removed in CUDA 14, the newer one is missing in older drivers."""
    if handle is None:
        return None
    value = _ask(pynvml.nvmlDeviceGetTemperatureV, handle, pynvml.NVML_TEMPERATURE_GPU)
    if value is None:
        value = _ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    return _plausible(value, 200)


def _slowdown(handle: Any) -> float | None:
    """Degrees C. Ada and later report it as an offset to the margin (nvidia-smi: T.Limit), the old call may be gone."""
    value = _ask(pynvml.nvmlDeviceGetTemperatureThreshold, handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)
    if value is not None:
        return _plausible(value, 200)
    now, margin = _temperature(handle), _ask(pynvml.nvmlDeviceGetMarginTemperature, handle)
    fields = _ask(pynvml.nvmlDeviceGetFieldValues, handle, [pynvml.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT])
    if now is None or margin is None or fields is None or fields[0].nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    return _plausible(now + margin - fields[0].value.siVal, 200)


def _memory(handle: Any) -> tuple[float | None, float | None]:
    """Used and total MiB. Version 2 leaves the driver's reserve out of `used`, like nvidia-smi; old drivers lack it."""
    info = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
    if info is None or not info.total:
        info = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    if info is None or not info.total:
        return None, None
    return info.used / 2**20, info.total / 2**20


def _processes(handle: Any) -> tuple[GpuProcess, ...] | None:
    """Compute and graphics processes: a browser or a game takes memory too."""
    computing = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    drawing = _ask(pynvml.nvmlDeviceGetGraphicsRunningProcesses, handle)
    if computing is None and drawing is None:
        return None
    by_pid = {process.pid: process.usedGpuMemory for process in (*(drawing or ()), *(computing or ()))}
    return tuple(
        GpuProcess(pid, _program(pid), None if memory is None else memory / 2**20)
        for pid, memory in sorted(by_pid.items())
    )


def _program(pid: int) -> str | None:
    """Only the program's name: folders and arguments may name people."""
    command = _ask(pynvml.nvmlSystemGetProcessName, pid)
    if not command or not command.strip():
        return None
    return PureWindowsPath(command).name if "\\" in command else PurePosixPath(command.split()[0]).name


def _plausible(value: float | None, largest: float) -> float | None:
    """Drivers return all-ones for unknown values."""
    return float(value) if value is not None and 0 <= value <= largest else None
