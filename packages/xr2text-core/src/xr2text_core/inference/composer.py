"""Writes reports that say exactly the findings decided for a study, from typical reports of the training studies.

A few typical reports are edited until they obey (report/editing.py); the one that wins has the highest expected
similarity (similarity.py) to the training reports, each of them weighted by how well it fits the study.

Shapes: M studies, N reports of the bank, F findings (in the order of FINDINGS).
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xr2text_core.data.checked_file import load_checked, save_checked
from xr2text_core.data.read_reports import reading_code, reports_key
from xr2text_core.inference import similarity
from xr2text_core.inference.similarity import Floats32, Similarity
from xr2text_core.report.changes.wording import ChangeWording
from xr2text_core.report.editing import Phrases, edited, nearest, typical_phrases
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS

MAX_REPORTS = 3000
NUM_TYPICAL = 24
NUM_BEST = 5  # typical reports that are edited for a study
NUM_CHOICES = 2  # of phrases, for each of them
FINDINGS_WEIGHT = 0.5  # of the log-likelihood: findings are not independent, and their sum would be too sure
MAX_CACHED = 8192  # rows of similarity: 100 MB with 3,000 reports


@dataclass(frozen=True, eq=False)
class ReportBank:
    """Training reports, which findings each asserts (labels), and which of them are typical: together they resemble
    all others most. `changes`: how they compare, for a model that reads the last study. A checkpoint keeps these; the
    rest follows from them.
    """

    texts: tuple[str, ...]
    typical: tuple[int, ...]
    changes: ChangeWording | None = None

    @classmethod
    def of(cls, texts: Sequence[str]) -> "ReportBank":
        """The bank of these reports, blank ones left out; of more than 3,000 evenly spread ones. The same texts give
        the same bank. ValueError where no report has text.
        """
        kept = [texts[index] for index in bank_indices(texts)]
        if not kept:
            raise ValueError(f"a bank needs at least one report with text; found {len(texts)} blank ones")
        return cls(tuple(kept), tuple(_facilities(Similarity(kept).rows(kept), NUM_TYPICAL)))

    def to_json(self) -> str:
        changes = None if self.changes is None else asdict(self.changes)
        return json.dumps({"texts": self.texts, "typical": self.typical, "changes": changes})

    @classmethod
    def from_json(cls, text: str) -> "ReportBank":
        """What `to_json` wrote."""
        saved = json.loads(text)
        changes = saved.get("changes")  # none in a checkpoint of before they were worded
        return cls(tuple(saved["texts"]), tuple(saved["typical"]), changes and ChangeWording.from_saved(changes))

    @cached_property
    def labels(self) -> NDArray[np.bool_]:
        """Which findings each report asserts, (N, F)."""
        present = [label_report(text).present for text in self.texts]
        return np.array([[finding in each for finding in FINDINGS] for each in present], dtype=bool)

    @cached_property
    def phrases(self) -> Phrases:
        """The typical sentences of each finding."""
        return typical_phrases(self.texts)


class Composer:
    """Writes reports from a bank; it keeps the similarities of texts it has compared."""

    def __init__(self, bank: ReportBank) -> None:
        self.bank = bank
        self._rows: dict[str, Floats32] = {}  # of the texts compared so far

    @cached_property
    def _similarity(self) -> Similarity:
        """Counted when it is first needed, and not where a run starts."""
        return Similarity(self.bank.texts)

    @cached_property
    def _typical(self) -> Floats32:
        """How similar the typical reports are to all, (typical, N)."""
        return self._similarity.rows([self.bank.texts[index] for index in self.bank.typical])

    def write(
        self,
        findings: NDArray[np.bool_],
        probabilities: NDArray[np.floating],
        wording: NDArray[np.floating] | None = None,
        drafts: Sequence[Sequence[str]] | None = None,
    ) -> list[str]:
        """A report for each study that asserts its `findings` (M, F) and no other.

        `probabilities` (M, F) of the findings, calibrated, weigh the bank's reports, and `wording` (M, N) is added to
        these weights (which sum to 1; it may be negative): what the film suggests of the writer's style. `drafts` has
        further texts for each study, such as a decoder's; they are edited and compete.
        A finding that no sentence of bank or drafts asserts alone is left out: the rest is written.
        """
        if probabilities.shape != findings.shape:
            raise ValueError(f"expected a probability for each finding, {findings.shape}; found {probabilities.shape}")
        weights = self._weights(probabilities)
        if wording is not None:
            if wording.shape != weights.shape:
                raise ValueError(f"expected wording of shape (studies, reports) {weights.shape}; found {wording.shape}")
            weights = weights + wording
        further = drafts or [()] * len(findings)
        return [
            self._write_one(_names(row), weight, each)
            for row, weight, each in zip(findings, weights.astype(np.float32), further, strict=True)
        ]

    def _weights(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """How probable each report's findings are, (M, N), rows summing to 1."""
        clipped = np.clip(probabilities.astype(np.float64), 1e-3, 1 - 1e-3)
        labels = self.bank.labels.T
        fit = FINDINGS_WEIGHT * (np.log(clipped) @ labels + np.log(1 - clipped) @ ~labels)
        unscaled = np.exp(fit - fit.max(axis=1, keepdims=True))
        weights: NDArray[np.float64] = unscaled / unscaled.sum(axis=1, keepdims=True)
        return weights

    def _write_one(self, findings: Collection[str], weight: Floats32, drafts: Sequence[str]) -> str:
        best = np.argsort(-(self._typical @ weight), kind="stable")[:NUM_BEST]
        choices = range(NUM_CHOICES if findings else 1)
        phrases = self.bank.phrases
        texts = [
            edited(self.bank.texts[self.bank.typical[row]], findings, phrases, choice)
            for row in best
            for choice in choices
        ]
        texts += [edited(draft, findings, phrases) for draft in drafts]
        obedient = nearest([text for text in dict.fromkeys(texts) if text], findings)
        if not obedient:
            return ""
        expected = self._rows_of(obedient) @ weight - self._similarity.length_penalties(obedient)
        return obedient[int(np.argmax(expected))]

    def _rows_of(self, texts: Sequence[str]) -> Floats32:
        new = [text for text in texts if text not in self._rows]
        if len(self._rows) + len(new) > MAX_CACHED:
            self._rows.clear()
            new = list(texts)
        self._rows.update(zip(new, self._similarity.rows(new), strict=True))
        return np.stack([self._rows[text] for text in texts])


