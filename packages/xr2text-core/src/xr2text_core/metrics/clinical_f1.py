"""Label F1: do candidate and reference assert the same findings, as our own rules read them? This is not CheXbert.

Only findings that the labeler calls present are positive; "normal" is not a finding, "support devices" is one. The idea
is that of Irvin et al. 2019 (CheXpert) and Smit et al. 2020 (CheXbert), the labels are not: numbers are not comparable.
Check: one reference with edema and fracture, candidate with edema: F1 of edema 1, fracture 0, macro .5, micro 2/3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xr2text_core.metrics.ngrams import Bools, Floats
from xr2text_core.metrics.protocols import check_pairs
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS

NUM_COLUMNS = 3 * len(FINDINGS)


@dataclass(frozen=True)
class FindingScore:
    """Precision, recall and F1 (0..1) of one finding, and in how many references it is present; NaN is undefined.

    Precision is undefined where no candidate has the finding, recall where no reference has it, F1 where neither has.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClinicalF1:
    """`macro` averages over the findings present in at least one reference, and is NaN where there is none.

    So a finding that no reference has cannot pull `macro` down when candidates invent it; it does count in `micro`.
    `macro_abnormal` is the same as `macro` over the studies whose reference is abnormal. `micro` is NaN where neither
    candidates nor references have a finding.
    """

    macro: float
    micro: float
    macro_abnormal: float
    per_finding: dict[str, FindingScore]


def clinical_f1(candidates: Sequence[str], references: Sequence[str]) -> ClinicalF1:
    """Label F1 of pairs of report texts; ValueError for lists that are empty or differ in length."""
    statistics = clinical_statistics(candidates, references)
    sums = statistics.sum(axis=0)
    hits, invented, missed = np.split(sums, 3)
    return ClinicalF1(
        macro=float(macro_from_sums(sums)),
        micro=_share(2 * hits.sum(), 2 * hits.sum() + invented.sum() + missed.sum()),
        macro_abnormal=float(macro_from_sums(statistics[~are_normal(references)].sum(axis=0))),
        per_finding={
            finding: _finding_score(*map(int, counts))
            for finding, *counts in zip(FINDINGS, hits, invented, missed, strict=True)
        },
    )


def clinical_statistics(candidates: Sequence[str], references: Sequence[str]) -> Floats:
    """Per report and finding 0 or 1, (N, 3F): hits, then invented, then missed findings, in the order of FINDINGS."""
    check_pairs(candidates, references)
    return finding_statistics(present_findings(candidates), present_findings(references))


def finding_statistics(said: Bools, true: Bools) -> Floats:
    """`clinical_statistics` of findings that are said and findings that are true, both (N, F)."""
    return np.concatenate([said & true, said & ~true, ~said & true], axis=1).astype(np.float64)


def macro_from_sums(sums: Floats) -> Floats:
    """Macro F1, (...), NaN without a finding, from sums of `finding_statistics` over studies, (..., 3F)."""
    hits, invented, missed = np.split(sums, 3, axis=-1)
    num_present = (hits + missed > 0).sum(axis=-1)
    f1 = 2 * hits / np.maximum(1, 2 * hits + invented + missed)  # 0 without a hit
    macro: Floats = np.where(num_present > 0, f1.sum(axis=-1) / np.maximum(1, num_present), np.nan)
    return macro


def present_findings(texts: Sequence[str]) -> Bools:
    """Which of FINDINGS each text asserts, (N, F)."""
    rows = [[finding in present for finding in FINDINGS] for present, _ in map(_read, texts)]
    return np.array(rows, dtype=bool).reshape(len(texts), len(FINDINGS))


def are_normal(texts: Sequence[str]) -> Bools:
    """Which texts are normal, (N,): nothing abnormal is present or uncertain; devices are not abnormal."""
    return np.array([is_normal for _, is_normal in map(_read, texts)], dtype=bool)


@lru_cache(maxsize=65_536)  # the references of a validation are read again after every epoch
def _read(text: str) -> tuple[frozenset[str], bool]:
    """The findings that a text asserts, and whether it is normal."""
    labels = label_report(text)
    return labels.present, labels.is_normal


def _finding_score(hits: int, invented: int, missed: int) -> FindingScore:
    return FindingScore(
        precision=_share(hits, hits + invented),
        recall=_share(hits, hits + missed),
        f1=_share(2 * hits, 2 * hits + invented + missed),
        support=hits + missed,
    )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
