"""Finds the findings and the impression in a full radiology report, as MIMIC-CXR publishes it or as others write it.

A header stands at the start of a line, in capitals with a colon; known ones also in other letters, with a dash or a
semicolon, alone on their line, or inside it where they stand out. Capitals have typing errors: their closest known
name counts. Unknown headers (LUNGS:, HEART:) belong to the section they stand in. Of several sections of a kind the
last with text counts. Addenda and preliminary readings, divided from the report by a line of underscores, are not read.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from xr2text_core.report.report import Report

_KINDS = {
    **dict.fromkeys(
        (
            *("FINDINGS", "FINDING", "REPORT", "OBSERVATIONS", "DESCRIPTION", "INTERPRETATION", "RESULT", "RESULTS"),
            *("NARRATIVE", "FINDINGS AND IMPRESSION", "FINDINGS & IMPRESSION", "IMPRESSION AND FINDINGS"),
        ),
        "findings",
    ),
    **dict.fromkeys(("IMPRESSION", "IMPRESSIONS", "CONCLUSION", "CONCLUSIONS", "SUMMARY", "OPINION"), "impression"),
    **dict.fromkeys(
        (
            *("INDICATION", "INDICATIONS", "HISTORY", "CLINICAL HISTORY", "PATIENT HISTORY", "MEDICAL HISTORY"),
            *("CLINICAL INDICATION", "CLINICAL INFORMATION", "CLINICAL STATEMENT", "CLINICAL CONTEXT"),
            *("CLINICAL DETAILS", "CLINICAL DATA", "CLINICAL NOTES", "CLINICAL BACKGROUND", "PRESENTING COMPLAINT"),
            *("REASON FOR EXAM", "REASON FOR EXAMINATION", "REASON FOR STUDY", "REASON", "CLINICAL QUESTION"),
            *("REASON FOR THE EXAM", "REASON FOR REQUEST", "REASON FOR REFERRAL"),
        ),
        "indication",
    ),
    **dict.fromkeys(
        (
            *("EXAMINATION", "EXAM", "TYPE OF EXAMINATION", "STUDY", "PROCEDURE", "TECHNIQUE", "TECHNICAL FACTORS"),
            *(
                "COMPARISON DATE",
                "VIEWS",
                "COMPARISON",
                "COMPARISONS",
                "COMPARISON STUDY",
                "PRIOR STUDIES",
                "DATE",
                "ORDER NUMBER",
                "ACCESSION",
            ),
            *("NOTIFICATION", "NOTIFICATIONS", "RECOMMENDATION", "RECOMMENDATIONS", "COMMUNICATION", "ADDENDUM"),
            *("COMMENT", "COMMENTS", "WET READ", "PRELIMINARY READ", "ATTENDING", "RADIOLOGIST"),
            *("DICTATED BY", "DICTATED", "APPROVED BY", "APPROVED", "SIGNED BY", "READ BY", "REPORTED BY"),
            *("ATTENDING PHYSICIAN", "READING PHYSICIAN", "READING RADIOLOGIST", "INTERPRETED BY"),
            *("REVIEWED BY", "VERIFIED BY", "TRANSCRIBED BY", "ELECTRONICALLY SIGNED BY", "REFERRING PHYSICIAN"),
        ),
        "other",
    ),
}
# A title made of these words, such as CHEST, PA AND LATERAL, introduces the findings when nothing else does.
_TITLE_NOUNS = {"CHEST", "PA", "AP", "VIEW", "VIEWS", "RADIOGRAPH", "RADIOGRAPHS", "FILM", "FILMS", "XRAY", "CXR"}
_TITLE_WORDS = _TITLE_NOUNS | {
    *("LATERAL", "LAT", "FRONTAL", "PORTABLE", "UPRIGHT", "ERECT", "SUPINE", "SEMI", "SEMIUPRIGHT", "SEMIERECT"),
    *("BEDSIDE", "SINGLE", "ONE", "TWO", "THREE", "1", "2", "3", "X", "RAY", "RAYS"),
    *("AND", "OF", "THE", "A", "WITH", "ON", "AT", "AM", "PM", "HOURS", "HRS", "PERFORMED", "DATED"),
}
_CLOCK = re.compile(r"\d{1,2}:\d\d|\b\d{3,4}\b|_+|\b[AP]\.?M\b\.?")


def _any_of(names: Iterable[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


_KNOWN = _any_of(map(re.escape, _KINDS))
_IN_TITLE_CASE = _any_of(re.escape(name) for known in _KINDS for name in {known.title(), known.capitalize()})
_WRITTEN = f"{_KNOWN}|{_IN_TITLE_CASE}"
_ASIDE_KINDS = ("indication", "other")  # of sections that tell nothing about the films
_OF_TEXT = _any_of(name for name, kind in _KINDS.items() if kind not in _ASIDE_KINDS)
# Any capitals before a colon or a semicolon; a colon inside a clock time (8:15) ends nothing.
_CAPITALS = r"[A-Z](?:[A-Z0-9 ,/&()'._-]|(?<=\d):(?=\d)){1,70}?(?=[ \t]*(?:;|:(?!\d)|(?<!\d):))"
_HEADER = re.compile(
    rf"^[ \t]*(?P<capitals>{_CAPITALS})[ \t]*[:;]"
    rf"|^[ \t]*(?:\d\.[ \t]*)?(?P<known>(?i:{_KNOWN}))(?:[ \t]*[:;]|[ \t]+[-–—=]+[ \t])"
    rf"|^[ \t]*(?P<alone>{_WRITTEN})[ \t]*$"
    rf"|^[ \t]*(?P<bare>{_OF_TEXT})\.?(?:[ \t]+(?=[A-Z][a-z]|\d\. )|[ \t]*$)"
    rf"|^[ \t]*(?P<title>(?i:chest|cxr|portable|frontal|pa|ap)\b[^\n:.;]{{0,60}}?)[ \t]*:(?!\d)"
    rf"|(?:(?<=[a-z0-9.,;!?:)_]\s)|(?<=\s\s)|(?<=REPORT ))(?P<inline>{_KNOWN})[ \t]*:"  # not behind other capitals
    rf"|(?<=\s)(?P<titled>{_IN_TITLE_CASE})[ \t]*:",
    re.MULTILINE,
)
_HEADER_MARK = re.compile(r"[:;\n]| [-–—=]")
_DIVIDER = re.compile(r"^[ \t]*_{10,}[ \t]*$", re.MULTILINE)
_TITLE = re.compile(r"^[ \t]*FINAL REPORT\b[ \t]*", re.MULTILINE)
_ASIDE = re.compile(r"^\s*(?:FINAL |PRELIMINARY )?(?:ADDENDUM|WET READ|PRELIMINARY)")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
# Replaced before headers are looked for.
_MARKS = (
    (re.compile(r"\r\n?|<br ?/?>|</p>"), "\n"),
    (re.compile(r"^[\ufeff\ufffe\ufffd]+|\x00"), ""),  # a byte order mark; UTF-16 that was read as UTF-8
    (re.compile(rf"[\[<(]({_WRITTEN})[\])>]:?[ \t]*"), r"\n\1: "),
    (re.compile(r"\*\*|^[ \t]*#+[ \t]+|</?(?:b|i|u|p|em|strong|h\d)>", re.MULTILINE), ""),  # Markdown, HTML
    (re.compile(r"^[ \t]*(?:\*|__)(?=[A-Za-z])|(?<=:)(?:\*|__)|(?:\*|(?<=[A-Za-z])__)(?=:)", re.MULTILINE), ""),
)
# From here on to the end of a section nothing is said about the image.
_SIGNED = re.compile(
    r"^[ \t]*(?:(?i:(?:(?:this |final )?report (?:was |is |has been )?)?(?:electronically|digitally|dictated|approved|"
    r"signed|transcribed|verified)\b|i have (?:personally )?reviewed\b|\(over\)"
    r"|[*=~-]* ?end(?: of report)?[ .*=~-]*$)|(?:[A-Z_][\w.'-]*[, ]+){1,4}(?:M\.?D|D\.?O|FRCR)\b).*",
    re.MULTILINE | re.DOTALL,
)
_SIGNATURE = re.compile(r"[ \t]*(?:Dr\b.*|_+)[ \t]*", re.IGNORECASE)
_LONGEST_TITLE = 8  # words
_FEWEST_WORDS = 3  # a paragraph of fewer, such as "Dr. N", is no text of a report


@dataclass(frozen=True)
class _Section:
    kind: str  # as `header_kind` tells, or "start" for what stands before the first header
    text: str


def cut_report(text: str) -> Report:
    """Return the sections of a full report; any other text is one section of findings. Never raises."""
    return read_sections(text) if has_sections(text) else Report(text.strip())


def read_sections(text: str) -> Report:
    """Return the raw text of both sections. Without either header, the paragraphs below the last one are findings."""
    return read_with_indication(text)[0]


def read_with_indication(text: str) -> tuple[Report, str]:
    """Return the same, and the raw text of the indication and the history in their order, "" without them."""
    sections = list(_sections(_main_part(_without_marks(text))))
    indication = dict.fromkeys(_PARAGRAPH.split(each.text)[0] for each in sections if each.kind == "indication")
    return _report_of(sections), " ".join(filter(None, indication))


def _report_of(sections: list[_Section]) -> Report:
    texts = {section.kind: section.text for section in sections if section.text}  # the last of a kind
    findings, impression = texts.get("findings", "") or texts.get("title", ""), texts.get("impression", "")
    return Report(findings or _text_without_header(sections), impression)


def has_sections(text: str) -> bool:
    """Whether a text is a full report and not one section of it.

    It is when it has a header of findings or impression, or begins with a known one that is followed by paragraphs.
    """
    if not _HEADER_MARK.search(text):  # most texts that are asked about
        return False
    sections = list(_sections(_without_marks(text)))
    kinds = [section.kind for section in sections]
    if "findings" in kinds or "impression" in kinds:
        return True
    return len(kinds) > 1 and kinds[1] in _ASIDE_KINDS and not sections[0].text and bool(_text_without_header(sections))


@lru_cache(maxsize=4096)
def header_kind(header: str) -> str | None:
    """Return "findings", "impression", "title", "indication", "other", or None where no section of its own begins."""
    words = re.findall(r"[A-Z0-9]+", _CLOCK.sub(" ", header.upper()))
    if "FINDINGS" in words:  # also FINDINGS AND IMPRESSION: one text for both
        return "findings"
    if "IMPRESSION" in words:
        return "impression"
    if set(words) <= _TITLE_WORDS and set(words) & _TITLE_NOUNS:
        return "title"
    closest = get_close_matches(" ".join(words), _KINDS, n=1, cutoff=0.84)
    return _KINDS[closest[0]] if closest else None


def _without_marks(text: str) -> str:
    for pattern, replacement in _MARKS:
        text = pattern.sub(replacement, text)
    return text


def _main_part(text: str) -> str:
    parts = _DIVIDER.split(text)
    for part in parts:
        title = _TITLE.search(part)
        if title:
            return part[title.end() :]
    reports = [part for part in parts if _HEADER.search(part) and not _ASIDE.match(part)]
    return reports[0] if reports else text


def _sections(body: str) -> Iterator[_Section]:
    """Yield the sections in order, "start" first; an unknown header stays part of the text."""
    kind, start = "start", 0
    for match in _HEADER.finditer(body):
        next_kind = header_kind(match[match.lastgroup or 0])
        if next_kind is None or (next_kind == "title" and kind == "findings"):
            continue
        yield _Section(kind, _without_signature(body[start : match.start()]))
        kind, start = next_kind, match.end()
    yield _Section(kind, _without_signature(body[start:]))


def _without_signature(text: str) -> str:
    lines = _SIGNED.sub("", text).strip().split("\n")
    while lines and (not lines[-1].strip() or _SIGNATURE.fullmatch(lines[-1])):
        lines.pop()
    return "\n".join(lines)


def _text_without_header(sections: list[_Section]) -> str:
    """The paragraphs below the last header that is not the impression's, or all of a text without headers."""
    if len(sections) == 1:
        return _paragraphs(sections[0].text, 0) or sections[0].text
    kinds = [section.kind for section in sections]
    before = sections[: kinds.index("impression")] if "impression" in kinds else sections
    for section in reversed(before):
        found = _paragraphs(section.text, 1 if section.kind in _ASIDE_KINDS else 0)
        if found:
            return found
    return ""


def _paragraphs(text: str, num_skipped: int) -> str:
    """The paragraphs of a section but the first ones, and without titles and names."""
    paragraphs = [paragraph.strip() for paragraph in _PARAGRAPH.split(text)][num_skipped:]
    return "\n\n".join(paragraph for paragraph in paragraphs if _is_text(paragraph))


def _is_text(paragraph: str) -> bool:
    words = paragraph.split()
    is_title = paragraph.upper() == paragraph and "." not in paragraph and len(words) <= _LONGEST_TITLE
    return len(words) >= _FEWEST_WORDS and not is_title and header_kind(paragraph) != "title"
