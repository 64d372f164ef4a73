"""How similar texts are to each of a fixed list of reports.

With weights over the reports, the candidate with the highest expected similarity is that of minimum Bayes risk decoding
(Kumar and Byrne 2004). Shapes: C candidates, N references, V distinct n-grams (orders 1 to 4) of the references.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist
from scipy.sparse import csr_array

from xr2text_core.metrics.cider import SIGMA
from xr2text_core.metrics.ngrams import MAX_ORDER, Tokens, lengths
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates
from xr2text_core.metrics.rouge_l import BETA

Floats32 = NDArray[np.float32]

PROTOCOL = "clean-full"
BLEU_WEIGHT, CIDER_WEIGHT = 0.17, 0.1  # ROUGE-L has 1
LENGTH_PENALTY = 0.2
USUAL_MATCHES = np.array([15, 8, 5, 3.2])  # n-grams of orders 1 to 4 that two reports of IU X-Ray share
USUAL_LENGTH = 36  # tokens of a report of IU X-Ray
BATCH = 256  # candidates whose n-grams are compared at once, which bounds the memory


class Similarity:
    """Compares texts with `references`, at least one of them; what the references need is counted once.

    The similarity of a pair, on the tokens of the protocol clean-full, is ROUGE-L (Lin 2004), plus .17 times the shared
    n-grams over their usual number (a linear stand-in for the logarithm of BLEU-4), plus .1 times CIDEr (Vedantam et
    al. 2015); in the last two, a candidate has each n-gram once. The weights were chosen on validation studies of IU
    X-Ray, where a candidate's expected similarity less its length penalty follows BLEU-4 + ROUGE-L.
    """

    def __init__(self, references: Sequence[str]) -> None:
        if not references:
            raise ValueError("a similarity needs at least one reference; found an empty list")
        self._tokens = _tokenized(references)
        self._lengths = lengths(self._tokens)
        self._ids: dict[Tokens, int] = {}
        for ngram in chain.from_iterable(map(_ngrams, self._tokens)):
            self._ids.setdefault(ngram, len(self._ids))
        self._orders = np.array([len(ngram) for ngram in self._ids], dtype=np.int64)  # (V,)
        counts = self._count([Counter(_ngrams(tokens)) for tokens in self._tokens])  # (N, V)
        having = counts.copy()
        having.data[:] = 1
        self._having = having.T.tocsr()  # (V, N), 1 where the reference has the n-gram
        frequency = having.sum(axis=0)
        self._rarity = (np.log(len(references)) - np.log(np.maximum(1, frequency))).astype(np.float32)  # (V,)
        weighted = _scaled(counts, self._rarity)
        self._weights = _scaled(weighted, 1.0, self._inverse_norms(weighted)).T.tocsr()  # (V, N)
        self._characters: dict[str, str] = {}
        self._strings = [self._as_string(tokens) for tokens in self._tokens]

    def rows(self, candidates: Sequence[str]) -> Floats32:
        """The similarity of each candidate to each reference, (C, N); about 0 (nothing in common) to 2.5 (the same)."""
        result = np.empty((len(candidates), len(self._tokens)), dtype=np.float32)
        for start in range(0, len(candidates), BATCH):
            tokens = _tokenized(candidates[start : start + BATCH])
            matches, cider = self._ngram_parts(tokens)
            result[start : start + BATCH] = BLEU_WEIGHT * matches + CIDER_WEIGHT * cider + self._rouge_l(tokens)
        return result

    def length_penalties(self, candidates: Sequence[str]) -> Floats32:
        """What is taken from each expected similarity, (C,): a longer report lowers the precisions of BLEU."""
        num_tokens = lengths(_tokenized(candidates))
        terms = [np.maximum(0, num_tokens - shorter) / (USUAL_LENGTH - shorter) for shorter in range(MAX_ORDER)]
        penalties: Floats32 = (BLEU_WEIGHT * LENGTH_PENALTY * np.mean(terms, axis=0)).astype(np.float32)
        return penalties

    def rouge_l(self, candidates: Sequence[str]) -> Floats32:
        """ROUGE-L of each candidate with each reference, (C, N), each 0..1."""
        return self._rouge_l(_tokenized(candidates))

    def _rouge_l(self, candidates: Sequence[Tokens]) -> Floats32:
        strings = [self._as_string(tokens) for tokens in candidates]
        common = cdist(strings, self._strings, scorer=LCSseq.similarity, dtype=np.int32, workers=1)
        # (1 + b²) P R / (R + b² P) with P = common / candidate, R = common / reference
        total = lengths(candidates)[:, None] + BETA**2 * self._lengths[None, :]
        each: Floats32 = ((1 + BETA**2) * common / np.maximum(total, 1)).astype(np.float32)
        return each

    def _as_string(self, tokens: Tokens) -> str:
        """One character for each token, because strings are compared fastest."""
        known = self._characters
        return "".join([known.setdefault(token, chr(len(known))) for token in tokens])

    def _ngram_parts(self, candidates: Sequence[Tokens]) -> tuple[Floats32, Floats32]:
        """Shared n-grams over their usual number, mean of the orders, and CIDEr: each (C, N)."""
        having = self._count([dict.fromkeys(_ngrams(tokens), 1) for tokens in candidates])  # (C, V)
        matches = _scaled(having, (1 / USUAL_MATCHES / MAX_ORDER)[self._orders - 1]) @ self._having
        weighted = _scaled(having, self._rarity)
        unknown = np.array([self._num_unknown(tokens) for tokens in candidates]) * np.log(len(self._tokens)) ** 2
        cosine = _scaled(weighted, 1.0, self._inverse_norms(weighted, unknown)) @ self._weights
        difference = lengths(candidates)[:, None] - self._lengths[None, :]
        alike_in_length = np.exp(-(difference**2) / (2 * SIGMA**2)).astype(np.float32)
        return matches.toarray(), 10 / MAX_ORDER * cosine.toarray() * alike_in_length

    def _count(self, counts: Sequence[dict[Tokens, int]]) -> csr_array:
        """Counts of known n-grams, (len(counts), V)."""
        known = [[(self._ids[ngram], count) for ngram, count in each.items() if ngram in self._ids] for each in counts]
        starts = np.cumsum([0, *map(len, known)])
        columns, values = np.array([*chain.from_iterable(known)], dtype=np.int64).reshape(-1, 2).T
        return csr_array((values.astype(np.float32), columns, starts), shape=(len(counts), len(self._ids)))

    def _num_unknown(self, tokens: Tokens) -> list[int]:
        """How many n-grams of each order no reference has, (4,)."""
        unknown = Counter(len(ngram) for ngram in _ngrams(tokens) if ngram not in self._ids)
        return [unknown[order] for order in range(1, MAX_ORDER + 1)]

    def _inverse_norms(self, weighted: csr_array, unknown: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
        """For each entry of `weighted` one over the norm of its row within its order; `unknown` are further squares."""
        orders = self._orders[weighted.indices] - 1
        row_of = np.repeat(np.arange(weighted.shape[0]), np.diff(weighted.indptr))
        squares = np.zeros((weighted.shape[0], MAX_ORDER))
        np.add.at(squares, (row_of, orders), weighted.data.astype(np.float64) ** 2)
        inverse: NDArray[np.float64] = 1 / np.sqrt(np.maximum(squares + unknown, 1e-12))[row_of, orders]
        return inverse


def _tokenized(texts: Sequence[str]) -> list[list[str]]:
    return tokenize_candidates(texts, get_protocol(PROTOCOL))


def _ngrams(tokens: Tokens) -> Iterator[Tokens]:
    for order in range(1, MAX_ORDER + 1):
        yield from zip(*(tokens[start:] for start in range(order)), strict=False)


def _scaled(matrix: csr_array, by_column: NDArray[np.floating] | float, by_entry: object = 1.0) -> csr_array:
    """A copy with each entry multiplied by the factor of its column (V,), and by its own."""
    result = matrix.copy()
    columns = np.asarray(by_column)
    result.data = (result.data * (columns[result.indices] if columns.ndim else columns) * by_entry).astype(np.float32)
    return result
