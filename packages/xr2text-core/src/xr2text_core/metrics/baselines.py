"""Trivial baselines: reports written without a model or without the image, shown beside every model.

On IU X-Ray (R2Gen split, protocol r2gen-iu) the best constant training report scores BLEU-4 .172 / ROUGE-L .359, the
most frequent .07 to .08 / .31 to .33, a random one .090 / .290; R2Gen published .165 / .371.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xr2text_core.metrics.bleu import bleu_from_sums
from xr2text_core.metrics.ngrams import MAX_ORDER, Floats, Tokens
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates, tokenize_references
from xr2text_core.metrics.rouge_l import rouge_l

NUM_SCREENED = 50


def best_constant(
    train_reports: Sequence[str],
    val_references: Sequence[str],
    protocol: str = "clean-full",
    num_screened: int = NUM_SCREENED,
) -> str:
    """The training report that, given to every validation study, has the highest BLEU-4 + ROUGE-L there.

    BLEU-4 is exact for all training reports; ROUGE-L, which is slow, only for the `num_screened` best by BLEU-4.
    """
    _require(train_reports, "training report")
    _require(val_references, "validation reference")
    rules = get_protocol(protocol)
    texts = sorted(set(train_reports))
    candidates = tokenize_candidates(texts, rules)
    references = tokenize_references(val_references, rules)
    bleu_4 = _bleu_4_of_constants(candidates, references)
    screened = np.argsort(-bleu_4, kind="stable")[:num_screened]
    repeated = ([candidates[index]] * len(references) for index in screened)
    rouge = [rouge_l(each, references, rules.rouge_beta) for each in repeated]
    return texts[int(screened[np.argmax(bleu_4[screened] + rouge)])]


def most_frequent(train_reports: Sequence[str]) -> str:
    """The commonest training report; the alphabetically first of equals."""
    _require(train_reports, "training report")
    return min(Counter(train_reports).items(), key=lambda item: (-item[1], item[0]))[0]


def random_reports(train_reports: Sequence[str], n: int, seed: int) -> list[str]:
    """`n` training reports sampled with replacement."""
    _require(train_reports, "training report")
    drawn = np.random.default_rng(seed).integers(len(train_reports), size=n)
    return [train_reports[index] for index in drawn]


def nearest_neighbour(
    train_features: NDArray[np.floating], train_reports: Sequence[str], features: NDArray[np.floating]
) -> list[str]:
    """For each image the report of the training image with the nearest features (cosine); (N, D) and (M, D)."""
    _require(train_reports, "training report")
    if len(train_features) != len(train_reports) or train_features.shape[1:] != features.shape[1:]:
        raise ValueError(
            f"expected one row of features per training report and equal widths; found features {train_features.shape} "
            f"for {len(train_reports)} training reports, and {features.shape} for the images"
        )
    similarity = _unit_rows(features) @ _unit_rows(train_features).T  # (M, N)
    return [train_reports[index] for index in similarity.argmax(axis=1)]


def shuffled(candidates: Sequence[str], seed: int) -> list[str]:
    """The same reports, each given to another study than its own: a model's score with images shuffled."""
    if len(candidates) < 2:
        raise ValueError(f"shuffling among studies needs at least two reports; found {len(candidates)}")
    order = np.random.default_rng(seed).permutation(len(candidates))
    result = list(candidates)
    for giver, taker in zip(order, np.roll(order, 1), strict=True):  # one cycle through all, so no study keeps its own
        result[taker] = candidates[giver]
    return result


def _bleu_4_of_constants(constants: Sequence[Tokens], references: Sequence[Tokens]) -> Floats:
    """Corpus BLEU-4 of each constant as the candidate of all references, (N,).

    The clipped matches of k copies of an n-gram, summed over references, are the references that have it once, plus
    those that have it twice, ... up to k times: a look-up instead of a pass over all references.
    """
    num_having = Counter(copy for tokens in references for copy in _numbered_ngrams(tokens))
    total_length = sum(map(len, references))
    sums = np.array([_constant_sums(tokens, num_having, len(references)) for tokens in constants], dtype=np.float64)
    return bleu_from_sums(np.column_stack([sums, np.full(len(constants), total_length)]))[:, -1]


def _constant_sums(tokens: Tokens, num_having: Counter[tuple[Tokens, int]], num_references: int) -> list[int]:
    """The columns of `bleu_statistics` but the last, summed over references that all get the same candidate."""
    matches = [0] * MAX_ORDER
    for ngram, copy in _numbered_ngrams(tokens):
        matches[len(ngram) - 1] += num_having[ngram, copy]
    counts = [max(0, len(tokens) - order + 1) * num_references for order in range(1, MAX_ORDER + 1)]
    return [*matches, *counts, len(tokens) * num_references]


def _numbered_ngrams(tokens: Tokens) -> list[tuple[Tokens, int]]:
    """Every n-gram of orders 1 to 4 with its occurrence number: 1 for the first, 2 for the next, ..."""
    seen: Counter[Tokens] = Counter()
    numbered: list[tuple[Tokens, int]] = []
    for order in range(1, MAX_ORDER + 1):
        for start in range(len(tokens) - order + 1):
            ngram = tuple(tokens[start : start + order])
            seen[ngram] += 1
            numbered.append((ngram, seen[ngram]))
    return numbered


def _unit_rows(features: NDArray[np.floating]) -> Floats:
    rows = np.asarray(features, dtype=np.float64)
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _require(reports: Sequence[str], what: str) -> None:
    if not reports:
        raise ValueError(f"a baseline needs at least one {what}; found an empty list")
