"""What the cues of a sentence say about its findings, and which side and size belongs to which finding.

Cue scopes are the idea of NegEx (Chapman et al. 2001) and of the CheXpert labeler (Irvin et al. 2019); this is neither
of them. A scope ends with its sentence at the latest.
"""

from itertools import pairwise

from xr2text_core.report.attributes import CLAUSE_ENDS, LISTS
from xr2text_core.report.places import SHARES_SIDE
from xr2text_core.report.terms import Term
from xr2text_core.report.vocabulary import DEVICES

# cue -> what holds for the findings after it
SCOPES = {
    "no": "absent",
    "maybe": "uncertain",
    "versus": "uncertain",
    "past": "past",
    "operated": "operated",
    "advice": "advice",
}
# cue -> what holds for the findings before it
BACKWARD = {"gone": "absent", "doubted": "uncertain"}
# A cue that stands on either side of its finding: "suspected edema", "edema suspected".
EITHER_SIDE = {"resolved": ("no", "gone"), "possible": ("maybe", "doubted")}


def apply_cues(terms: list[Term]) -> None:
    """Walk through the sentence and let each cue act on the findings after it or before it."""
    forward: str | None = None
    has_acted = False
    clause: list[Term] = []  # findings since the last end of a clause, and the cues between them
    for index, term in enumerate(terms):
        if term.kind == "finding":
            clause.append(term)
            has_acted = True
            _act_forwards(forward, term)
        elif term.kind == "cue":
            meaning = _on_its_side(terms, index, clause)
            if has_acted or forward != "uncertain" or meaning not in ("verb", "there", "cause"):
                forward = _next_scope(terms, index, meaning, forward, has_acted)
                has_acted = has_acted and meaning in LISTS
            _act_backwards(meaning, clause)
            _answer(terms, index, meaning, clause)
            if meaning == "removed":
                _remove_devices(terms, index, clause)
            if meaning in CLAUSE_ENDS:
                clause = []
            else:
                clause.append(term)
        elif forward == "absent" and _starts_afresh(terms, index):
            forward = None


def _on_its_side(terms: list[Term], index: int, clause: list[Term]) -> str:
    """The meaning of a cue; of one that may stand on either side of its finding, the side on which it does."""
    cue = terms[index]
    if cue.meaning not in EITHER_SIDE:
        return cue.meaning
    forwards, backwards = EITHER_SIDE[cue.meaning]
    if not any(term.kind == "finding" for term in clause):
        return forwards
    before, after = terms[index - 1], terms[index + 1]
    next_kind = after.meaning if after.kind == "cue" else after.kind
    if after.start > cue.end:
        next_kind = "other words"
    if _meaning_just_before(terms, index) in LISTS and any(term.kind == "finding" for term in terms[index + 1 :]):
        return forwards
    if before.meaning == "verb" or next_kind in (*LISTS, *CLAUSE_ENDS, "end"):
        return backwards
    is_predicate = clause[-1].meaning == "verb" or (before.kind != "cue" or before.end < cue.start)
    return backwards if is_predicate and next_kind in ("other words", "of", "with", "verb") else forwards


def _act_forwards(scope: str | None, finding: Term) -> None:
    if scope == "past" and finding.status == "absent":
        return  # "history of emphysema, clear lungs"
    if scope in ("past", "advice") or (scope == "operated" and finding.meaning != DEVICES):
        finding.dropped = True
    elif scope in ("absent", "uncertain"):
        finding.status = _weaker(finding.status, scope)


def _act_backwards(cue: str, clause: list[Term]) -> None:
    """Let "has resolved", "cannot be excluded" or "versus" change the findings before it."""
    if cue in BACKWARD:
        for finding in _subjects(clause):
            finding.status = BACKWARD[cue] if cue == "gone" else _weaker(finding.status, BACKWARD[cue])
    elif cue == "versus":
        for finding in [term for term in clause if term.kind == "finding"][-1:]:
            finding.status = _weaker(finding.status, "uncertain")


def _answer(terms: list[Term], index: int, cue: str, clause: list[Term]) -> None:
    """What a cue right behind a label says about the label: "Consolidation: no evidence", "Effusion: possible"."""
    status = SCOPES.get(cue)
    if status in ("absent", "uncertain") and _meaning_just_before(terms, index) == "label":
        for finding in _subjects(clause):
            finding.status = _weaker(finding.status, status)


