"""What the null GPU cannot give: the convolutions of cuDNN, and answers that a kernel would have computed.

Import it first in a process that runs on the null GPU (null_gpu.c).
"""

import ctypes
import os
from typing import Any

import torch
from torch import Tensor

_library = ctypes.CDLL(os.environ["LD_PRELOAD"])
_convolutions = torch.library.Library("aten", "IMPL")


def count(name: str) -> int:
    """One of the counters of null_gpu.c: launches, synchronisations, pinned_bytes, unpinned_copies."""
    return ctypes.c_long.in_dll(_library, f"null_gpu_{name}").value


def _convolve(image: Tensor, weight: Tensor, padding: Any, stride: Any, dilation: Any, *_: Any) -> Tensor:
    """An output of the right size, type and memory format."""
    sides = [
        (side + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for side, kernel, pad, step, gap in zip(
            image.shape[2:], weight.shape[2:], padding, stride, dilation, strict=True
        )
    ]
    is_last = any(each.is_contiguous(memory_format=torch.channels_last) for each in (image, weight))
    format = torch.channels_last if is_last else torch.contiguous_format
    return image.new_empty((len(image), len(weight), *sides)).contiguous(memory_format=format)


def _convolve_backward(
    gradient: Tensor, image: Tensor, weight: Tensor, bias_sizes: Any, *rest: Any
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    of_image, of_weight, of_bias = rest[-1]
    return (
        torch.empty_like(image) if of_image else None,
        torch.empty_like(weight) if of_weight else None,
        weight.new_empty(weight.shape[0]) if of_bias else None,
    )


_convolutions.impl("cudnn_convolution", _convolve, "CUDA")
_convolutions.impl("convolution_backward", _convolve_backward, "CUDA")

_tolist = Tensor.tolist


def _answer(tensor: Tensor) -> Any:
    """All reports are unfinished, so that each reaches its full length; losses and norms are 1, token ids 0."""
    values = _tolist(tensor)  # waits for the card, as it should
    if not tensor.is_cuda:
        return values
    is_number = tensor.dtype != torch.bool and not tensor.is_floating_point()
    return _tolist(torch.full(tensor.shape, 0 if is_number else 1, dtype=tensor.dtype))


Tensor.tolist = _answer  # type: ignore[method-assign]
