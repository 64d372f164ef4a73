"""Writes checkpoints beside the loop: the loop waits for a copy into memory that lies ready, a thread does the rest.

The copy costs the host as much memory as a checkpoint is long (2.3 GB for the laptop preset), and it is what makes a
checkpoint one moment of the run although the weights move on while it is written.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xr2text_core.run.checkpoint import copy_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Written:
    """What became of one checkpoint; `error` is None where all went well."""

    path: Path
    contents: dict[str, Any]
    error: OSError | None


class CheckpointWriter:
    """One save at a time: a second one waits until the first is on disk."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._under_way: list[tuple[Path, Future[None]]] = []
        self._contents: dict[str, Any] = {}
        self._buffers: dict[tuple[str, ...], Tensor] = {}
        self.lasted_s = 0.0  # the last save, from its copy until its last file was on disk

    def reserve(self, contents: dict[str, Any]) -> None:
        """Make the memory for such contents ready, so that no save waits for it: first use costs seconds."""
        self._copied(contents)

    def save(self, contents: dict[str, Any], paths: Sequence[Path]) -> list[Written]:
        """Copy `contents` and write them to each path, in this order, beside what the caller does next.

        Returns what became of the save before. An error while copying (a broken GPU) is raised and nothing is written.
        """
        before = self.wait()
        started = time.monotonic()
        self._contents = self._copied(contents)
        on_disk: list[Path] = []
        self._under_way = [(path, self._thread.submit(self._write, path, on_disk, started)) for path in paths]
        return before

    def written(self) -> list[Written]:
        """What has reached the disk, or failed to, since the last call; does not wait."""
        return self._take(lambda future: future.done())

    def wait(self) -> list[Written]:
        """The same, after everything handed over has been dealt with."""
        return self._take(lambda future: True)

    def _take(self, is_due: Callable[[Future[None]], bool]) -> list[Written]:
        taken = []
        while self._under_way and is_due(self._under_way[0][1]):
            path, future = self._under_way.pop(0)
            error = future.exception()  # waits
            if error is not None and not isinstance(error, OSError):
                raise error
            taken.append(Written(path, self._contents, error))
        return taken

    def _write(self, path: Path, on_disk: list[Path], started: float) -> None:
        """Put the contents into `path` and add it to the files that hold them; where there is one, copy that."""
        if on_disk:
            copy_checkpoint(on_disk[0], path)
        else:
            save_checkpoint(path, self._contents)
        on_disk.append(path)
        self.lasted_s = time.monotonic() - started

    def _copied(self, contents: dict[str, Any]) -> dict[str, Any]:
        """`contents` with every tensor in memory of our own; tied weights, which share memory, still share it."""
        copies: dict[tuple[int, torch.Size], Tensor] = {}
        is_on_gpu = False

        def copied(value: Any, *place: str) -> Any:
            nonlocal is_on_gpu
            if isinstance(value, dict):
                return {key: copied(each, *place, str(key)) for key, each in value.items()}
            if isinstance(value, (list, tuple)):
                return type(value)(copied(each, *place, str(number)) for number, each in enumerate(value))
            if not isinstance(value, Tensor):
                return value
            is_on_gpu |= value.is_cuda
            key = (value.data_ptr(), value.shape)
            if key not in copies:
                copies[key] = self._buffer(place, value).copy_(value.detach(), non_blocking=value.is_cuda)
            return copies[key]

        copy = {key: copied(value, key) for key, value in contents.items()}
        if is_on_gpu:
            torch.cuda.synchronize()
        return copy

    def _buffer(self, place: tuple[str, ...], tensor: Tensor) -> Tensor:
        """Memory for one tensor; pinned for a GPU, which copies into it several times faster."""
        buffer = self._buffers.get(place)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda)
            self._buffers[place] = buffer
        return buffer
