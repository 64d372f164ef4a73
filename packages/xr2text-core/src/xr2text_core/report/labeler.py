"""Reads which findings a report states, denies or doubts, and where: the labels of the curriculum and the clinical score.

A sentence becomes a row of terms (phrases.py); cues then act on the findings after or before them and never leave
their sentence. Cue scopes are the idea of NegEx (Chapman et al. 2001) and of the CheXpert labeler (Irvin et al. 2019);
this is neither of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from xr2text_core.report.phrases import (
    ATTRIBUTE_OF_PLACE,
    FINDING_REGION,
    MOVABLE,
    PLACE_REGIONS,
    lexicon,
)
from xr2text_core.report.vocabulary import REGIONS, SEVERITIES

DEVICES = "support devices"
SENTENCE_END = re.compile(r"[.?!;]+(?!\d)|\n\s*(?:\n|[-*\d])")
WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[,:()]")
BOTH_LUNGS = ("right lung", "left lung")


@dataclass(frozen=True)
class Mention:
    """One finding as one sentence states it."""

    finding: str  # of FINDINGS
    status: str  # "present", "uncertain" or "absent"
    regions: tuple[str, ...] = ()  # of REGIONS, where it is; empty when it lies in none of them (devices, ribs)
    side: str | None = None  # of SIDES
    severity: str | None = None  # of SEVERITIES


@dataclass(frozen=True)
class ReportLabels:
    """All mentions of a report; over several mentions of a finding, present beats uncertain beats absent."""

    mentions: tuple[Mention, ...]
    is_normal: bool  # nothing abnormal is present or uncertain; devices alone do not make a report abnormal

    @property
    def present(self) -> frozenset[str]:
        return frozenset(mention.finding for mention in self.mentions if mention.status == "present")

    @property
    def uncertain(self) -> frozenset[str]:
        return frozenset(mention.finding for mention in self.mentions if mention.status == "uncertain") - self.present

    @property
    def absent(self) -> frozenset[str]:
        denied = frozenset(mention.finding for mention in self.mentions if mention.status == "absent")
        return denied - self.present - self.uncertain

    @property
    def regions(self) -> frozenset[str]:
        """The regions of the findings that are present."""
        return frozenset(
            region for mention in self.mentions if mention.status == "present" for region in mention.regions
        )

    @property
    def severity(self) -> str | None:
        """The worst severity of a finding that is present; None when the report states none."""
        stated = [SEVERITIES.index(m.severity) for m in self.mentions if m.status == "present" and m.severity]
        return SEVERITIES[max(stated)] if stated else None


@dataclass
class Term:
    """A phrase found in a sentence: words[start:end]; for a finding also what the cues and neighbours say about it."""

    kind: str
    meaning: str
    start: int
    end: int
    status: str = "present"
    dropped: bool = False
    sides: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    severity: str | None = None


def label_report(text: str) -> ReportLabels:
    """Label the text of one report (findings, impression or both; any case; upper-case section headers do no harm)."""
    mentions = tuple(mention for sentence in SENTENCE_END.split(text) for mention in label_sentence(sentence.strip()))
    mentions = tuple(_place_by_the_others(mention, mentions) for mention in mentions)
    is_normal = all(mention.status == "absent" or mention.finding == DEVICES for mention in mentions)
    return ReportLabels(mentions, is_normal)


@lru_cache(maxsize=16384)  # radiologists repeat their sentences
def label_sentence(sentence: str) -> tuple[Mention, ...]:
    """Label one sentence without its full stop."""
    terms = _read_terms(WORD.findall(sentence.lower()))
    terms = _join_attributes(terms)
    findings = [term for term in terms if term.kind == "finding"]
    if not findings:
        return ()
    _apply_cues(terms)
    _apply_neighbours(terms)
    return tuple(_mention(term) for term in findings if not term.dropped)


def _read_terms(words: list[str]) -> list[Term]:
    """Find the longest phrase at each word; a phrase with several meanings gives several terms."""
    table = lexicon()
    terms: list[Term] = []
    position = 0
    while position < len(words):
        length = 0
        for rest, kind, meaning in table.get(words[position], ()):
            if length and len(rest) + 1 < length:
                break
            if tuple(words[position + 1 : position + 1 + len(rest)]) == rest:
                length = len(rest) + 1
                terms.append(Term(kind, meaning, position, position + length))
        position += length or 1
    return terms


def _join_attributes(terms: list[Term]) -> list[Term]:
    """Replace each attribute by the findings that it makes of its place; drop it when there is no such place."""
    joined: list[Term] = []
    for index, term in enumerate(terms):
        if term.kind != "attribute":
            joined.append(term)
            continue
        joined.extend(_findings_of_attribute(terms, index))
    return joined


def _findings_of_attribute(terms: list[Term], index: int) -> list[Term]:
    attribute = terms[index]
    if attribute.meaning == "calcified" and _next_finding(terms, index) == "granuloma":
        return []
    places = [place.meaning for place in _places_of(terms, index)]
    found = [(finding, place) for place in places for finding in ATTRIBUTE_OF_PLACE[attribute.meaning, place]]
    if not found and attribute.meaning in ("calcified", "calcification"):
        found = [("calcification", "")]
    status = "absent" if attribute.meaning == "normal" else "present"
    return [
        Term("finding", finding, attribute.start, attribute.end, status, places=[place] if place else [])
        for finding, place in found
    ]


def _next_finding(terms: list[Term], index: int) -> str | None:
    """The finding that an adjective stands before, if only places, sides and sizes stand between."""
    for term in terms[index + 1 :]:
        if term.kind in ("cue", "attribute"):
            return None
        if term.kind == "finding":
            return term.meaning
    return None


def _places_of(terms: list[Term], index: int) -> list[Term]:
    """The places an attribute speaks of: the next one if nothing stands between, else those before it, else any later."""
    attribute = terms[index]

    def fits(term: Term) -> bool:
        return term.kind == "place" and (attribute.meaning, term.meaning) in ATTRIBUTE_OF_PLACE

    for term in terms[index + 1 :]:
        if fits(term):
            return [term]
        if term.kind in ("finding", "attribute") or (term.kind == "cue" and term.meaning != "of"):
            break
    places: list[Term] = []
    for term in reversed(terms[:index]):
        if fits(term):
            places.append(term)
        elif _ends_the_search(term, bool(places)):
            break
    return places or [term for term in terms[index + 1 :] if fits(term)][:1]


def _ends_the_search(term: Term, has_places: bool) -> bool:
    if term.kind == "cue":
        return term.meaning in ("but", "break") or (has_places and term.meaning not in ("list", "of"))
    return term.kind == "finding"


def _apply_cues(terms: list[Term]) -> None:
    """Walk through the sentence and let each cue act on the findings after it or before it."""
    forward: str | None = None
    clause: list[Term] = []
    for index, term in enumerate(terms):
        if term.kind == "finding":
            clause.append(term)
            if forward == "history":
                term.dropped = True
            elif forward is not None:
                term.status = _weaker(term.status, forward)
        elif term.kind == "cue":
            forward = _next_scope(terms, index, forward)
            if term.meaning in ("gone", "doubted", "versus"):
                for finding in clause:
                    finding.status = "absent" if term.meaning == "gone" else _weaker(finding.status, "uncertain")
            if term.meaning in ("but", "break"):
                clause = []
        elif forward == "absent" and _starts_afresh(terms, index):
            forward = None


def _weaker(status: str, cue: str) -> str:
    return cue if status != "absent" else status


def _next_scope(terms: list[Term], index: int, forward: str | None) -> str | None:
    """Return what holds for the findings after a cue: absent, uncertain, history or None (they are stated)."""
    meaning = terms[index].meaning
    if meaning in ("no", "history", "maybe", "versus"):
        if forward == "history":
            return forward
        scope = {"no": "absent", "history": "history"}.get(meaning, "uncertain")
        return forward if forward == "absent" and scope == "uncertain" else scope
    if meaning == "with":
        return None if forward == "absent" else forward
    if meaning in ("but", "break", "verb"):
        return forward if forward == "history" and meaning == "verb" else None
    if meaning == "fresh" and forward == "absent" and _follows_list(terms, index):
        return None
    return forward


def _follows_list(terms: list[Term], index: int) -> bool:
    before = terms[index - 1] if index else None
    return before is not None and before.meaning == "list" and before.end == terms[index].start


def _starts_afresh(terms: list[Term], index: int) -> bool:
    """After "no effusion," a severity opens a new statement."""
    term = terms[index]
    return term.kind == "severity" and term.meaning != "severe" and _follows_list(terms, index)


def _apply_neighbours(terms: list[Term]) -> None:
    """Give each side, place and severity to a finding: behind a preposition to the one before, else to the next."""
    previous: list[Term] = []
    waiting: list[Term] = []
    before: list[Term] = []
    after_preposition = False
    for term in terms:
        if term.kind == "finding":
            if previous and previous[-1].start == term.start:
                previous.append(term)
            else:
                previous, before, waiting = [term], waiting, []
            _attach([term], before)
            after_preposition = False
        elif term.kind == "cue":
            if term.meaning == "of":
                after_preposition = True
            elif term.meaning in ("list", "but", "break"):
                after_preposition = after_preposition and term.meaning == "list" and not waiting
        elif previous and after_preposition:
            _attach(previous, [term])
        else:
            waiting.append(term)
    _attach(previous, waiting)


def _attach(findings: list[Term], words: list[Term]) -> None:
    for finding in findings:
        finding.sides += [word.meaning for word in words if word.kind == "side"]
        finding.places += [word.meaning for word in words if word.kind == "place"]
        sizes = [word.meaning for word in words if word.kind == "severity"]
        finding.severity = finding.severity or (sizes[-1] if sizes else None)
        finding.dropped = finding.dropped or "elsewhere" in finding.places


def _mention(term: Term) -> Mention:
    side = _side(term.sides)
    return Mention(term.meaning, term.status, _regions(term, side), side, term.severity)


def _side(sides: list[str]) -> str | None:
    stated = set(sides)
    if not stated:
        return None
    return stated.pop() if len(stated) == 1 else "bilateral"


def _regions(term: Term, side: str | None) -> tuple[str, ...]:
    region = FINDING_REGION.get(term.meaning, "lung")
    for place in term.places:
        if place in MOVABLE.get(term.meaning, ()):
            region = PLACE_REGIONS.get(place, "")
            break
    if region == "lung":
        return (f"{side} lung",) if side in ("right", "left") else BOTH_LUNGS
    return (region,) if region in REGIONS else ()


def _place_by_the_others(mention: Mention, mentions: tuple[Mention, ...]) -> Mention:
    """A finding named without its side is the one that another sentence placed."""
    if mention.side is not None or mention.regions != BOTH_LUNGS:
        return mention
    placed = [m for m in _same_finding(mention, mentions) if m.side is not None and m.regions]
    regions = tuple(region for region in REGIONS if any(region in m.regions for m in placed))
    return replace(mention, regions=regions) if regions else mention


def _same_finding(mention: Mention, mentions: tuple[Mention, ...]) -> Iterator[Mention]:
    return (m for m in mentions if m.finding == mention.finding and m.status == mention.status)