def _subjects(clause: list[Term]) -> list[Term]:
    """The last finding of a clause with those that are listed with it: both of "edema or effusion", one of "a, b"."""
    found: list[Term] = []
    is_joined = False
    for term in reversed(clause):
        if term.kind == "finding":
            found.append(term)
        elif found and (term.meaning == "verb" or (term.meaning == "comma" and not is_joined)):
            break
        elif found and term.meaning in ("and", "or"):
            is_joined = True
    return found


def _remove_devices(terms: list[Term], index: int, clause: list[Term]) -> None:
    """Devices that were removed: those before "was removed", else those after "removal of"."""
    before = [term for term in clause if term.meaning == DEVICES]
    after = [term for term in terms[index:] if term.meaning == DEVICES]
    for device in before or after:
        device.status = "absent"


def _weaker(status: str, cue: str) -> str:
    return cue if status != "absent" else status


def _next_scope(terms: list[Term], index: int, meaning: str, forward: str | None, has_acted: bool) -> str | None:
    """What holds for the findings after a cue: absent, uncertain, past, advice, or None (they are stated)."""
    if meaning in SCOPES:
        if forward == "advice" or (forward == "absent" and SCOPES[meaning] == "uncertain"):
            return forward
        return SCOPES[meaning]
    is_doubt_next = index + 1 < len(terms) and terms[index + 1].meaning == "maybe"
    if meaning == "relative" and forward == "absent" and is_doubt_next:
        return forward  # "no opacity that could be pneumonia"
    if meaning == "label" and _meaning_just_before(terms, index) in SCOPES:
        return forward  # "Negative for: effusion, edema", "History: emphysema"
    if meaning in CLAUSE_ENDS or meaning in ("label", "dash"):
        return None
    if meaning == "verb":
        return forward if forward == "advice" or (not has_acted and _is_denied_subject(terms, index)) else None
    if meaning == "with":
        return None if forward in ("absent", "past", "operated") else forward
    if meaning == "fresh" and forward == "absent" and _meaning_just_before(terms, index) in ("comma", "and"):
        return None
    return forward


def _is_denied_subject(terms: list[Term], index: int) -> bool:
    """True in "neither lung shows consolidation" and "none of the ribs is fractured"."""
    verb = terms[index]
    before = [term for term in terms[:index] if term.kind != "side"]
    if not before or before[-1].kind != "place" or before[-1].end != verb.start:
        return False
    cues = [term for term in before if term.kind != "place" and term.meaning != "of"]
    return bool(cues) and cues[-1].meaning == "no"


def _meaning_just_before(terms: list[Term], index: int) -> str | None:
    """The meaning of the term that ends where this one begins; None when other words stand between."""
    before = terms[index - 1] if index else None
    return before.meaning if before is not None and before.end == terms[index].start else None


def _starts_afresh(terms: list[Term], index: int) -> bool:
    """After "no effusion," a side or a size opens a new statement; "large" does not: "no opacity, large effusion"."""
    term = terms[index]
    is_new = term.kind == "side" or term.meaning in ("mild", "moderate")
    return is_new and _meaning_just_before(terms, index) in ("comma", "and")


def apply_neighbours(terms: list[Term]) -> None:
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
            is_listed = term.meaning in LISTS
            has_preposition = term.meaning not in CLAUSE_ENDS
        elif term.kind == "cue":
            has_preposition = term.meaning == "of" and bool(previous)
        elif has_preposition and not is_listed:
            _attach(previous, [term])
        else:
            waiting.append(term)
    _attach(previous, waiting)


def _attach(findings: list[Term], words: list[Term]) -> None:
    if not words:
        return
    for finding in findings:
        finding.sides += [word.meaning for word in words if word.kind == "side"]
        finding.places += [word.meaning for word in words if word.kind == "place"]
        sizes = [word.meaning for word in words if word.kind == "severity"]
        finding.severity = finding.severity or (sizes[-1] if sizes else None)
        finding.dropped = finding.dropped or "elsewhere" in finding.places


def share_sides(findings: list[Term]) -> None:
    """A finding without a side takes that of the finding before it, else the one after it, in the same sentence."""
    sharing = [term for term in findings if term.meaning in SHARES_SIDE and term.status != "absent"]
    for before, after in pairwise(sharing):
        after.sides = after.sides or before.sides
    for before, after in pairwise(reversed(sharing)):
        after.sides = after.sides or before.sides
