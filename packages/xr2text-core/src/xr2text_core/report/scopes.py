"""What the cues of a sentence say about its findings, and which side and size belongs to which finding.

Cue scopes are the idea of NegEx (Chapman et al. 2001) and of the CheXpert labeler (Irvin et al. 2019); this is neither
of them. A scope ends with its sentence at the latest.
"""

from itertools import pairwise

from xr2text_core.report.attributes import CLAUSE_ENDS, LISTS
from xr2text_core.report.places import SHARES_SIDE
from xr2text_core.report.terms import Term

# cue -> what holds for the findings after it
SCOPES = {"no": "absent", "maybe": "uncertain", "versus": "uncertain", "past": "past", "advice": "advice"}


def apply_cues(terms: list[Term]) -> None:
    """Walk through the sentence and let each cue act on the findings after it or before it."""
    forward: str | None = None
    has_acted = False
    clause: list[Term] = []
    for index, term in enumerate(terms):
        if term.kind == "finding":
            clause.append(term)
            has_acted = True
            if forward in ("past", "advice"):
                term.dropped = True
            elif forward is not None:
                term.status = _weaker(term.status, forward)
        elif term.kind == "cue":
            if has_acted or forward != "uncertain" or term.meaning not in ("verb", "there"):
                forward = _next_scope(terms, index, forward)
                has_acted = False
            _act_backwards(term.meaning, clause)
            if term.meaning in CLAUSE_ENDS:
                clause = []
        elif forward == "absent" and _starts_afresh(terms, index):
            forward = None


def _act_backwards(cue: str, clause: list[Term]) -> None:
    """Let "has resolved", "cannot be excluded" or "versus" change the findings before it."""
    if cue == "gone":
        for finding in clause:
            finding.status = "absent"
    elif cue == "doubted":
        for finding in clause:
            finding.status = _weaker(finding.status, "uncertain")
    elif cue == "versus" and clause:
        clause[-1].status = _weaker(clause[-1].status, "uncertain")


def _weaker(status: str, cue: str) -> str:
    return cue if status != "absent" else status


def _next_scope(terms: list[Term], index: int, forward: str | None) -> str | None:
    """What holds for the findings after a cue: absent, uncertain, past, advice, or None (they are stated)."""
    meaning = terms[index].meaning
    if meaning in SCOPES:
        if forward == "advice" or (forward == "absent" and SCOPES[meaning] == "uncertain"):
            return forward
        return SCOPES[meaning]
    if meaning in CLAUSE_ENDS:
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
    """After "no effusion," a side or a size opens a new statement; "large" does not: "no opacity, large effusion"."""
    term = terms[index]
    return (term.kind == "side" or term.meaning in ("mild", "moderate")) and _follows_list(terms, index)


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
