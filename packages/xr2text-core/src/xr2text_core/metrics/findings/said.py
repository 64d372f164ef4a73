"""What the pen says: does a report assert the findings that were decided, and does it invent any where there are none?

All take arrays of bool, studies by findings, (N, F): what the labeler reads in the candidates (`present_findings`),
what the eye decided, or what is true by the references or by the codes of annotators.
Check: said {edema}, decided {edema, fracture}: precision 1, recall .5, F1 2/3, exact 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xr2text_core.metrics.bootstrap import NUM_RESAMPLES, Interval, interval_of, quotients, resampled_sums
from xr2text_core.metrics.clinical_f1 import finding_statistics, macro_from_sums
from xr2text_core.metrics.ngrams import Bools, Floats

MIN_SUPPORT = 10  # references that have a finding; F1 over fewer is mostly chance


@dataclass(frozen=True)
class Obedience:
    """Findings of all studies pooled (micro), each 0..1; NaN where nothing is said, decided, or either."""

    precision: Interval  # share of what is said that was decided
    recall: Interval  # share of what was decided that is said
    f1: Interval
    exact: Interval  # share of reports that say the decided findings and no other


@dataclass(frozen=True)
class FalseFindings:
    """What candidates assert of studies whose reference is normal; NaN where none is."""

    per_normal_study: Interval  # findings a study, 0..F: lower is better
    specificity: Interval  # share of normal studies without any, 0..1
    num_normal: int


def obedience(said: Bools, decided: Bools, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Obedience:
    """How far reports say what was decided, both (N, F). ValueError for shapes that do not fit."""
    _check(said, decided)
    counts = (said & decided, said, decided)
    is_exact = (said == decided).all(axis=1)
    statistics = np.column_stack([*(each.sum(axis=1) for each in counts), is_exact, np.ones(len(said))])
    return Obedience(*_intervals(statistics, _obedience_from_sums, num_resamples, seed))


def false_findings(
    said: Bools, true: Bools, is_normal: Bools, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> FalseFindings:
    """Findings said and not true, (N, F), in the studies of `is_normal`, (N,). ValueError for shapes that do not fit.

    A normal study may have devices: saying so is right, and saying so where it has none is a false finding.
    """
    _check(said, true)
    if is_normal.shape != (len(said),):
        raise ValueError(f"is_normal must be ({len(said)},), not {is_normal.shape}")
    num_false = (said & ~true).sum(axis=1)
    statistics = np.column_stack([num_false * is_normal, (num_false == 0) & is_normal, is_normal]).astype(np.float64)
    rate, specificity = _intervals(statistics, _rates_from_sums, num_resamples, seed)
    return FalseFindings(rate, specificity, int(is_normal.sum()))


def supported_f1(
    said: Bools, true: Bools, *, min_support: int = MIN_SUPPORT, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval:
    """Macro F1 (0..1) over the findings that at least `min_support` studies have; NaN where none is so common.

    Both are (N, F); ValueError for shapes that do not fit. With `min_support` 1 it is `ClinicalF1.macro`. The findings
    that all studies support are those of every resample too.
    """
    _check(said, true)
    is_supported = true.sum(axis=0) >= min_support
    statistics = finding_statistics(said[:, is_supported], true[:, is_supported])
    (interval,) = _intervals(statistics, lambda sums: macro_from_sums(sums)[..., None], num_resamples, seed)
    return interval


def _obedience_from_sums(sums: Floats) -> Floats:
    """Precision, recall, F1 and exact, (..., 4), from sums of hits, said, decided, exact and studies, (..., 5)."""
    hits, said, decided, exact, studies = np.moveaxis(sums, -1, 0)
    scores = [quotients(hits, said), quotients(hits, decided), quotients(2 * hits, said + decided), exact / studies]
    return np.stack(scores, axis=-1)


def _rates_from_sums(sums: Floats) -> Floats:
    """False findings a normal study and specificity, (..., 2), from sums of both and of normal studies, (..., 3)."""
    return quotients(sums[..., :2], sums[..., 2:])


def _intervals(
    statistics: Floats, score: Callable[[Floats], Floats], num_resamples: int, seed: int
) -> tuple[Interval, ...]:
    """The interval of each of the K scores that `score` makes of sums over studies: (..., C) to (..., K)."""
    values = score(statistics.sum(axis=0))
    drawn = score(resampled_sums(statistics, num_resamples, seed))
    return tuple(interval_of(value, column) for value, column in zip(values, drawn.T, strict=True))


def _check(said: Bools, other: Bools) -> None:
    if said.ndim != 2 or said.shape != other.shape or not len(said):
        raise ValueError(f"both must be (studies, findings) of the same studies, not {said.shape} and {other.shape}")
    if not said.dtype == other.dtype == np.bool_:
        raise ValueError(f"both must be of bool, not {said.dtype} and {other.dtype}")
