"""The checkpoints of a run: written in the background, which is the best, and which to resume from.

The loop waits for a copy into preallocated memory, a thread does the rest. The copy costs as much host memory as the
file is long (2.3 GB for the laptop preset), and makes a checkpoint one moment of the run, although the
weights change while it is written.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xr2text_core.machine.memory import if_it_fits
from xr2text_core.run.checkpoint import (
    Checkpoint,
    CheckpointError,
    copy_checkpoint,
    load_progress,
    save_checkpoint,
)
from xr2text_core.run.folder import RunFolder
from xr2text_core.training.progress import NO_BEST, Progress
from xr2text_core.training.run_log import RunLog

BLOCK = 2**28  # bytes of pinned memory at once
ALIGNMENT = 64
log = logging.getLogger("xr2text_core.train")


class Checkpoints:
    """Saves the checkpoints of a run and logs the results. A full disk leaves the old file, and the run continues."""

    def __init__(self, folder: RunFolder, run_log: RunLog, autosave_min: float) -> None:
        self.folder = folder
        self.run_log = run_log
        self.autosave_s = 60 * autosave_min
        self.writer = CheckpointWriter()
        self.saved_at = time.monotonic()
        self.saved_best = NO_BEST

    def begin(self, progress: Progress) -> None:
        """Start the autosave interval, with the best model that `progress` knows to be on disk."""
        self.saved_at = time.monotonic()
        self.saved_best = progress.best

    def save(self, checkpoint: Checkpoint, progress: Progress, *paths: Path) -> None:
        """Hand a checkpoint to the writer, which puts it into these files in the background."""
        self.saved_at = time.monotonic()
        self._note(self.writer.save(checkpoint, paths), progress)

    def note(self, progress: Progress) -> None:
        """Log what has reached the disk since the last call; does not wait."""
        self._note(self.writer.written(), progress)

    def wait(self, progress: Progress) -> list[Path]:
        """Wait until all is on disk, log it, and return the files that were written since the last call."""
        return self._note(self.writer.wait(), progress)

    def postpone(self) -> None:
        """A save that is due must wait; the next one is due at once."""
        self.saved_at = -math.inf

    def last_sound(self, progress: Progress) -> str:
        """Where to go back to when the newest steps had no finite loss: the last checkpoint that one came after."""
        self.wait(progress)
        first_skipped = progress.step - progress.skipped_in_a_row
        found: list[tuple[int, bool, Path]] = []
        for path in self.folder.checkpoints.glob("*.pt"):
            with suppress(CheckpointError, OSError):
                then = Progress.from_dict(load_progress(path))
                is_sound = then.step < first_skipped or then.step_in_epoch == 0  # after an epoch it was validated
                found += [(then.step, path == self.folder.latest, path)] if is_sound and then.step else []
        if not found:
            return "there is no checkpoint from before"
        _, is_latest, path = max(found)
        how = "the same command resumes from it" if is_latest else f"--resume {path} returns to it"
        return f"the last checkpoint with a finite loss is {path.name}: {how}"

    def is_autosave_due(self) -> bool:
        """Early enough that the file is on disk when the interval ends, if it takes as long as the last one."""
        return time.monotonic() - self.saved_at >= self.autosave_s - min(self.writer.lasted_s, self.autosave_s / 2)

    def _note(self, written: list["Written"], progress: Progress) -> list[Path]:
        """A best model that was not written does not count as one: `progress` then forgets it."""
        for each in written:
            then = Progress.from_dict(each.checkpoint.progress)
            if each.error is None:
                self.run_log.saved(each.path, then)
            else:
                self.run_log.save_failed(each.path, each.error, then)
            if each.path == self.folder.best and each.error is None:
                self.saved_best = then.best
            elif each.path == self.folder.best:
                progress.best = self.saved_best
                progress.highest_auc = self.saved_best.auc  # else no later epoch might be good enough
        return [each.path for each in written if each.error is None]


@dataclass(frozen=True)
class Written:
    """The result of writing one checkpoint; `error` is None on success."""

    path: Path
    checkpoint: Checkpoint
    error: OSError | None


class CheckpointWriter:
    """One save at a time: a second one waits until the first is on disk."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._under_way: list[tuple[Path, Future[None]]] = []
        self._checkpoint: Checkpoint
        self._buffers: dict[tuple[str, ...], Tensor] = {}
        self._pinned = PinnedMemory()
        self.lasted_s = 0.0  # the last save, from its copy until its last file was on disk

    def reserve(self, checkpoint: Checkpoint) -> None:
        """Allocate the memory for such a checkpoint, so that no save waits for it: first use costs seconds."""
        self._copied(checkpoint)

    def save(self, checkpoint: Checkpoint, paths: Sequence[Path]) -> list[Written]:
        """Copy a checkpoint and write it to each path, in this order, in the background.

        Returns the results of the previous save. An error while copying (a broken GPU) is raised, nothing written.
        """
        before = self.wait()
        started = time.monotonic()
        self._checkpoint = self._copied(checkpoint)
        on_disk: list[Path] = []
        self._under_way = [(path, self._thread.submit(self._write, path, on_disk, started)) for path in paths]
        return before

    def written(self) -> list[Written]:
        """What has reached the disk, or failed to, since the last call; does not wait."""
        return self._take(lambda future: future.done())

    def wait(self) -> list[Written]:
        """The same, after all pending saves have ended."""
        return self._take(lambda future: True)

    def _take(self, is_due: Callable[[Future[None]], bool]) -> list[Written]:
        results = []
        while self._under_way and is_due(self._under_way[0][1]):
            path, future = self._under_way.pop(0)
            error = future.exception()  # waits
            if error is not None and not isinstance(error, OSError):
                raise error
            results.append(Written(path, self._checkpoint, error))
        return results

    def _write(self, path: Path, on_disk: list[Path], started: float) -> None:
        """Write the checkpoint to `path` and add it to `on_disk`; where that has one already, copy it."""
        if on_disk:
            copy_checkpoint(on_disk[0], path)
        else:
            save_checkpoint(path, self._checkpoint)
        on_disk.append(path)
        self.lasted_s = time.monotonic() - started

    def _copied(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same with every tensor copied to our own memory; tied weights still share it."""
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

        copy = Checkpoint(**{key: copied(value, key) for key, value in vars(checkpoint).items()})
        if is_on_gpu:
            torch.cuda.synchronize()
        return copy

    def _buffer(self, place: tuple[str, ...], tensor: Tensor) -> Tensor:
        """Memory for one tensor; for a GPU, which copies into pinned memory several times faster, in pinned blocks."""
        buffer = self._buffers.get(place)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = self._pinned.like(tensor) if tensor.is_cuda else torch.empty_like(tensor)
            self._buffers[place] = buffer
        return buffer


class PinnedMemory:
    """Host memory in pinned blocks of a power of two: PyTorch rounds every pinned allocation up to one.

    Where the system pins no more (WSL2 stops at about a GiB), the rest is ordinary memory; logged once.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[Tensor, int]] = []  # and how much of each is in use
        self._is_refused = False

    def like(self, tensor: Tensor) -> Tensor:
        """An uninitialised tensor of the same shape, type and strides (those of empty_like), on the host."""
        size = -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        if not size:
            return torch.empty_like(tensor, device="cpu")
        place = next((number for number, (block, used) in enumerate(self._blocks) if used + size <= len(block)), None)
        if place is None:
            place = len(self._blocks)
            self._blocks.append((self._new_block(max(BLOCK, size)), 0))
        block, used = self._blocks[place]
        self._blocks[place] = block, used + size
        # as a tensor of its own: a view would be saved with the whole block
        flat = torch.frombuffer(block.numpy(), dtype=tensor.dtype, count=tensor.numel(), offset=used)
        return flat.as_strided(tensor.shape, torch.empty_like(tensor, device="meta").stride())

    def _new_block(self, size: int) -> Tensor:
        if not self._is_refused:
            block = if_it_fits(lambda: torch.empty(size, dtype=torch.uint8, pin_memory=True))
            if block is not None:
                return block
            self._is_refused = True
            log.warning("This system pins no more memory: checkpoints are copied from the GPU more slowly.")
        return torch.empty(size, dtype=torch.uint8)
