"""Reads which findings a report states, denies or doubts, and where: labels for the curriculum and the clinical score.

A sentence becomes a row of terms (terms.py), attributes join their places (attributes.py), and cues act on the findings
around them, never beyond the sentence (scopes.py). The words are in phrases.py, places.py and cues.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from xr2text_core.report.attributes import join_attributes
from xr2text_core.report.places import FINDING_REGION, MOVABLE, PLACE_REGIONS, USUAL_SIDE
from xr2text_core.report.scopes import apply_cues, apply_neighbours, share_sides
from xr2text_core.report.sections import has_sections, read_sections
from xr2text_core.report.terms import Term, read_terms
from xr2text_core.report.vocabulary import DEVICES, REGIONS, SEVERITIES

LABELER_VERSION = 2  # counts up when the same text gets other labels
BOTH_LUNGS = ("right lung", "left lung")
# A full stop inside a number ends nothing; a question mark does not when its answer follows.
SENTENCE_END = re.compile(r"\.(?!\d)|\.(?<!\d.)|[!;]|\n\n")
QUESTION = re.compile(r"(?<=\w\?)(?!\s*(?:no|none|yes|negative)\b)", re.IGNORECASE)
# A label with its colon begins a sentence ("None Pneumothorax:"), unless it is the answer behind another colon.
LABEL = re.compile(r"(?:^|(?<![:\s])\s+)([A-Z][\w/&-]*(?: [\w/&-]+){0,4}? ?:(?!\d))")
# So does a new line that begins with a list mark or a capital, or stands below a short line that nobody would wrap,
# unless the line before it cannot end there.
BEGINS_LINE = re.compile(r"\s*(?:[-*•]\s|\d+\)|[A-Z][a-z]|$)")
SHORT_LINE = 30  # characters
CONTINUES = re.compile(
    r"(?:[,(]|(?<![:=] )\b(?:a|an|and|are|as|at|by|for|from|in|is|no|of|on|or|the|to|with"
    r"|focal|large|small|new|right|left|acute|significant|pleural))\s*$",
    re.IGNORECASE,
)


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


def label_report(text: str) -> ReportLabels:
    """Label a report: findings, impression or both, in any case; of a full report with headers, these two sections."""
    sentences = SENTENCE_END.split(with_breaks(text))
    mentions = tuple(mention for sentence in sentences for mention in label_sentence(sentence.strip()))
    mentions = tuple(_place_by_the_others(mention, mentions) for mention in mentions)
    is_normal = all(mention.status == "absent" or mention.finding == DEVICES for mention in mentions)
    return ReportLabels(mentions, is_normal)


def with_breaks(text: str) -> str:
    """The text that is read (findings and impression), with an empty line where a sentence ends without its mark."""
    if has_sections(text):
        report = read_sections(text)
        text = f"{report.findings}\n\n{report.impression}"
    if "\n" in text:
        text = _join_wrapped_lines(text)
    if ":" in text:
        text = LABEL.sub(r"\n\n\1", text)
    if "?" in text:
        text = QUESTION.sub("\n\n", text)
    return text


def _is_wrapped(before: str, line: str) -> bool:
    if not line.strip() or not before.strip():
        return False
    return bool(CONTINUES.search(before)) or (len(before.strip()) >= SHORT_LINE and not BEGINS_LINE.match(line))


def _join_wrapped_lines(text: str) -> str:
    lines = text.split("\n")
    parts = [" " if _is_wrapped(before, line) else "\n\n" for before, line in pairwise(lines)]
    return "".join(part + line for part, line in zip(["", *parts], lines, strict=True))


@lru_cache(maxsize=16384)  # radiologists repeat their sentences
def label_sentence(sentence: str) -> tuple[Mention, ...]:
    """Label one sentence without its full stop."""
    terms = join_attributes(read_terms(sentence))
    findings = [term for term in terms if term.kind == "finding"]
    if not findings:
        return ()
    apply_cues(terms)
    apply_neighbours(terms)
    share_sides(findings)
    return tuple(_mention(term) for term in findings if not term.dropped)


def _mention(term: Term) -> Mention:
    side = _side(term.sides) or next((USUAL_SIDE[place] for place in term.places if place in USUAL_SIDE), None)
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
