"""ROUGE-L (Lin 2004): F-score of the longest common subsequence of words, averaged over reports.

beta 1.2 (recall weighs more) is what pycocoevalcap and the papers of this field use; beta 1 is google's rouge-score.
Check: candidate "a b c d" and reference "a c d e f" share 3 words: beta 1.2 gives .6536, beta 1 gives .6667.
"""

from collections.abc import Sequence

import numpy as np

from xr2text_core.metrics.ngrams import Floats, Tokens

BETA = 1.2


def rouge_l(candidates: Sequence[Tokens], references: Sequence[Tokens], beta: float = BETA) -> float:
    """Mean ROUGE-L over pairs, 0..1; an empty candidate or reference counts as 0."""
    return float(rouge_l_each(candidates, references, beta).mean())


def rouge_l_each(candidates: Sequence[Tokens], references: Sequence[Tokens], beta: float = BETA) -> Floats:
    """ROUGE-L of every pair, (N,), each 0..1."""
    pairs = zip(candidates, references, strict=True)
    return np.array([_f_score(candidate, reference, beta) for candidate, reference in pairs], dtype=np.float64)


def lcs_length(first: Tokens, second: Tokens) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004): a row of the usual table is one integer."""
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    everywhere = (1 << len(first)) - 1
    row = everywhere  # a zero bit marks a place where the subsequence grows
    for word in second:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everywhere
    return len(first) - row.bit_count()


def _f_score(candidate: Tokens, reference: Tokens, beta: float) -> float:
    common = lcs_length(candidate, reference)
    if common == 0:
        return 0.0
    precision, recall = common / len(candidate), common / len(reference)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)
