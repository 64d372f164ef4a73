"""Many short lists of whole numbers in one array: a tenth of the memory of lists of lists, and written in one piece."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Ragged:
    """List k is flat[starts[k] : ends[k]]; reads as a sequence of lists. Lists may share their numbers."""

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> "Ragged":
        lists = list(lists)
        return cls.cut(
            np.fromiter(chain.from_iterable(lists), dtype=np.int32),
            np.array([len(each) for each in lists], dtype=np.int64),
        )

    @classmethod
    def cut(cls, flat: NDArray[np.int32], lengths: NDArray[np.int64]) -> "Ragged":
        """Lists of these lengths, one after the other."""
        ends = np.cumsum(lengths, dtype=np.int64)
        return cls(flat, ends - lengths, ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.ends - self.starts

    @property
    def last(self) -> NDArray[np.int32]:
        """The last number of each list; lists are not empty."""
        return self.flat[self.ends - 1]

    def take(self, rows: NDArray[np.int64]) -> "Ragged":
        """The lists of these rows in this order, without copying numbers; a row may come more than once."""
        return Ragged(self.flat, self.starts[rows], self.ends[rows])

    def __getitem__(self, row: int) -> list[int]:
        numbers: list[int] = self.flat[self.starts[row] : self.ends[row]].tolist()
        return numbers

    def __iter__(self) -> Iterator[list[int]]:
        return (self[row] for row in range(len(self)))

    def __len__(self) -> int:
        return len(self.starts)
