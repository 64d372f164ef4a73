"""Checks of the computer before an overnight run: each checks one thing, reports what it found and what to do.

Readings come in as arguments, so tests can play drivers that this computer does not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xr2text_core.machine.nvml import DriverVersions, GpuProcess, GpuReading
from xr2text_core.machine.power import Power

BUSY_MIB = 500  # about what a desktop itself uses
BUSY_PERCENT = 20
WARM_C = 80.0  # before training the GPU should be idle and far below
NEAR_SLOWDOWN_C = 10.0
GB = 1e9  # disks are sold, and the guide counts, in powers of ten
NO_GPU = "none that PyTorch can use"
INSTALL_CUDA = (  # PyPI has no CUDA build for Windows; docs/install.md says more
    "pip install --upgrade -c constraints.txt torch torchvision --index-url https://download.pytorch.org/whl/cu130"
)


@dataclass(frozen=True)
class Check:
    """One row of the list. `advice` says what to do; a pass rarely needs any."""

    name: str
    outcome: Literal["pass", "warning", "fail"]
    found: str
    advice: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.name}: {self.found}" + (f". {self.advice}" if self.advice else "")


@dataclass(frozen=True)
class TorchGpu:
    """The GPU that PyTorch would train on. `problem` says why not; empty when a kernel ran."""

    built_for: str  # CUDA version of this PyTorch; empty for a CPU-only build
    problem: str = ""
    name: str = ""
    uuid: str = ""
    memory_bytes: int = 0
    has_bf16: bool = False  # in hardware; older cards only emulate it, slowly


@dataclass(frozen=True)
class Card:
    """The memory of a GPU."""

    total_bytes: int
    others_bytes: int  # held by other programs
    spills: bool  # into host memory when full, as the Windows driver allows

    @property
    def free_bytes(self) -> int:
        return self.total_bytes - self.others_bytes


def ask_torch() -> TorchGpu:
    """Run a small kernel and check its result: a driver can be present, list the GPU, and still not compute."""
    import torch

    built_for = torch.version.cuda or getattr(torch.version, "hip", None) or ""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call] # raises the reason, where is_available only returns False
        ones = torch.ones(256, 256, device="cuda")
        answer = float((ones @ ones).sum())
        facts = torch.cuda.get_device_properties(torch.cuda.current_device())
    except (RuntimeError, AssertionError) as error:  # the second from a CPU-only PyTorch
        return TorchGpu(built_for, problem=str(error).split("\n")[0].split(". Please")[0])
    problem = "" if answer == 256**3 else f"a small kernel gave {answer:g} instead of {256**3}"
    uuid = str(getattr(facts, "uuid", ""))
    return TorchGpu(built_for, problem, facts.name, uuid, facts.total_memory, facts.major >= 8)


def reading_of(readings: Sequence[GpuReading], gpu: TorchGpu) -> GpuReading | None:
    """The driver's reading of that GPU; of its first one where PyTorch names none."""
    same = [reading for reading in readings if gpu.uuid and (reading.uuid or "").endswith(gpu.uuid)]
    return next(iter([*same, *readings]), None)


def gpu_checks(
    gpu: TorchGpu,
    readings: Sequence[GpuReading],
    driver: DriverVersions | None,
    *,
    is_needed: bool,
    wants_bf16: bool,
    own_pid: int,
) -> list[Check]:
    """All checks of the GPU; without one, a single check. Not `is_needed`: a CPU is enough."""
    reading = reading_of(readings, gpu)
    if reading is None and gpu.problem:
        return [without_gpu(NO_GPU, is_needed)]
    checks = [check_gpu(gpu, reading), check_cuda(gpu, is_needed, wants_bf16)]
    if driver and gpu.built_for:
        checks.append(check_driver(driver, gpu.built_for))
    if reading:
        checks += [check_temperature(reading), check_other_programs(reading, own_pid)]
    return checks


def without_gpu(why: str, is_needed: bool) -> Check:
    if not is_needed:
        return Check("GPU", "pass", f"{why}; a CPU is enough for this preset")
    advice = (
        "A CPU needs weeks for what a GPU does in a night; --preset cpu trains a small model in less than an hour. "
        "With an NVIDIA GPU in this computer, install its driver"
    )
    return Check("GPU", "warning", why, advice)


def check_gpu(gpu: TorchGpu, reading: GpuReading | None) -> Check:
    name = gpu.name or (reading and reading.name) or "a GPU without a name"
    total = gpu.memory_bytes / 2**30
    if reading and reading.memory_total_mib:
        total = reading.memory_total_mib / 1024
        if reading.memory_used_mib is not None:
            free = total - reading.memory_used_mib / 1024
            return Check("GPU", "pass", f"{name}, {total:.1f} GiB, {free:.1f} GiB of it free")
    return Check("GPU", "pass", f"{name}, {total:.1f} GiB" if total else name)


