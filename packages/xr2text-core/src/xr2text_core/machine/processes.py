"""Several processes that train one model together, one a GPU, started by torchrun or accelerate launch.

Each takes its share of every step; gradients are summed by hand, so that all keep the very same weights, and the first
process alone writes files (docs/decisions/0005). A process alone needs no torch.distributed, which Windows often lacks.
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

Item = TypeVar("Item")
BUCKET = 16 * 2**20  # elements summed at once: 64 MiB in fp32
TIMEOUT = timedelta(hours=12)  # one may decode a data set or cool down meanwhile; a dead one is noticed at once


@dataclass(frozen=True)
class Processes:
    """Who we are among them; one alone by default. Every method but `share` is called by all of them or by none."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, use_gpu: bool) -> "Processes":
        """Meet the others that the launcher started, if it started several."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if use_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            store, rank, count = next(rendezvous("env://", timeout=TIMEOUT))
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = PrefixStore(attempt, store)  # torchrun keeps it: the addresses of the dead stand there
            backend = "cpu:gloo,cuda:nccl" if use_gpu else "gloo"
            distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        return cls(distributed.get_rank(), count)

    @property
    def is_rank_0(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `count`-th item: of studies sorted by length each process gets as many long ones as the others."""
        return items[self.rank :: self.count]

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them."""
        return self.most(int(flag)) > 0

    def most(self, number: int) -> int:
        """The largest of their numbers."""
        if self.count == 1:
            return number
        largest = torch.tensor(number)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of their tensors, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Give all of them the sum of their gradients, in pieces; a process whose share was empty adds zeros.

        False, and nothing is exchanged, where the memory of one did not suffice: all is allocated before, and agreed.
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
            pieces = [piece.view(each.shape) for piece, each in zip(flat.split(sizes), gradients, strict=True)]
            for piece, gradient in zip(pieces, gradients, strict=True):
                piece.copy_(gradient)
            self.sum(flat)
            for piece, gradient in zip(pieces, gradients, strict=True):
                gradient.copy_(piece)
        return True

    def gather(self, value: Any) -> list[Any]:
        """What each of them has, in the order of their ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def rank_0_first(self) -> Iterator[None]:
        """Rank 0 runs the block before the others do: it makes the files that they read."""
        if not self.is_rank_0:
            distributed.barrier()
        yield
        if self.is_rank_0 and self.count > 1:
            distributed.barrier()


ALONE = Processes()


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
