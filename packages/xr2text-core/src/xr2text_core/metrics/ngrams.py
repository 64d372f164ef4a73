"""Counts of n-grams in pairs of candidate and reference, for BLEU and CIDEr: whole corpora at once, as integer arrays.

Shapes: K distinct (study, n-gram) of one list of reports, M those that a candidate shares with its reference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = Sequence[str]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_ORDER = 4


@dataclass(frozen=True)
class Ngrams:
    """Row k: n-gram `gram[k]` occurs `count[k]` times in the report of `study[k]`. All (K,), sorted by study, gram."""

    study: Integers
    gram: Integers
    count: Integers


@dataclass(frozen=True)
class PairedNgrams:
    """The n-grams of one order; rows `in_candidates[m]` and `in_references[m]` have the same study and gram."""

    candidates: Ngrams
    references: Ngrams
    in_candidates: Integers
    in_references: Integers
    num_grams: int  # gram ids are below this


def count_ngrams(candidates: Sequence[Tokens], references: Sequence[Tokens]) -> list[PairedNgrams]:
    """Count the n-grams of orders 1 to 4 in two equally long lists of token lists; entry n - 1 is order n."""
    reports = [*candidates, *references]
    words: dict[str, int] = {}
    flat = np.array([words.setdefault(word, len(words)) for report in reports for word in report], dtype=np.int64)
    report_of = np.repeat(np.arange(len(reports)), lengths(reports))
    return [_pair(report, gram, len(candidates)) for report, gram in _grams(flat, report_of, len(words))]


def lengths(reports: Sequence[Tokens]) -> Integers:
    """Tokens of each report, (N,)."""
    return np.array([len(report) for report in reports], dtype=np.int64)


def _grams(flat: Integers, report_of: Integers, num_words: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield for each order the report and the id of every n-gram; an id grows from the id of its first n - 1 words."""
    start = np.arange(len(flat))
    gram = flat
    yield report_of, gram
    for offset in range(1, MAX_ORDER):
        inside = start + offset < len(flat)
        inside[inside] = report_of[start[inside]] == report_of[start[inside] + offset]
        start = start[inside]
        gram = np.unique(gram[inside] * num_words + flat[start + offset], return_inverse=True)[1]
        yield report_of[start], gram


def _pair(report: Integers, gram: Integers, num_pairs: int) -> PairedNgrams:
    num_grams = int(gram.max(initial=0)) + 1
    keys, counts = np.unique(report * num_grams + gram, return_counts=True)
    border = int(np.searchsorted(keys, num_pairs * num_grams))
    candidate_keys, reference_keys = keys[:border], keys[border:] - num_pairs * num_grams
    _, in_candidates, in_references = np.intersect1d(
        candidate_keys, reference_keys, assume_unique=True, return_indices=True
    )
    return PairedNgrams(
        candidates=Ngrams(candidate_keys // num_grams, candidate_keys % num_grams, counts[:border]),
        references=Ngrams(reference_keys // num_grams, reference_keys % num_grams, counts[border:]),
        in_candidates=in_candidates,
        in_references=in_references,
        num_grams=num_grams,
    )
