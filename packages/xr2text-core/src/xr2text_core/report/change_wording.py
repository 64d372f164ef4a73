"""Makes a report say what became of chosen findings since the last study, in the words of training reports.

A change is worded by a clause that is put before a full stop (", unchanged since the prior study"), and that a finding
has gone by a sentence. The report says no other change then, and asserts the findings that it asserted before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xr2text_core.report.comparisons import changes, has_comparison, without_comparisons
from xr2text_core.report.editing import Sentence, sentences
from xr2text_core.report.labeler import label_report

GONE = "resolved"


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
                if len(said) != 1 or len(sentence.present) > 1:
                    continue
                [(finding, change)] = said.items()
                if change == GONE:
                    gone[finding][sentence.text] += 1
                    places[finding].append(index / max(1, len(report) - 1))
                elif clause := _clause(sentence.text):
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
        """The report with these changes by finding, and with no others; None: nobody has an earlier study, so that it
        compares with none. "" stays "".

        A sentence that says all of its findings' changes stays; else its own comparison goes, and where it asserts one
        finding, the clause is added. That nothing at all has changed stays where it is so. What cannot be worded is
        left out.
        """
        if became is None or not text:
            return without_comparisons(text) or text
        kept = [new for each in sentences(text) if (new := self._rewritten(each, became))]
        said = changes(" ".join(kept))
        for finding in (each for each, change in became.items() if change == GONE and each not in said):
            if finding in self.gone:
                sentence, place = self.gone[finding]
                kept.insert(round(place * len(kept)), sentence)
        written = " ".join(kept)
        return written if label_report(written).present == label_report(text).present else without_comparisons(text)

    def _rewritten(self, sentence: Sentence, became: Mapping[str, str]) -> str:
        said = {each: change for each, change in changes(sentence.text).items() if each not in sentence.uncertain}
        wanted = {finding: became[finding] for finding in sentence.present if finding in became}
        is_right = all(became.get(finding) == change for finding, change in said.items())
        is_idle = not said and has_comparison(sentence.text)  # "No interval change."
        if is_right and wanted.keys() <= said.keys() and not (is_idle and set(became.values()) - {"unchanged"}):
            return sentence.text
        alone = without_comparisons(sentence.text)
        if not alone or len(wanted) != 1 or len(sentence.present) != 1:
            return alone
        [(finding, change)] = wanted.items()
        with_clause = alone.rstrip(".") + self.clauses.get(change, ".")
        return with_clause if changes(with_clause).get(finding) == change else alone


def _clause(sentence: str) -> str:
    """What a comparison adds between a comma and the full stop; "" where it is worded otherwise."""
    alone = without_comparisons(sentence).rstrip(".")
    added = sentence.removeprefix(alone) if alone and sentence.startswith(alone) else ""
    return added if added.startswith(", ") else ""
