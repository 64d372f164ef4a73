"""Does the model read the image? Measures of the eye (what it decides) and of the pen (what its reports then say).

Truth is what our rule labeler reads in the references, and, where annotators coded the studies, their MeSH codes too:
the labeler trains, thresholds and grades, so only the codes are independent of it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xr2text_core.metrics.bootstrap import Interval
from xr2text_core.metrics.clinical_f1 import are_normal, present_findings
from xr2text_core.metrics.findings.auc import abnormal_auc, finding_auc
from xr2text_core.metrics.findings.mesh import mesh_truth
from xr2text_core.metrics.findings.said import false_findings, obedience, supported_f1
from xr2text_core.metrics.ngrams import Bools

LABELS, MESH, DECIDED = "labels", "MeSH", "decided"
MACRO = "all findings"


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval over studies; `finding` is MACRO where it is of all with 10 positives."""

    name: str
    truth: str
    value: float
    low: float
    high: float
    finding: str = MACRO
    num_studies: int = 0


@dataclass(frozen=True)
class Eye:
    """What a model decided about N studies: probabilities (N, F), NaN where a study was not read, and bool (N, F)."""

    probabilities: NDArray[np.floating]
    decided: Bools


def reading_measures(
    candidates: Sequence[str], references: Sequence[str], codes: Sequence[Collection[str]], eye: Eye | None = None
) -> list[Measure]:
    """All measures of reports; those of the eye only where there is one. `codes` are `Study.codes`, empty ones too."""
    said = present_findings(candidates)
    measures: list[Measure] = []
    if eye is not None:
        is_read = ~np.isnan(eye.probabilities).any(axis=1)
        obeyed = obedience(said[is_read], eye.decided[is_read])
        measures = [
            _measure("obedience: precision", DECIDED, obeyed.precision, is_read),
            _measure("obedience: recall", DECIDED, obeyed.recall, is_read),
            _measure("obedience: reports that say exactly this", DECIDED, obeyed.exact, is_read),
        ]
    for truth, true, normal, known in truths(references, codes):
        if known.any():
            measures += _against(truth, said, true, normal, known)
            measures += [] if eye is None else _of_eye(truth, eye, true, normal, known)
    return measures


def truths(references: Sequence[str], codes: Sequence[Collection[str]]) -> list[tuple[str, Bools, Bools, Bools]]:
    """Name, findings (N, F), normal (N,) and known (N,) of each truth."""
    coded = mesh_truth(codes)
    everything = np.ones(len(references), dtype=bool)
    return [
        (LABELS, present_findings(references), are_normal(references), everything),
        (MESH, coded.findings, coded.is_normal, coded.is_coded),
    ]


def _against(truth: str, said: Bools, true: Bools, normal: Bools, known: Bools) -> list[Measure]:
    said, true, normal = said[known], true[known], normal[known]
    wrong = false_findings(said, true, normal)
    return [
        _measure("F1 of reports", truth, supported_f1(said, true), known),
        _measure("false findings per normal study", truth, wrong.per_normal_study, normal),
        _measure("specificity", truth, wrong.specificity, normal),
    ]


def _of_eye(truth: str, eye: Eye, true: Bools, normal: Bools, known: Bools) -> list[Measure]:
    known = known & ~np.isnan(eye.probabilities).any(axis=1)
    if not known.any():
        return []
    scores, true = eye.probabilities[known], true[known]
    ranked = finding_auc(scores, true)
    abnormal = abnormal_auc(scores.sum(axis=1), ~normal[known])
    return [
        _measure("finding AUC", truth, ranked.macro, known),
        _measure("abnormal AUC", truth, abnormal, known),
        _measure("F1 of decisions", truth, supported_f1(eye.decided[known], true), known),
        *(_measure("finding AUC", truth, ranked.per_finding[name], known, name) for name in ranked.counted),
    ]


def _measure(name: str, truth: str, interval: Interval, studies: Bools, finding: str = MACRO) -> Measure:
    return Measure(name, truth, interval.value, interval.low, interval.high, finding, int(studies.sum()))