def check_cuda(gpu: TorchGpu, is_needed: bool, wants_bf16: bool) -> Check:
    if not gpu.problem:
        found = "a small kernel gave the right answer"
        if wants_bf16 and not gpu.has_bf16:
            return Check("CUDA", "warning", f"{found}, but this GPU only emulates bf16", "Use --precision fp16")
        return Check("CUDA", "pass", found)
    outcome: Literal["warning", "fail"] = "fail" if is_needed else "warning"
    if not gpu.built_for:
        advice = f"Install PyTorch with CUDA: `{INSTALL_CUDA}`, or train on the CPU with --device cpu"
        return Check("CUDA", outcome, "there is a GPU, but this PyTorch is built for the CPU only", advice)
    advice = (
        "Restart the computer; if `nvidia-smi` does not list the GPU then, install the newest driver. "
        "--device cpu trains without it"
    )
    return Check("CUDA", outcome, gpu.problem, advice)


def check_driver(driver: DriverVersions, built_for: str) -> Check:
    """Whether the driver supports the CUDA version of PyTorch; within a major version mostly."""
    name = f"driver {driver.driver or 'of unknown version'}"
    serves, wants = _version(driver.cuda), _version(built_for)
    if not serves or not wants:
        return Check("driver", "pass", f"{name}; its CUDA version is unknown")
    found = f"{name} supports CUDA {driver.cuda}, PyTorch is built for {built_for}"
    if serves >= wants:
        return Check("driver", "pass", found)
    if serves[0] == wants[0]:
        return Check("driver", "warning", found, "This usually works; if CUDA errors appear, update the driver first")
    advice = f"Update the NVIDIA driver, or install a PyTorch built for CUDA {serves[0]}"
    return Check("driver", "fail", found, advice)


def _version(text: str | None) -> tuple[int, ...]:
    """12.8 -> (12, 8); empty for anything else."""
    parts = (text or "").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def check_temperature(reading: GpuReading) -> Check:
    now, slowdown = reading.temperature_c, reading.slowdown_c
    if now is None:
        return Check("temperature", "pass", "not reported by this GPU")
    found = f"{now:.0f} degrees C" + (f"; slows down at {slowdown:.0f} degrees C" if slowdown else "")
    if now < min(WARM_C, (slowdown or 200.0) - NEAR_SLOWDOWN_C):
        return Check("temperature", "pass", found)
    return Check("temperature", "warning", f"{found}; hot before training", "Free its vents and let it cool down")


def check_other_programs(reading: GpuReading, own_pid: int) -> Check:
    """Who else uses the GPU. Small users pass: the desktop itself is one."""
    others = [process for process in reading.processes or () if process.pid != own_pid]
    names = ", ".join(_described(each) for each in sorted(others, key=lambda each: -(each.memory_mib or 0)))
    used, busy = reading.memory_used_mib or 0.0, reading.utilization_percent or 0.0
    if used < BUSY_MIB and busy < BUSY_PERCENT:
        return Check("other programs", "pass", f"{names or 'none'} ({used:.0f} MiB in use)")
    found = f"{names or 'unnamed programs'} ({used / 1024:.1f} GiB in use, {busy:.0f} % busy)"
    return Check("other programs", "warning", found, "Close browsers, games and other training runs")


def _described(process: GpuProcess) -> str:
    name = process.name or f"process {process.pid}"
    return name if process.memory_mib is None else f"{name} {process.memory_mib:.0f} MiB"


def check_disk(free_bytes: int, needed_bytes: float, least_bytes: float, what_for: str) -> Check:
    """`needed_bytes` for the whole run, `least_bytes` to save anything at all."""
    found = f"{size(free_bytes)} free, {size(needed_bytes)} needed ({what_for})"
    advice = "Free space, choose another disk with --out DIR, or keep fewer checkpoints with --checkpoint-every"
    if free_bytes >= needed_bytes:
        return Check("disk", "pass", found)
    if free_bytes >= least_bytes:
        return Check("disk", "warning", found, advice)
    return Check("disk", "fail", f"{found}; not enough for one checkpoint", advice)


def size(count: float) -> str:
    """Bytes in decimal units, as disks are sold."""
    return f"{count / GB:.1f} GB" if count >= 0.95 * GB else f"{max(1, round(count / 1e6))} MB"


def check_power(power: Power | None) -> Check:
    if power is None:
        return Check("power", "pass", "no battery")
    charge = f"battery {power.battery_percent:.0f} %"
    if power.is_plugged is False:
        return Check("power", "warning", f"not plugged in, {charge}", "Plug it in: slow on battery, and soon empty")
    return Check("power", "pass", f"{'plugged in' if power.is_plugged else 'unknown whether plugged in'}, {charge}")
