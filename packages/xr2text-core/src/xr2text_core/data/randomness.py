"""Chance as a function: what an epoch does with a study follows from (seed, epoch, study) alone.

So nothing has to be saved for a resume, and neither the number of workers nor the micro-batch size changes a run.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_DRAWS = 8


def draws(seed: int, epoch: int, study_id: str) -> NDArray[np.float64]:
    """Eight independent numbers in 0..1 for one study in one epoch. The first orders the epoch, the rest augment."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{study_id}".encode(), digest_size=8 * NUM_DRAWS).digest()
    return np.frombuffer(digest, dtype="<u8") / 2.0**64


def epoch_order(study_ids: Sequence[str], indices: Sequence[int], seed: int, epoch: int) -> list[int]:
    """`indices` in the random order of this epoch."""
    return sorted(indices, key=lambda index: (draws(seed, epoch, study_ids[index])[0], study_ids[index]))


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of dropout in one step of one process, 0..2**63."""
    name = f"{seed}/{step}" + (f"/{rank}" if rank else "")
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1
