"""GPUs through NVML. Every query passes one wall, `_ask`: what cannot be read is None, and nothing here raises."""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

from xr2text_monitor.hardware.gpu import Gpu, GpuReport
from xr2text_monitor.text import clean

T = TypeVar("T")

# All that pynvml raises: errors of the driver, a newer function asked of an older driver, a name that is no UTF-8, a
# function this pynvml does not have.
FAILURES = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError, OSError, ValueError, AttributeError)

RETRY_S = 30.0  # a driver that is missing or lost is asked for again this often
SLOW_S = 10.0  # process lists hold the driver's lock for milliseconds, so they are read rarely

# Reasons that cost speed and that cooling or power supply can change; idle and the routine power cap are left out.
HOT_REASONS = {
    0x20: "software thermal limit",
    0x40: "hardware thermal limit",
    0x8: "hardware slowdown",
    0x80: "power brake",
}


# Without a driver nothing is wrong; what is lost comes back with a reset or restart only.
ABSENT = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,)
LOST = (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED)


class GpuReader:
    """Holds NVML open for its own lifetime: opening it anew each second would wake and delay the driver."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._facts: dict[int, tuple[str, str, bool, float | None]] = {}
        self._pids: dict[int, tuple[int, ...]] = {}
        self._pids_at = float("-inf")
        self._retry_at = float("-inf")
        self._note = "not asked yet"
        self._is_failing = False
        self._open = False

    def read(self, now: float) -> GpuReport:
        """The present values; `now` is any monotonic clock in seconds."""
        if not self._open and now >= self._retry_at:
            self._start(now)
        if not self._open:
            return GpuReport((), self._note, self._is_failing)
        if now - self._pids_at >= SLOW_S:
            self._pids_at = now
            self._pids = {index: _pids(handle) for index, handle in enumerate(self._handles)}
        gpus = tuple(self._gpu(index, handle) for index, handle in enumerate(self._handles))
        if gpus and all(gpu.note for gpu in gpus):
            self._close(now)
        return GpuReport(gpus)

    def _start(self, now: float) -> None:
        self._retry_at = now + RETRY_S
        code, problem = _problem_of(pynvml.nvmlInit)
        if problem:
            self._note, self._is_failing = problem, self._is_failing or code not in ABSENT
            return
        count = _ask(pynvml.nvmlDeviceGetCount) or 0
        self._handles = [_ask(pynvml.nvmlDeviceGetHandleByIndex, index) for index in range(count)]
        self._facts = {index: _facts(handle) for index, handle in enumerate(self._handles)}
        self._open = count > 0
        self._note = "" if count else "the driver lists no GPU"
        self._is_failing = self._is_failing and not count

    def _close(self, now: float) -> None:
        """All GPUs are lost (a container loses NVML for good, a driver may come back): open again after a while."""
        self._note, self._is_failing = "no GPU answers any more; asking again", True
        self._retry_at = now + RETRY_S
        self._open = False
        _ask(pynvml.nvmlShutdown)

    def _gpu(self, index: int, handle: Any) -> Gpu:
        name, uuid, mig, slowdown = self._facts.get(index, ("", "", False, None))
        used, total = _memory(handle)
        temperature, utilisation = _temperature(handle), _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
        silent = used is None and temperature is None and utilisation is None
        code, problem = _why_silent(handle) if silent else (0, "")
        return Gpu(
            index,
            name,
            uuid,
            utilisation=_plausible(utilisation.gpu, 100) if utilisation is not None else None,
            temperature_c=temperature,
            slowdown_c=slowdown,
            memory_used_mib=used,
            memory_total_mib=total,
            power_w=_thousandth(_ask(pynvml.nvmlDeviceGetPowerUsage, handle)),
            power_limit_w=_thousandth(_power_limit(handle)),
            fan_percent=_plausible(_ask(pynvml.nvmlDeviceGetFanSpeed, handle), 200),
            clock_mhz=_plausible(_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM), 1e5),
            memory_clock_mhz=_plausible(_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM), 1e5),
            throttling=_throttling(handle),
            mig=mig,
            pids=self._pids.get(index, ()),
            note=problem,
            is_lost=code in LOST,
        )


def _ask(query: Callable[..., T], *arguments: Any) -> T | None:
    """The answer of one NVML query, or None. Old drivers lack functions, laptops lack sensors, GPUs get lost."""
    if arguments and arguments[0] is None:
        return None
    try:
        return query(*arguments)
    except FAILURES:
        return None


def _problem_of(query: Callable[..., Any], *arguments: Any) -> tuple[int, str]:
    """NVML's number and why a query fails, for a person; 0 and nothing when it works."""
    try:
        query(*arguments)
    except pynvml.NVMLError as error:
        code = getattr(error, "value", pynvml.NVML_ERROR_UNKNOWN)
        return code, _EXPLAINED.get(code) or f"NVML: {clean(error)}"
    except FAILURES as error:
        return pynvml.NVML_ERROR_UNKNOWN, f"NVML: {clean(error)}"
    return 0, ""


