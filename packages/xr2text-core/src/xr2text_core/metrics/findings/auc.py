"""Finding AUC: how well the eye ranks studies, before any threshold and any sentence.

AUC is the probability that a study with the finding scores higher than one without it; ties count half (Mann-Whitney's
U; Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve"). An eye that
sees nothing has .5 at any prevalence. Check: positives .8 and .4, negatives .4 and .1: (1 + 1 + .5 + 1) / 4 = .875.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xr2text_core.metrics.bootstrap import NUM_RESAMPLES, Interval, interval_of, quotients, resamples
from xr2text_core.metrics.ngrams import Bools, Floats
from xr2text_core.report.vocabulary import FINDINGS

MIN_POSITIVES = 10  # fewer say little: the standard error of an AUC of .8 from 10 positives is about .09


@dataclass(frozen=True)
class FindingAuc:
    """AUC (0..1) of each finding and their mean; NaN is undefined: no study with the finding, or none without it."""

    macro: Interval  # over `counted`; NaN where none is
    standard_error: float  # of `macro`, over other studies of the same kind
    per_finding: dict[str, Interval]
    counted: tuple[str, ...]  # findings with enough positives


def finding_auc(
    scores: NDArray[np.floating],
    truth: Bools,
    *,
    names: Sequence[str] = FINDINGS,
    known: Bools | None = None,
    min_positives: int = MIN_POSITIVES,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> FindingAuc:
    """AUC of `scores`, (N, F), probabilities or logits, against `truth`, (N, F); `names` are those of the F columns.

    `known`, (N, F): which studies count for which finding; all without it.
    Studies are resampled, not findings. ValueError for shapes that do not fit and for scores that are NaN.
    """
    _check(scores, truth, names)
    known = np.ones_like(truth) if known is None else known
    ranking = _rank(scores, truth, known)
    values = _auc(ranking, np.ones(len(truth)))
    drawn = np.array([_auc(ranking, counts) for counts in resamples(len(truth), num_resamples, seed)])
    positives = (truth & known).sum(axis=0)
    is_counted = (positives >= max(1, min_positives)) & (positives < known.sum(axis=0))
    macros = _means(drawn[:, is_counted])
    return FindingAuc(
        macro=interval_of(_means(values[None, is_counted])[0], macros),
        standard_error=float(np.nanstd(macros)) if is_counted.any() else float("nan"),
        per_finding={name: interval_of(values[i], drawn[:, i]) for i, name in enumerate(names)},
        counted=tuple(name for name, counts in zip(names, is_counted, strict=True) if counts),
    )


def abnormal_auc(
    scores: NDArray[np.floating], is_abnormal: Bools, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Interval:
    """AUC of one score a study, (N,), against abnormal or normal, (N,); NaN where all studies are of one kind."""
    name = "abnormal"
    scores, is_abnormal = np.asarray(scores)[:, None], np.asarray(is_abnormal)[:, None]
    return finding_auc(scores, is_abnormal, names=(name,), num_resamples=num_resamples, seed=seed).per_finding[name]


@dataclass(frozen=True)
class _Ranking:
    """Studies in the order of their scores, all arrays (F, N)."""

    order: NDArray[np.intp]  # which study
    is_positive: Bools
    is_known: Bools
    first: NDArray[np.intp]  # how many studies score lower
    last: NDArray[np.intp]  # how many score lower or the same


def _rank(scores: NDArray[np.floating], truth: Bools, known: Bools) -> _Ranking:
    order = np.argsort(scores.T, axis=1)
    ranked = np.take_along_axis(scores.T, order, axis=1)
    return _Ranking(
        order,
        np.take_along_axis(truth.T, order, axis=1),
        np.take_along_axis(known.T, order, axis=1),
        np.array([np.searchsorted(row, row, side="left") for row in ranked]),
        np.array([np.searchsorted(row, row, side="right") for row in ranked]),
    )


def _auc(ranking: _Ranking, counts: NDArray[np.generic]) -> Floats:
    """AUC of each finding, (F,), where each study counts as often as `counts`, (N,), says; NaN is undefined."""
    weights = counts[ranking.order].astype(np.float64) * ranking.is_known
    positive = weights * ranking.is_positive
    below = np.zeros((len(weights), weights.shape[1] + 1))  # (F, N + 1): negatives among the lowest k studies
    np.cumsum(weights - positive, axis=1, out=below[:, 1:])
    beaten = np.take_along_axis(below, ranking.first, axis=1) + np.take_along_axis(below, ranking.last, axis=1)
    pairs = positive.sum(axis=1) * below[:, -1]
    won = (positive * beaten).sum(axis=1) / 2  # those below it, and half of those beside it
    return quotients(won, pairs)


def _means(values: Floats) -> Floats:
    """Mean of the defined values in each row of (K, F); NaN for a row without one."""
    is_defined = ~np.isnan(values)
    return quotients(np.where(is_defined, values, 0.0).sum(axis=1), is_defined.sum(axis=1))


def _check(scores: NDArray[np.floating], truth: Bools, names: Sequence[str]) -> None:
    if scores.ndim != 2 or scores.shape != truth.shape or not len(scores) or scores.shape[1] != len(names):
        raise ValueError(f"scores {scores.shape} and truth {truth.shape} must be (studies, {len(names)} findings)")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth must be of bool, not {truth.dtype}")
    if np.isnan(scores).any():
        study, finding = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"the score of study {study} for {names[finding]} is not a number")
