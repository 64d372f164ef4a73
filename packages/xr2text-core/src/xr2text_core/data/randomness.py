"""Stateless randomness: what an epoch does with a study follows from (seed, epoch, study) alone.

So nothing has to be saved for a resume, and neither the number of workers nor the micro-batch size changes what a run
sees. Dropout alone is drawn a micro-batch at a time: another size draws otherwise, and a run ends a little elsewhere.
"""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_DRAWS = 8


def draws(seed: int, epoch: int, study_id: str) -> NDArray[np.float64]:
    """Eight independent numbers in 0..1 for one study in one epoch. The first orders the epoch, the rest augment."""
    return _uniform(_digest(seed, epoch, study_id))


def state_draws(seed: int, epoch: int, study_id: str, count: int) -> NDArray[np.float64]:
    """`count` further numbers in 0..1 for one study in one epoch: what its decoder is told of its findings."""
    return np.random.default_rng(step_seed(seed, epoch) ^ zlib.crc32(study_id.encode())).random(count)


def desk_draws(seed: int, epoch: int, study_id: str) -> tuple[float, float]:
    """Two further numbers in 0..1 for one study in one epoch: whether its question, and its last study, are hidden."""
    first, second, *_ = draws(seed, epoch, f"{study_id}/desk").tolist()
    return first, second


def epoch_order(study_ids: Sequence[str], indices: Sequence[int], seed: int, epoch: int) -> list[int]:
    """`indices` in the random order of this epoch: by the first draw of each study, ties by its id."""
    ids = [study_ids[index] for index in indices]
    first = _uniform(b"".join(_digest(seed, epoch, study_id) for study_id in ids))[::NUM_DRAWS]
    return [index for _, _, index in sorted(zip(first.tolist(), ids, indices, strict=True))]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of dropout in one step of one process, 0..2**63."""
    name = f"{seed}/{step}" + (f"/{rank}" if rank else "")
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def _digest(seed: int, epoch: int, study_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{epoch}/{study_id}".encode(), digest_size=8 * NUM_DRAWS).digest()


def _uniform(digests: bytes) -> NDArray[np.float64]:
    """Each eight bytes of a digest give a number in 0..1."""
    return np.frombuffer(digests, dtype="<u8") / 2.0**64
