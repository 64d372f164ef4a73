"""Data-parallel training: one process per GPU, started by torchrun or accelerate launch.

Each takes its share of every step; gradients are summed by hand, so that all keep identical weights, and only rank 0
writes files (docs/decisions/0005). A single process needs no torch.distributed, which Windows often lacks.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from xr2text_core.machine.memory import if_it_fits
from xr2text_core.run.errors import UserError

Item = TypeVar("Item")
BUCKET = 16 * 2**20  # elements summed at once: 64 MiB in fp32
TIMEOUT = timedelta(hours=12)  # rank 0 may decode a data set or cool down; a dead rank is noticed at once


@dataclass(frozen=True)
class Processes:
    """The process group and our rank; a single process by default. Every method but `share` is collective."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, use_gpu: bool) -> "Processes":
        """Join the process group, if the launcher started several processes."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if use_gpu:
            _take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            store, rank, count = next(rendezvous("env://", timeout=TIMEOUT))
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = PrefixStore(attempt, store)  # torchrun keeps the store, with the addresses of dead ranks
            backend = "cpu:gloo,cuda:nccl" if use_gpu else "gloo"
            distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        return cls(distributed.get_rank(), count)

    @property
    def is_rank_0(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `count`-th item: of studies sorted by length, every rank gets equally many long ones."""
        return items[self.rank :: self.count]

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any rank."""
        return self.most(int(flag)) > 0

    def most(self, number: int) -> int:
        """The maximum over all ranks."""
        if self.count == 1:
            return number
        largest = torch.tensor(number)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Sum the gradients over all ranks, in buckets; a rank whose share was empty adds zeros.

        False, with nothing exchanged, when any rank ran out of memory: all is allocated before, and agreed upon.
        """
        if self.count == 1:
            return True
        buckets = list(_buckets([parameter for parameter in parameters if parameter.requires_grad]))
        room = if_it_fits(lambda: _room_for(buckets))
        if self.any(room is None) or room is None:
            return False
        for bucket in buckets:
            gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
            sizes = [gradient.numel() for gradient in gradients]
            flat = room[: sum(sizes)]
            pieces = [piece.view(each.shape) for piece, each in zip(torch.split(flat, sizes), gradients, strict=True)]
            for piece, gradient in zip(pieces, gradients, strict=True):
                piece.copy_(gradient)
            self.sum(flat)
            for piece, gradient in zip(pieces, gradients, strict=True):
                gradient.copy_(piece)
        return True

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def rank_0_first(self) -> Iterator[None]:
        """A barrier: rank 0 runs the block before the others, because it creates the files that they read."""
        if not self.is_rank_0:
            distributed.barrier()
        yield
        if self.is_rank_0 and self.count > 1:
            distributed.barrier()


ALONE = Processes()


def _take_gpu(number: int) -> None:
    """UserError where the launcher started more processes on this computer than it has GPUs."""
    if number >= torch.cuda.device_count():
        raise UserError(
            f"process {number + 1} on this computer finds {torch.cuda.device_count()} GPU(s): one process per GPU, so "
            "start as many as there are GPUs (torchrun --nproc-per-node), or train on the CPU with --device cpu"
        )
    torch.cuda.set_device(number)


def _room_for(buckets: list[list[nn.Parameter]]) -> Tensor:
    """Memory for the largest bucket, and a gradient for every parameter."""
    for parameter in itertools.chain(*buckets):
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    largest = max(sum(parameter.numel() for parameter in bucket) for bucket in buckets)
    return buckets[0][0].detach().new_empty(largest)


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        if bucket and sum(each.numel() for each in [*bucket, parameter]) > BUCKET:
            yield bucket
            bucket = []
        bucket.append(parameter)
    yield bucket
