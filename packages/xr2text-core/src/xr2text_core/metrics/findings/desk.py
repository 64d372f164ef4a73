"""Does a model use all that lies on the desk? Measures of each source against what is drawn on phantoms.

The lateral film shows findings that no other film shows, the last study tells what changed, and the question asks for
findings to be denied. Without a source no model can do better there than by guessing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xr2text_core.metrics.bootstrap import NUM_RESAMPLES, interval_of, quotients, resampled_sums
from xr2text_core.metrics.findings.auc import finding_auc
from xr2text_core.metrics.findings.reading import MACRO, Measure
from xr2text_core.report.changes.comparisons import changes
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS

DRAWN = "drawn"
ONLY_LATERAL = "AUC of what only the lateral film shows"
CHANGES_RIGHT, COPIED = "changes worded right", "changes right, last report copied"
ASKED = "denials that the question asks for"


@dataclass(frozen=True)
class DeskTruth:
    """What the phantom drew of one study."""

    hidden: frozenset[str]  # findings that only the lateral film shows
    present: frozenset[str]  # findings of all films
    changes: Mapping[str, str]  # since the last study, by finding; empty without one
    asked: tuple[str, ...]  # findings to deny; empty without a question
    prior_report: str  # the section of the last report that is scored; "" without one


def desk_measures(
    candidates: Sequence[str], truths: Sequence[DeskTruth], logits: NDArray[np.floating] | None = None
) -> list[Measure]:
    """All measures of reports of N studies; of the films only with `logits`, (N, F), NaN where a study was not read.

    ValueError where there is not one truth per candidate.
    """
    if len(candidates) != len(truths):
        raise ValueError(f"{len(candidates)} candidates and {len(truths)} truths: expected one truth per candidate")
    compared = [each.changes for each in truths]
    measures = [] if logits is None else _of_films(truths, logits)
    for name, texts in ((CHANGES_RIGHT, candidates), (COPIED, [each.prior_report for each in truths])):
        said = [changes(text) if true else {} for text, true in zip(texts, compared, strict=True)]
        right = [
            sum(each.get(finding) == change for finding, change in true.items())
            for each, true in zip(said, compared, strict=True)
        ]
        measures.append(_share(name, right, [len(true) for true in compared]))
    denied = [len(label_report(text).absent & set(true.asked)) for text, true in zip(candidates, truths, strict=True)]
    return [*measures, _share(ASKED, denied, [len(true.asked) for true in truths])]


def _of_films(truths: Sequence[DeskTruth], logits: NDArray[np.floating]) -> list[Measure]:
    """AUC of studies whose lateral film alone shows a finding against those without it; the mean of findings first."""
    is_read = ~np.isnan(logits).any(axis=1)
    kept = [true for true, each in zip(truths, is_read, strict=True) if each]
    names = [name for name in FINDINGS if any(name in true.hidden for true in kept)]
    if not names:
        return []
    hidden = np.array([[name in true.hidden for name in names] for true in kept])
    known = hidden | ~np.array([[name in true.present for name in names] for true in kept])
    scores = logits[is_read][:, [FINDINGS.index(name) for name in names]]
    found = finding_auc(scores, hidden, names=names, known=known)
    rows = [(MACRO, found.macro), *((name, found.per_finding[name]) for name in found.counted)]
    return [
        Measure(ONLY_LATERAL, DRAWN, each.value, each.low, each.high, name, int(is_read.sum())) for name, each in rows
    ]


def _share(name: str, right: Sequence[int], asked: Sequence[int]) -> Measure:
    """The share of what is asked for that is right, with its interval over the studies where anything is."""
    statistics = np.column_stack([right, asked]).astype(np.float64)
    sums, drawn = statistics.sum(axis=0), resampled_sums(statistics, NUM_RESAMPLES, seed=0)
    interval = interval_of(float(quotients(sums[0], sums[1])), quotients(drawn[:, 0], drawn[:, 1]))
    num_studies = int((statistics[:, 1] > 0).sum())
    return Measure(name, DRAWN, interval.value, interval.low, interval.high, num_studies=num_studies)
