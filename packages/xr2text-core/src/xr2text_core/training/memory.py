"""Memory: a limit where a full card spills instead of running out, and what the garbage collector need not look at.

On Windows, and in WSL, whose driver is that of Windows, a full card spills into the memory of the computer. With a
limit PyTorch reports out of memory instead, and the trainer halves its micro-batch. On Linux the driver says so.
"""

import gc
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

RESERVE = 512 * 2**20  # assumed: what CUDA's libraries take beside PyTorch's allocator after the start


def limit_gpu_memory(device: torch.device) -> None:
    """Keep PyTorch within what is free now, where the driver would spill. Call it before the model moves."""
    if device.type == "cuda" and driver_spills(sys.platform, platform.release()):
        free, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(share_of_card(free, total), device)


def driver_spills(system: str, release: str) -> bool:
    """Whether the NVIDIA driver of this system lets a full card spill."""
    return system == "win32" or "microsoft" in release.lower()


def share_of_card(free_bytes: int, total_bytes: int) -> float:
    """The share of a card that the allocator may take, 0..1, when so much of it is free."""
    return min(1.0, max(0, free_bytes - RESERVE) / total_bytes)


@contextmanager
def settled_objects() -> Iterator[None]:
    """Collect garbage inside the block and after it, but do not search what exists now: a quarter of a second less."""
    gc.collect()
    gc.freeze()
    gc.enable()  # the command begins without
    try:
        yield
    finally:
        gc.unfreeze()
