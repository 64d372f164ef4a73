"""Reads which findings a report states, denies or doubts, and where: labels for the curriculum and the clinical score.

A sentence becomes a row of terms (phrases.py); cues then act on the findings after or before them and never leave
their sentence. Cue scopes are the idea of NegEx (Chapman et al. 2001) and of the CheXpert labeler (Irvin et al. 2019);
this is neither of them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise, takewhile

from xr2text_core.report.phrases import (
    ATTRIBUTE_OF_PLACE,
    FINDING_REGION,
    MOVABLE,
    PLACE_REGIONS,
    SHARES_SIDE,
    lexicon,
)
from xr2text_core.report.vocabulary import REGIONS, SEVERITIES

DEVICES = "support devices"
SENTENCE_END = re.compile(r"[.?!;]+(?!\d)|\n\s*(?:\n|[-*\d])")
WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[,:()]")
FINDING_OF_LONE_ATTRIBUTE = {
    "calcified": "calcification",
    "calcification": "calcification",
    "tortuous": "aortic abnormality",
}
SCOPES = {"no": "absent", "maybe": "uncertain", "versus": "uncertain", "past": "past", "advice": "advice"}
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
    _share_sides(findings)
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
    if not found and attribute.meaning in FINDING_OF_LONE_ATTRIBUTE:
        found = [(FINDING_OF_LONE_ATTRIBUTE[attribute.meaning], "")]
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
    """The places of an attribute: the next one if nothing stands between, else those before it, else any later."""
    attribute = terms[index]

    def fits(term: Term) -> bool:
        return term.kind == "place" and (attribute.meaning, term.meaning) in ATTRIBUTE_OF_PLACE

    for position, term in enumerate(terms[index + 1 :], index + 1):
        if fits(term):
            return [term, *_listed_places(terms[position + 1 :], fits)] if attribute.meaning == "normal" else [term]
        if term.kind in ("finding", "attribute") or (term.kind == "cue" and term.meaning != "of"):
            break
    places: list[Term] = []
    for term in reversed(terms[:index]):
        if fits(term):
            places.append(term)
        elif _ends_the_search(term, bool(places)):
            break
    return places or _first_later_place(terms[index + 1 :], fits)


def _listed_places(terms: list[Term], fits: Callable[[Term], bool]) -> list[Term]:
    """The places that go on a list: "normal heart size and mediastinal contours"."""
    going_on = takewhile(lambda term: fits(term) or term.meaning == "list" or term.kind == "place", terms)
    return [term for term in going_on if fits(term)]


def _first_later_place(terms: list[Term], fits: Callable[[Term], bool]) -> list[Term]:
    for term in terms:
        if fits(term):
            return [term]
        if term.kind == "cue" and term.meaning in ("but", "break", "no"):
            break
    return []


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
            if forward in ("past", "advice"):
                term.dropped = True
            elif forward is not None:
                term.status = _weaker(term.status, forward)
        elif term.kind == "cue":
            forward = _next_scope(terms, index, forward)
            if term.meaning in ("gone", "doubted", "versus"):
                for finding in clause[-1:] if term.meaning == "versus" else clause:
                    finding.status = "absent" if term.meaning == "gone" else _weaker(finding.status, "uncertain")
            if term.meaning in ("but", "break"):
                clause = []
        elif forward == "absent" and _starts_afresh(terms, index):
            forward = None


def _weaker(status: str, cue: str) -> str:
    return cue if status != "absent" else status


def _next_scope(terms: list[Term], index: int, forward: str | None) -> str | None:
    """What holds for the findings after a cue: absent, uncertain, past, advice, or None (they are stated)."""
    meaning = terms[index].meaning
    if meaning in SCOPES:
        if forward == "advice" or (forward == "absent" and SCOPES[meaning] == "uncertain"):
            return forward
        return SCOPES[meaning]
    if meaning in ("but", "break"):
        return None
    if meaning == "verb":
        return forward if forward == "advice" else None
    if meaning == "with":
        return None if forward in ("absent", "past") else forward
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
    before: list[Term] = []
    waiting: list[Term] = []
    has_preposition = is_listed = False  # "opacity in the left base": yes, no; then "and a small right": yes, yes
    for term in terms:
        if term.kind == "finding":
            if not (previous and previous[-1].start == term.start):
                previous, before, waiting = [], waiting, []
            previous.append(term)
            _attach([term], before)
            has_preposition = is_listed = False
        elif term.kind == "cue" and has_preposition:
            _attach(previous, waiting)
            waiting = []
            is_listed = term.meaning == "list"
            has_preposition = term.meaning not in ("but", "break")
        elif term.kind == "cue":
            has_preposition = term.meaning == "of" and bool(previous)
        elif has_preposition and not is_listed:
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


def _share_sides(findings: list[Term]) -> None:
    """A finding without a side takes that of the finding before it, else the one after it, in the same sentence."""
    sharing = [term for term in findings if term.meaning in SHARES_SIDE and term.status != "absent"]
    for before, after in pairwise(sharing):
        after.sides = after.sides or before.sides
    for before, after in pairwise(reversed(sharing)):
        after.sides = after.sides or before.sides


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