def bank_indices(texts: Sequence[str]) -> list[int]:
    """Which of the reports a bank keeps, in its order, (N,): rows of features of the same studies belong to these."""
    filled = [index for index, text in enumerate(texts) if text.strip()]
    if len(filled) <= MAX_REPORTS:
        return filled
    return [filled[place] for place in np.linspace(0, len(filled) - 1, MAX_REPORTS).round().astype(int)]


def kept_bank(texts: Sequence[str], folder: Path) -> ReportBank:
    """`ReportBank.of(texts)`; which are typical takes seconds to find, and is kept in `folder`, without the texts."""
    kept = [texts[index] for index in bank_indices(texts)]
    code = b"".join(Path(each).read_bytes() for each in (__file__, similarity.__file__))
    path = folder / f"typical-{reports_key(kept, reading_code(), hashlib.sha256(code).hexdigest())}.bin"
    if (found := load_checked(path)) is not None:
        return ReportBank(tuple(kept), tuple(json.loads(found)))
    bank = ReportBank.of(texts)
    save_checked(path, json.dumps(bank.typical).encode())
    return bank


def compose_baseline(phrases: Phrases, constant: str, findings: NDArray[np.bool_]) -> list[str]:
    """The composed baseline: one constant report, edited to assert the findings (M, F) of each study, and no others;
    typical sentences stand at the end, and nothing else of the image is in the words.
    """
    return [edited(constant, _names(row), phrases, append=True) for row in findings]


def _names(findings: NDArray[np.bool_]) -> list[str]:
    return [FINDINGS[index] for index in np.flatnonzero(findings)]


def _facilities(similarity: Floats32, most: int) -> list[int]:
    """Rows chosen one by one so that the mean over columns of the highest similarity grows most (facility location;
    greedy is within 1 - 1/e of the best, Nemhauser et al. 1978); fewer where no row adds anything.
    """
    highest = np.full(similarity.shape[1], -np.inf, dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < most:
        gained = np.maximum(similarity, highest).mean(axis=1)
        row = int(np.argmax(gained))
        if row in chosen:
            break
        chosen.append(row)
        highest = np.maximum(highest, similarity[row])
    return chosen