def _why_silent(handle: Any) -> tuple[int, str]:
    if handle is None:
        return pynvml.NVML_ERROR_UNKNOWN, "this GPU cannot be opened"
    code, problem = _problem_of(pynvml.nvmlDeviceGetMemoryInfo, handle)
    return code, problem or "this GPU gives no readings"


_EXPLAINED = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver found (no NVML library)",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is not loaded",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the NVIDIA driver was updated: restart the computer to read it",
    pynvml.NVML_ERROR_NO_PERMISSION: "no permission to read the GPU",
    pynvml.NVML_ERROR_GPU_IS_LOST: "the GPU is lost (it fell off the bus): restart the computer",
    pynvml.NVML_ERROR_RESET_REQUIRED: "the GPU needs a reset",
    pynvml.NVML_ERROR_NOT_SUPPORTED: "not supported by this GPU",
}


def _facts(handle: Any) -> tuple[str, str, bool, float | None]:
    """Name, UUID, whether the GPU is split into MIG parts (which give no utilisation), and where it slows down."""
    mode = _ask(pynvml.nvmlDeviceGetMigMode, handle)
    name, uuid = _ask(pynvml.nvmlDeviceGetName, handle), _ask(pynvml.nvmlDeviceGetUUID, handle)
    return clean(name or "", 60), clean(uuid or "", 60), bool(mode and mode[0] == 1), _slowdown(handle)


def _slowdown(handle: Any) -> float | None:
    """Degrees C. Ada and later state it as an offset to the margin (nvidia-smi: T.Limit), the old call may be gone."""
    value = _ask(pynvml.nvmlDeviceGetTemperatureThreshold, handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)
    if value is not None:
        return _plausible(value, 200) or None
    now, margin = _temperature(handle), _ask(pynvml.nvmlDeviceGetMarginTemperature, handle)
    found = _ask(pynvml.nvmlDeviceGetFieldValues, handle, [pynvml.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT])
    if now is None or margin is None or found is None or found[0].nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    return _plausible(now + margin - found[0].value.siVal, 200)


def _memory(handle: Any) -> tuple[float | None, float | None]:
    """Used and total MiB. Version 2 leaves the driver's reserve out of `used`, like nvidia-smi; old drivers lack it."""
    info = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle, getattr(pynvml, "nvmlMemory_v2", None))
    if info is None or not info.total:
        info = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    if info is None or not info.total:
        return None, None
    return info.used / 2**20, info.total / 2**20


def _temperature(handle: Any) -> float | None:
    """Degrees C; the older call goes away in CUDA 14, the newer one is missing in older drivers."""
    value = _ask(pynvml.nvmlDeviceGetTemperatureV, handle, pynvml.NVML_TEMPERATURE_GPU)
    if value is None:
        value = _ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    return _plausible(value, 200)


def _power_limit(handle: Any) -> float | None:
    limit = _ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return limit if limit is not None else _ask(pynvml.nvmlDeviceGetPowerManagementLimit, handle)


def _throttling(handle: Any) -> tuple[str, ...] | None:
    bits = _ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    if bits is None:
        bits = _ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    return None if bits is None else tuple(name for bit, name in HOT_REASONS.items() if bits & bit)


def _pids(handle: Any) -> tuple[int, ...]:
    processes = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    if processes is None:
        processes = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses_v2, handle)
    return tuple(process.pid for process in processes or ())


def _thousandth(value: float | None) -> float | None:
    plausible = _plausible(value, 1e7)
    return None if plausible is None else plausible / 1000


def _plausible(value: float | None, largest: float) -> float | None:
    """Drivers answer all-ones for what they do not know."""
    return float(value) if value is not None and 0 <= value <= largest else None
