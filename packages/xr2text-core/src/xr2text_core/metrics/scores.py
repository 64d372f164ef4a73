"""All scores of generated reports under one protocol, through sums over studies that the bootstrap resamples."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from xr2text_core.metrics import bleu, clinical_f1
from xr2text_core.metrics.cider import cider_each
from xr2text_core.metrics.ngrams import Floats, count_ngrams
from xr2text_core.metrics.protocols import check_pairs, get_protocol, tokenize_candidates, tokenize_references
from xr2text_core.metrics.rouge_l import rouge_l_each

MEASURES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider", "clinical_f1")


@dataclass(frozen=True)
class Scores:
    """BLEU, ROUGE-L, label F1 are 0..1, CIDEr-D 0..10; the rest reveals a model that ignores the image."""

    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    rouge_l: float
    cider: float
    clinical_f1: float
    distinct_reports: int
    num_reports: int
    commonest_share: float  # share of the commonest candidate, 0..1
    length_ratio: float  # candidate tokens / reference tokens


def score_reports(
    candidates: Sequence[str],
    references: Sequence[str],
    protocol: str = "clean-full",
    *,
    vocabulary: Collection[str] | None = None,
) -> Scores:
    """Score candidates against one reference each; ValueError for lists that are empty or differ in length.

    `vocabulary` (see `training_vocabulary`) makes other words of the references <unk>, as the R2Gen protocols do.
    """
    tokens, statistics = _tokenize_and_count(candidates, references, protocol, vocabulary)
    sums = statistics.sum(axis=0)
    counts = Counter(map(tuple, tokens))
    candidate_tokens, reference_tokens = sums[bleu.NUM_COLUMNS - 2 : bleu.NUM_COLUMNS]
    bleu_1, bleu_2, bleu_3, bleu_4, rouge_l, cider, macro = map(float, measures_from_sums(sums, len(candidates)))
    return Scores(
        bleu_1=bleu_1,
        bleu_2=bleu_2,
        bleu_3=bleu_3,
        bleu_4=bleu_4,
        rouge_l=rouge_l,
        cider=cider,
        clinical_f1=macro,
        distinct_reports=len(counts),
        num_reports=len(candidates),
        commonest_share=max(counts.values()) / len(candidates),
        length_ratio=float(candidate_tokens / max(1, reference_tokens)),
    )


def report_statistics(
    candidates: Sequence[str],
    references: Sequence[str],
    protocol: str = "clean-full",
    *,
    vocabulary: Collection[str] | None = None,
) -> Floats:
    """One row per study, (N, C), whose sums over any selection of studies give all scores of that selection.

    CIDEr keeps the document frequencies of all references given here.
    """
    return _tokenize_and_count(candidates, references, protocol, vocabulary)[1]


def measures_from_sums(sums: Floats, num_reports: int) -> Floats:
    """The scores in the order of MEASURES, (..., 7), from sums over studies of `report_statistics`, (..., C)."""
    means = sums[..., bleu.NUM_COLUMNS : bleu.NUM_COLUMNS + 2] / num_reports
    macro = clinical_f1.macro_from_sums(sums[..., bleu.NUM_COLUMNS + 2 :])
    return np.concatenate([bleu.bleu_from_sums(sums[..., : bleu.NUM_COLUMNS]), means, macro[..., None]], axis=-1)


def _tokenize_and_count(
    candidates: Sequence[str], references: Sequence[str], protocol: str, vocabulary: Collection[str] | None
) -> tuple[list[list[str]], Floats]:
    """The tokens of the candidates, and the statistics of all studies, (N, C)."""
    check_pairs(candidates, references)
    rules = get_protocol(protocol)
    ours = tokenize_candidates(candidates, rules)
    theirs = tokenize_references(references, rules, vocabulary)
    ngrams = count_ngrams(ours, theirs)
    statistics = np.column_stack(
        [
            bleu.bleu_statistics(ours, theirs, ngrams),
            rouge_l_each(ours, theirs, rules.rouge_beta),
            cider_each(ours, theirs, ngrams),
            clinical_f1.clinical_statistics(candidates, references),
        ]
    )
    return ours, statistics
