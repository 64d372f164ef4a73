"""How much scores vary with other studies of the same kind: percentile bootstrap, and a paired test of two models.

Method: Koehn 2004, "Statistical significance tests for machine translation evaluation". Studies are sampled with
replacement; corpus BLEU and macro F1 come from sums over a sample's studies. CIDEr keeps the document frequencies of
the full list of references. Check: for a plain mean such as ROUGE-L the interval is mean -/+ 1.96 standard errors.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xr2text_core.metrics.ngrams import Floats
from xr2text_core.metrics.scores import MEASURES, measures_from_sums, report_statistics

NUM_RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval, in the units of the score."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """Score of the first list minus that of the second, its 95 % interval, two-sided p-value of "no difference"."""

    value: float
    low: float
    high: float
    p_value: float


def bootstrap_intervals(
    candidates: Sequence[str],
    references: Sequence[str],
    protocol: str = "clean-full",
    *,
    vocabulary: Collection[str] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """The 95 % interval of every score in MEASURES; ValueError for lists that are empty or differ in length.

    Draws in which a score is undefined (label F1 without a finding) do not count; NaN where all are.
    """
    statistics = report_statistics(candidates, references, protocol, vocabulary=vocabulary)
    values = measures_from_sums(statistics.sum(axis=0), len(statistics))
    drawn = measures_from_sums(resampled_sums(statistics, num_resamples, seed), len(statistics))
    return {name: interval_of(values[i], drawn[:, i]) for i, name in enumerate(MEASURES)}


def paired_bootstrap(
    first: Sequence[str],
    second: Sequence[str],
    references: Sequence[str],
    protocol: str = "clean-full",
    *,
    vocabulary: Collection[str] | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> dict[str, PairedDifference]:
    """Compare two lists of candidates for the same references: both are scored on the same resamples."""
    statistics = [report_statistics(each, references, protocol, vocabulary=vocabulary) for each in (first, second)]
    values = np.subtract(*(measures_from_sums(rows.sum(axis=0), len(rows)) for rows in statistics))
    sums = [resampled_sums(rows, num_resamples, seed) for rows in statistics]  # the same seed, so the same studies
    drawn = np.subtract(*(measures_from_sums(each, len(references)) for each in sums))
    return {
        name: PairedDifference(float(values[i]), *_limits(drawn[:, i]), _p_value(drawn[:, i]))
        for i, name in enumerate(MEASURES)
    }


def resamples(num_studies: int, num_resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each study is in a resample of all studies with replacement, (N,), for each of `num_resamples`."""
    generator = np.random.default_rng(seed)
    for _ in range(num_resamples):
        yield np.bincount(generator.integers(num_studies, size=num_studies), minlength=num_studies)


def resampled_sums(statistics: Floats, num_resamples: int, seed: int) -> Floats:
    """Sums of the rows of `statistics`, (N, C), over each resample, (num_resamples, C)."""
    sums = np.empty((num_resamples, statistics.shape[1]))
    for row, counts in zip(sums, resamples(len(statistics), num_resamples, seed), strict=True):
        row[:] = counts @ statistics
    return sums


def interval_of(value: float, drawn: Floats) -> Interval:
    """The 95 % interval of a score from its values in resamples, (num_resamples,); NaN draws do not count."""
    return Interval(float(value), *_limits(drawn))


def quotients(part: Floats, whole: Floats) -> Floats:
    """Each part of its whole, NaN where the whole is 0: a score that such a resample does not define."""
    result = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=result, where=np.asarray(whole) > 0)
    return result


def _limits(drawn: Floats) -> tuple[float, float]:
    """The 95 % limits of the draws that are defined; NaN where none is."""
    defined = drawn[~np.isnan(drawn)]
    low, high = np.percentile(defined, PERCENTILES) if defined.size else (np.nan, np.nan)
    return float(low), float(high)


def _p_value(differences: Floats) -> float:
    """Twice the smaller share of resamples at or beyond zero; one is added to both counts, so it is never exactly 0."""
    differences = differences[~np.isnan(differences)]
    if not differences.size:
        return float("nan")
    at_most = 1 + int((differences <= 0).sum())
    at_least = 1 + int((differences >= 0).sum())
    return min(1.0, 2 * min(at_most, at_least) / (len(differences) + 1))
