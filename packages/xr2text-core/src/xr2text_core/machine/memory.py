"""Out of memory: telling it apart from other failures, and trying what may not fit."""

from collections.abc import Callable
from typing import TypeVar

import torch

from xr2text_core.run.errors import UserError

Result = TypeVar("Result")

OUT_OF_MEMORY = (
    "can't allocate memory", "not enough memory",  # the host's allocator
    "CUDA error: out of memory",  # the driver itself, for pinned memory and contexts
    "ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",  # cuBLAS and cuDNN, which allocate when they start
)  # fmt: skip
ADVICE = "close other programs on the GPU, or use a smaller --image-size, --max-tokens or --encoder"


class OutOfMemory(UserError):
    """Not even one study fits into device memory; the message says what to change."""


def if_it_fits(action: Callable[[], Result]) -> Result | None:
    """What `action` returns, or None when it ran out of memory.

    The caller recovers, not the `except` here: an exception keeps the tensors of the failed attempt alive.
    """
    try:
        return action()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether device or host memory ran out. A broken GPU raises the same class with another message."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
