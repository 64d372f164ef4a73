"""Turns "the heart is enlarged" and "tortuous aorta" into findings: an attribute needs its place."""

from collections.abc import Callable
from itertools import takewhile

from xr2text_core.report.places import ATTRIBUTE_OF_PLACE, FINDING_OF_LONE_ATTRIBUTE
from xr2text_core.report.terms import Term
from xr2text_core.report.vocabulary import DEVICES

LISTS = ("comma", "and", "or")
CLAUSE_ENDS = ("but", "break", "there", "cause", "relative")


def join_attributes(terms: list[Term]) -> list[Term]:
    """Replace each attribute by the findings that it makes of its place; drop it when there is no such place."""
    joined: list[Term] = []
    for index, term in enumerate(terms):
        if term.kind != "attribute":
            joined.append(term)
            continue
        if term.meaning == "normal" and _is_predicate_of_finding(terms, index) and joined[-2].meaning != DEVICES:
            joined[-2].status = "absent"
        joined.extend(_findings_of_attribute(terms, index))
    return joined


def _is_predicate_of_finding(terms: list[Term], index: int) -> bool:
    """True in "interstitial markings are normal" and "interstitial markings: normal"."""
    before = terms[max(index - 2, 0) : index]
    return [term.kind for term in before] == ["finding", "cue"] and before[-1].meaning in ("verb", "label", "dash")


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
        if term.kind == "finding" and attribute.meaning in ("enlarged", "prominent"):
            return []  # "increased opacity over the mediastinum": it describes the opacity
        if term.kind in ("finding", "attribute") or (term.kind == "cue" and term.meaning != "of"):
            break
    places: list[Term] = []
    for term in reversed(terms[:index]):
        if fits(term):
            places.append(term)
        elif term.meaning == "but" and term.end == attribute.start:
            continue  # "the heart is stable but enlarged"
        elif _ends_the_search(term, bool(places)):
            break
    return places or _first_later_place(terms[index + 1 :], fits)


def _listed_places(terms: list[Term], fits: Callable[[Term], bool]) -> list[Term]:
    """The places that go on a list: "normal heart size and mediastinal contours"."""
    going_on = takewhile(lambda term: fits(term) or term.meaning in LISTS or term.kind == "place", terms)
    return [term for term in going_on if fits(term)]


def _first_later_place(terms: list[Term], fits: Callable[[Term], bool]) -> list[Term]:
    for term in terms:
        if fits(term):
            return [term]
        if term.kind == "cue" and term.meaning in (*CLAUSE_ENDS, "no"):
            break
    return []


def _ends_the_search(term: Term, has_places: bool) -> bool:
    if term.kind == "cue":
        if term.meaning == "relative":
            return has_places  # "the heart, which is enlarged"
        return term.meaning in CLAUSE_ENDS or (has_places and term.meaning not in (*LISTS, "of"))
    return term.kind == "finding"
