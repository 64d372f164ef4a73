import numpy as np
import pytest

from xr2text_core.metrics.rouge_l import lcs_length, rouge_l


def lcs_by_table(first: list[str], second: list[str]) -> int:
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if one == other else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


def test_bit_parallel_subsequence_equals_the_table_also_beyond_64_words():
    generator = np.random.default_rng(0)
    for length in (1, 5, 63, 64, 65, 150):
        first = [str(word) for word in generator.integers(0, 9, length)]
        second = [str(word) for word in generator.integers(0, 9, 80)]
        assert lcs_length(first, second) == lcs_by_table(first, second)


def test_rouge_l_is_the_number_in_the_docstring():
    candidate, reference = [list("abcd")], [list("acdef")]
    assert rouge_l(candidate, reference) == pytest.approx(0.6536, abs=1e-4)
    assert rouge_l(candidate, reference, beta=1.0) == pytest.approx(2 / 3)


def test_empty_candidate_or_reference_counts_as_0():
    assert rouge_l([[], ["a"], []], [["a"], [], []]) == 0.0


def test_rouge_l_is_the_mean_over_reports():
    assert rouge_l([["a"], ["b"]], [["a"], ["c"]]) == pytest.approx(0.5)
