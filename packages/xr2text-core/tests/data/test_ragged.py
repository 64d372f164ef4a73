"""Lists in one array read as the lists they were made of."""

import numpy as np
import pytest

from xr2text_core.data.ragged import Ragged

LISTS = [[3, 1, 2], [], [70_000], [5, 5]]


def test_it_reads_as_the_lists_it_was_made_of() -> None:
    ragged = Ragged.of(LISTS)
    assert list(ragged) == LISTS
    assert [ragged[row] for row in range(4)] == LISTS
    assert (len(ragged), ragged.lengths.tolist()) == (4, [3, 0, 1, 2])


def test_rows_are_taken_in_any_order_and_more_than_once_without_a_copy() -> None:
    ragged = Ragged.of(LISTS)
    taken = ragged.take(np.array([3, 0, 3, 1]))
    assert list(taken) == [LISTS[3], LISTS[0], LISTS[3], LISTS[1]]
    assert taken.flat is ragged.flat
    assert list(taken.take(np.array([1]))) == [LISTS[0]]


def test_no_lists_are_fine_and_a_row_beyond_the_end_is_an_index_error() -> None:
    assert list(Ragged.of([])) == []
    with pytest.raises(IndexError):
        Ragged.of(LISTS)[4]
