"""Makes a report say chosen findings: sentences that contradict them go, typical training sentences are added.

The labeler reads every sentence before and the whole report after, so what an edited report says is known, not hoped.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from xr2text_core.report.cleaning import clean_mimic
from xr2text_core.report.labeler import SENTENCE_END, label_report, with_breaks
from xr2text_core.report.vocabulary import FINDINGS

MOST_PHRASES = 6  # kept for each finding
MOST_COMPARED = 400  # the commonest sentences of a finding are compared with each other
LUNG_FINDINGS = frozenset(
    {
        *("lung opacity", "consolidation", "edema", "pneumonia", "atelectasis"),
        *("lung lesion", "interstitial markings", "scarring", "granuloma"),
    }
)
# Of one study alone: a measure, a comparison with an earlier film.
_PARTICULAR = re.compile(
    r"\d|\b(?:stable|(?:un)?changed?|again|prior|previous(?:ly)?|compar\w+|interval|new(?:ly)?"
    r"|(?:in|de)creas\w+|developing|develop(?:ed|ment)|improv\w+|worsen\w+|resol\w+|residual|remains?|persist\w+)\b",
    re.IGNORECASE,
)
_CLEAR = re.compile(r"\bclear\b", re.IGNORECASE)  # of lungs, which names no finding and yet denies all of theirs


@dataclass(frozen=True)
class Sentence:
    """A sentence with its full stop, and the findings that the labeler reads in it alone."""

    text: str
    present: frozenset[str]
    uncertain: frozenset[str]
    absent: frozenset[str]

    def contradicts(self, findings: frozenset[str]) -> bool:
        """Whether it asserts or suspects other findings, or denies one of these."""
        if (self.present | self.uncertain) - findings or self.absent & findings:
            return True
        return bool(findings & LUNG_FINDINGS and not self.present and _CLEAR.search(self.text))


@dataclass(frozen=True)
class Phrase:
    """A typical sentence and its usual place in a report: 0 (first) to 1 (last)."""

    sentence: Sentence
    place: float


@dataclass(frozen=True)
class Phrases:
    """The most central training sentences, best first: those that assert one finding alone, and those that assert none.

    A finding that no training sentence asserts alone has no entry.
    """

    of_finding: Mapping[str, tuple[Phrase, ...]]
    normal: tuple[Phrase, ...]


def sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences of a report as the labeler separates them; list numbers and other pieces without letters are left
    out. Joined by spaces they are read again as the same sentences.
    """
    text = with_breaks(text)
    ends = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    pieces = (text[start:end].strip() for start, end in pairwise(ends))
    return tuple(_read(_ended(piece)) for piece in pieces if any(map(str.isalpha, piece)))


def typical_phrases(reports: Iterable[str]) -> Phrases:
    """At most six phrases for each finding: those most similar (ROUGE-L) to all its one-finding sentences. The longer
    half, and sentences with a measure or a comparison, stand in only where a finding has no others.
    """
    counts: dict[str, Counter[Sentence]] = defaultdict(Counter)
    places: dict[Sentence, list[float]] = defaultdict(list)
    for report in map(sentences, reports):
        for index, sentence in enumerate(report):
            if len(sentence.present) <= 1 and not sentence.uncertain:
                counts[next(iter(sentence.present), "")][sentence] += 1
                places[sentence].append(index / max(1, len(report) - 1))
    best = {
        finding: tuple(Phrase(sentence, float(np.mean(places[sentence]))) for sentence in _central(counts[finding]))
        for finding in ("", *FINDINGS)
        if finding in counts
    }
    return Phrases({finding: each for finding, each in best.items() if finding}, best.get("", ()))


def edited(text: str, findings: Collection[str], phrases: Phrases, choice: int = 0, append: bool = False) -> str:
    """The report without the sentences that contradict `findings`, and with a typical sentence for each finding that
    none asserts, at its usual place or, with `append`, at the end; `choice` 1 takes the second phrase of each finding.

    The labeler reads the result again: where it does not find exactly `findings` present, typical sentences alone are
    taken if they come nearer. A finding without a phrase is left out, and the text is empty only where neither report
    nor phrases have a sentence.
    """
    wanted = frozenset(findings)
    report = sentences(text)
    kept = [sentence for sentence in report if not sentence.contradicts(wanted)]
    for phrase in _missing(kept, wanted, phrases, choice):
        kept.insert(len(kept) if append else round(phrase.place * len(kept)), phrase.sentence)
    alone = _missing([], wanted, phrases, choice) or phrases.normal[:1]
    in_order = [phrase.sentence for phrase in sorted(alone, key=lambda phrase: phrase.place)]
    texts = [" ".join(each.text for each in draft) for draft in (kept, in_order, report) if draft]
    return nearest(texts, wanted)[0] if texts else ""


def nearest(texts: Sequence[str], findings: Collection[str]) -> list[str]:
    """The texts that obey best: the fewest findings are asserted but not wanted, or wanted but not asserted."""
    wrong = [len(label_report(text).present ^ frozenset(findings)) for text in texts]
    return [text for text, each in zip(texts, wrong, strict=True) if each == min(wrong)]


def _ended(piece: str) -> str:
    return piece if piece[-1] in ".!?;:" else f"{piece}."


@lru_cache(maxsize=16384)  # radiologists repeat their sentences
def _read(text: str) -> Sentence:
    labels = label_report(text)
    return Sentence(text, labels.present, labels.uncertain, labels.absent)


def _central(counts: Counter[Sentence]) -> list[Sentence]:
    compared = counts.most_common(MOST_COMPARED)
    words = [clean_mimic(sentence.text).split() for sentence, _ in compared]
    similarity = cdist(words, words, scorer=Indel.normalized_similarity, workers=1)  # 2 LCS / (sum of lengths)
    centrality = similarity @ np.array([count for _, count in compared], dtype=np.float64)
    ranked = np.argsort(-centrality, kind="stable")
    median_length = np.median([len(each) for each in words])
    short = [compared[index][0] for index in ranked if len(words[index]) <= median_length]
    capitals = any(each.text[0].isupper() for each in short)  # then a small letter begins a fragment
    general = [
        each for each in short if not _PARTICULAR.search(each.text) and not (capitals and each.text[0].islower())
    ]
    return (general or short)[:MOST_PHRASES]


def _missing(kept: Sequence[Sentence], wanted: frozenset[str], phrases: Phrases, choice: int) -> Sequence[Phrase]:
    """A phrase for each wanted finding that no kept sentence asserts, in the order of FINDINGS."""
    asserted = frozenset[str]().union(*(sentence.present for sentence in kept))
    left = [finding for finding in FINDINGS if finding in wanted - asserted and finding in phrases.of_finding]
    return [_chosen(phrases.of_finding[finding], wanted, choice) for finding in left]


def _chosen(options: Sequence[Phrase], wanted: frozenset[str], choice: int) -> Phrase:
    fitting = [phrase for phrase in options if not phrase.sentence.contradicts(wanted)] or options
    return fitting[choice % len(fitting)]
