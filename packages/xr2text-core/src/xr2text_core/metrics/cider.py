"""CIDEr-D (Vedantam et al. 2015): similarity of n-grams weighted by how rare they are among the references, 0..10.

With the numbers of pycocoevalcap: sigma 6, orders 1 to 4, document frequencies from the references that are scored.
Check: candidates equal to their references give 10 where references have four or more words and share none.
The released IU X-Ray reports of CvT2DistilGPT2 give .6941 under the protocol r2gen-iu.
"""

from collections.abc import Sequence

import numpy as np

from xr2text_core.metrics.ngrams import Floats, Ngrams, PairedNgrams, Tokens, count_ngrams, lengths

SIGMA = 6.0


def cider(candidates: Sequence[Tokens], references: Sequence[Tokens]) -> float:
    """Mean CIDEr-D over pairs, 0..10; it depends on the whole set of references, and a single pair always gives 0."""
    return float(cider_each(candidates, references, count_ngrams(candidates, references)).mean())


def cider_each(candidates: Sequence[Tokens], references: Sequence[Tokens], ngrams: Sequence[PairedNgrams]) -> Floats:
    """CIDEr-D of every pair, (N,), each 0..10."""
    similarity = sum(_similarities(pairs, len(candidates)) for pairs in ngrams) / len(ngrams)
    difference = lengths(candidates) - lengths(references)
    each: Floats = 10 * similarity * np.exp(-(difference**2) / (2 * SIGMA**2))
    return each


def _similarities(pairs: PairedNgrams, num_pairs: int) -> Floats:
    """Clipped cosine of the tf-idf vectors of one order, (N,)."""
    frequency = np.bincount(pairs.references.gram, minlength=pairs.num_grams)
    rarity = np.log(num_pairs) - np.log(np.maximum(1, frequency))
    candidate_weights = pairs.candidates.count * rarity[pairs.candidates.gram]
    reference_weights = pairs.references.count * rarity[pairs.references.gram]
    norms = _norms(pairs.candidates, candidate_weights, num_pairs) * _norms(
        pairs.references, reference_weights, num_pairs
    )
    shared = reference_weights[pairs.in_references]
    products = np.minimum(candidate_weights[pairs.in_candidates], shared) * shared
    overlap = np.bincount(pairs.candidates.study[pairs.in_candidates], products, num_pairs)
    return np.divide(overlap, norms, out=np.zeros(num_pairs), where=norms > 0)


def _norms(ngrams: Ngrams, weights: Floats, num_pairs: int) -> Floats:
    return np.sqrt(np.bincount(ngrams.study, weights**2, num_pairs))
