"""Where a run computes: GPU or CPU, its precision, determinism, and a memory limit where a full GPU spills.

On Windows, and in WSL, whose driver is that of Windows, a full GPU spills into host memory. With a
limit PyTorch reports out of memory instead, and the trainer halves its micro-batch. On Linux the driver does.
"""

import logging
import os
import platform
import sys

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import distributed

from xr2text_core.machine.nvml import GpuReader
from xr2text_core.machine.processor import computes_bf16
from xr2text_core.machine.watch import MachineWatch
from xr2text_core.settings.settings import Settings

NOT_DETERMINISTIC = "does not have a deterministic implementation"
log = logging.getLogger("xr2text_core.train")
RESERVE = 512 * 2**20  # assumed: what CUDA's libraries allocate outside PyTorch's allocator after the start


def open_device(settings: Settings) -> Accelerator:
    """The device of a run, as training, validation and preflight use it: a CUDA GPU or the CPU, also on a Mac."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    on_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    accelerator = _accelerator(precision_in_use(settings), on_cpu)
    if accelerator.device.type == "cuda":
        limit_gpu_memory(accelerator.device)
        torch.use_deterministic_algorithms(True)  # else a resumed run differs in the last bits
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return accelerator


def _accelerator(precision: str, on_cpu: bool) -> Accelerator:
    """Of this run, also where an earlier run of this Python process (a notebook) had another device or precision."""
    if not distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision=precision, cpu=on_cpu)


def relax_determinism(error: RuntimeError) -> None:
    """Allow operations without a deterministic implementation, and log it; re-raise any other error."""
    if NOT_DETERMINISTIC not in str(error):
        raise error
    log.warning("A resumed run will differ in the last bits: %s", str(error).partition(",")[0])
    torch.use_deterministic_algorithms(True, warn_only=True)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def watch_machine(device: torch.device) -> MachineWatch:
    """The watch over heat, power and clock; of a GPU's temperature where the run computes on one."""
    if device.type != "cuda":
        return MachineWatch()
    reader = GpuReader(str(torch.cuda.get_device_properties(device).uuid))
    reading = reader.read()
    return MachineWatch(reader.temperature_c, slowdown_c=reading.slowdown_c if reading else None)


def precision_in_use(settings: Settings) -> str:
    """As accelerate names it. A CPU computes in FP32, or in BF16 where it is asked to and has it in hardware."""
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    is_mixed = settings.precision != "fp32" and (on_gpu or (settings.precision == "bf16" and computes_bf16()))
    return settings.precision if is_mixed else "no"


def limit_gpu_memory(device: torch.device) -> None:
    """Limit PyTorch to the memory that is free now, where the driver would spill. Call it before the model moves."""
    if device.type == "cuda" and driver_spills(sys.platform, platform.release()):
        free, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(share_of_card(free, total), device)


def driver_spills(system: str, release: str) -> bool:
    """Whether the NVIDIA driver of this system lets a full GPU spill."""
    return system == "win32" or "microsoft" in release.lower()


def share_of_card(free_bytes: int, total_bytes: int) -> float:
    """The share of a GPU's memory that the allocator may take, 0..1, when `free_bytes` are free."""
    return min(1.0, max(0, free_bytes - RESERVE) / total_bytes)
