"""Makes a report say what became of chosen findings since the last study, in the words of training reports.

A change is worded by a clause that is put before the full stop of a sentence (", unchanged since the prior study"), and
that a finding has gone by a sentence of its own. Uncertain findings are left as they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xr2text_core.report.changes.comparisons import changes, has_comparison, without_comparisons
from xr2text_core.report.editing import Sentence, sentences
from xr2text_core.report.labeler import label_report
from xr2text_core.report.terms import read_terms

GONE = "resolved"
_ENDS = ".;:! "


@dataclass(frozen=True)
class ChangeWording:
    """The commonest clause of each change but GONE, and for each finding the commonest sentence that it has gone, with
    its mean place in a report, 0 (first) to 1 (last)."""

    clauses: Mapping[str, str]
    gone: Mapping[str, tuple[str, float]]

    @classmethod
    def of(cls, reports: Iterable[str]) -> "ChangeWording":
        """As these reports word it. A sentence counts that tells of one finding and of one change."""
        clauses: dict[str, Counter[str]] = defaultdict(Counter)
        gone: dict[str, Counter[str]] = defaultdict(Counter)
        places: dict[str, list[float]] = defaultdict(list)
        for report in map(sentences, reports):
            for index, sentence in enumerate(report):
                said = changes(sentence.text)
                if len(said) != 1:
                    continue
                [(finding, change)] = said.items()
                if change == GONE and not sentence.present | sentence.uncertain:  # "nearly resolved" is still there
                    gone[finding][sentence.text] += 1
                    places[finding].append(index / max(1, len(report) - 1))
                elif change != GONE and (clause := _clause(sentence.text)):
                    clauses[change][clause] += 1
        return cls(
            {change: each.most_common(1)[0][0] for change, each in clauses.items()},
            {finding: (each.most_common(1)[0][0], float(np.mean(places[finding]))) for finding, each in gone.items()},
        )

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "ChangeWording":
        """From its fields as JSON keeps them."""
        return cls(saved["clauses"], {finding: (text, place) for finding, (text, place) in saved["gone"].items()})

    def write(self, text: str, became: Mapping[str, str] | None) -> str:
        """The report with these changes by finding, and with no others; None: there is no last study, so that it
        compares with none. "" stays "".

        A sentence that says all of its findings' changes stays; else its own comparison goes, and where one change fits
        all that it asserts, the clause is added. Of a sentence that does nothing but compare nothing is left, though it
        may name a finding. A report with nothing to mend is returned as it is.
        """
        if not text:
            return ""
        read = sentences(text)
        kept = [_alone(each) if became is None else self._rewritten(each, became) for each in read]
        is_whole = kept == [each.text for each in read]
        kept = [each for each in kept if each]
        for sentence, place in self._gone(" ".join(kept), became or {}):
            kept.insert(round(place * len(kept)), sentence)
            is_whole = False
        return text if is_whole else " ".join(kept)

    def _gone(self, text: str, became: Mapping[str, str]) -> list[tuple[str, float]]:
        """The sentences that findings have gone, as far as the report neither says so nor asserts or suspects them."""
        labels = label_report(text)
        left_out = labels.present | labels.uncertain | changes(text).keys()
        wanted = [finding for finding, change in became.items() if change == GONE and finding not in left_out]
        return [self.gone[finding] for finding in wanted if finding in self.gone]

    def _rewritten(self, sentence: Sentence, became: Mapping[str, str]) -> str:
        said = {each: change for each, change in changes(sentence.text).items() if each not in sentence.uncertain}
        wanted = {finding: became[finding] for finding in sentence.present if finding in became}
        is_right = all(became.get(finding) == change for finding, change in said.items())
        if is_right and wanted.keys() <= said.keys() and not (_is_of_everything(sentence) and _has_changed(became)):
            return sentence.text
        alone = _alone(sentence)
        fitting = set(wanted.values()) & self.clauses.keys()
        if not alone or len(fitting) != 1 or wanted.keys() != sentence.present or sentence.absent:
            return alone
        with_clause = alone.rstrip(_ENDS) + self.clauses[fitting.pop()]
        said = {each: change for each, change in changes(with_clause).items() if each not in sentence.uncertain}
        return with_clause if said == wanted else alone


def _alone(sentence: Sentence) -> str:
    return without_comparisons(sentence.text)


def _is_of_everything(sentence: Sentence) -> bool:
    """Whether it compares the whole film: "No interval change." tells of no finding and of no place."""
    names_finding = sentence.present | sentence.uncertain | sentence.absent
    if names_finding or not has_comparison(sentence.text):
        return False
    return not any(term.kind == "place" for term in read_terms(sentence.text))


def _has_changed(became: Mapping[str, str]) -> bool:
    return bool(set(became.values()) - {"unchanged"})


def _clause(sentence: str) -> str:
    """What a comparison adds between a comma and the full stop; "" where it is worded otherwise."""
    alone = without_comparisons(sentence).rstrip(_ENDS)
    added = sentence.removeprefix(alone) if alone and sentence.startswith(alone) else ""
    return added if added.startswith(", ") and added.endswith(".") else ""
