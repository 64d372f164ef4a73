"""Corpus BLEU-1 to 4 with one reference (Papineni et al. 2002), with the numbers of pycocoevalcap.

Check: candidate "a b c d e f" and reference "a b c d x f" match 5/6, 3/5, 2/4, 1/3 n-grams: .8333 .7071 .6300 .5373.
The released IU X-Ray reports of CvT2DistilGPT2 give .4734 .3036 .2240 .1752 under the protocol r2gen-iu.
"""

from collections.abc import Sequence

import numpy as np

from xr2text_core.metrics.ngrams import MAX_ORDER, Floats, PairedNgrams, Tokens, count_ngrams, lengths

_TINY, _SMALL = 1e-15, 1e-9  # what pycocoevalcap adds to numerators and denominators, so that nothing divides by zero
NUM_COLUMNS = 2 * MAX_ORDER + 2


def corpus_bleu(candidates: Sequence[Tokens], references: Sequence[Tokens]) -> tuple[float, ...]:
    """BLEU-1, 2, 3 and 4 of a corpus, each 0..1."""
    statistics = bleu_statistics(candidates, references, count_ngrams(candidates, references))
    return tuple(bleu_from_sums(statistics.sum(axis=0)).tolist())


def bleu_statistics(
    candidates: Sequence[Tokens], references: Sequence[Tokens], ngrams: Sequence[PairedNgrams]
) -> Floats:
    """What BLEU needs of each report, (N, 10): 4 clipped matches, 4 numbers of n-grams, both lengths."""
    candidate_lengths = lengths(candidates)
    counts = [np.maximum(0, candidate_lengths - order + 1) for order in range(1, MAX_ORDER + 1)]
    matches = [_clipped_matches(pairs, len(candidates)) for pairs in ngrams]
    return np.stack([*matches, *counts, candidate_lengths, lengths(references)], axis=1).astype(np.float64)


def bleu_from_sums(sums: Floats) -> Floats:
    """BLEU-1 to 4, (..., 4), from sums of `bleu_statistics` over the studies of a corpus, (..., 10)."""
    matches, counts = sums[..., :MAX_ORDER], sums[..., MAX_ORDER : 2 * MAX_ORDER]
    precisions = np.cumprod((matches + _TINY) / (counts + _SMALL), axis=-1)
    ratio = (sums[..., -2:-1] + _TINY) / (sums[..., -1:] + _SMALL)
    brevity_penalty = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    bleu: Floats = precisions ** (1 / np.arange(1, MAX_ORDER + 1)) * brevity_penalty
    return bleu


def _clipped_matches(pairs: PairedNgrams, num_pairs: int) -> Floats:
    found = pairs.candidates.count[pairs.in_candidates]
    clipped = np.minimum(found, pairs.references.count[pairs.in_references])
    return np.bincount(pairs.candidates.study[pairs.in_candidates], clipped, num_pairs).astype(np.float64)
