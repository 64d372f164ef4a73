"""Finds the findings and the impression in a full radiology report as MIMIC-CXR publishes it.

A header is capitals and a colon at the start of a line. Spelling varies and has typing errors, so a header is known by
its closest known name. Headers that we do not know (LUNGS:, HEART:) belong to the section they stand in. Of several
sections of a kind the last one with text counts: preliminary readings come first. Addenda and preliminary readings
stand in a part of their own, divided from the report by a line of underscores, and are not read.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache

from xr2text_core.report.report import Report

_HEADER = re.compile(r"^[ \t]*([A-Z][A-Z0-9 ,/&()'.-]{1,70}?)[ \t]*:", re.MULTILINE)
_DIVIDER = re.compile(r"^[ \t]*_{10,}[ \t]*$", re.MULTILINE)
_TITLE = re.compile(r"^[ \t]*FINAL REPORT[ \t]*$", re.MULTILINE)
_ASIDE = re.compile(r"^\s*(?:FINAL |PRELIMINARY )?(?:ADDENDUM|WET READ|PRELIMINARY)")

_KINDS = {
    **dict.fromkeys(("FINDINGS", "FINDING", "REPORT", "OBSERVATIONS", "DESCRIPTION"), "findings"),
    **dict.fromkeys(("IMPRESSION", "IMPRESSIONS", "CONCLUSION", "CONCLUSIONS", "SUMMARY", "OPINION"), "impression"),
    **dict.fromkeys(
        (
            *("EXAMINATION", "EXAM", "TYPE OF EXAMINATION", "STUDY", "PROCEDURE", "TECHNIQUE", "TECHNICAL FACTORS"),
            *("INDICATION", "INDICATIONS", "HISTORY", "CLINICAL HISTORY", "PATIENT HISTORY", "MEDICAL HISTORY"),
            *("CLINICAL INDICATION", "CLINICAL INFORMATION", "CLINICAL STATEMENT", "CLINICAL CONTEXT"),
            *("REASON FOR EXAM", "REASON FOR EXAMINATION", "REASON FOR STUDY", "REASON", "CLINICAL QUESTION"),
            *("COMPARISON", "COMPARISONS", "COMPARISON STUDY", "PRIOR STUDIES", "DATE", "ORDER NUMBER", "ACCESSION"),
            *("NOTIFICATION", "NOTIFICATIONS", "RECOMMENDATION", "RECOMMENDATIONS", "COMMUNICATION", "ADDENDUM"),
            *("WET READ", "PRELIMINARY READ", "ATTENDING", "RADIOLOGIST"),
        ),
        "other",
    ),
}
# A title made of these words, such as CHEST, PA AND LATERAL, introduces the findings when nothing else does.
_TITLE_NOUNS = {"CHEST", "PA", "AP", "VIEW", "VIEWS", "RADIOGRAPH", "RADIOGRAPHS", "FILM", "FILMS"}
_TITLE_WORDS = _TITLE_NOUNS | {
    *("LATERAL", "LAT", "FRONTAL", "PORTABLE", "UPRIGHT", "ERECT", "SUPINE", "SEMI", "SEMIUPRIGHT", "SEMIERECT"),
    *("BEDSIDE", "SINGLE", "ONE", "TWO", "THREE", "1", "2", "3", "XRAY", "X", "RAY", "RAYS"),
    *("AND", "OF", "THE", "A", "WITH"),
}
_SHORTEST_PARAGRAPH = 4  # words; shorter ones are titles or signatures


def read_sections(text: str) -> Report:
    """Return the raw text of both sections. Without either header, the last paragraph counts as findings."""
    body = _main_part(text)
    texts = {"findings": "", "impression": "", "title": ""}
    for kind, section in _sections(body):
        if kind in texts and section:
            texts[kind] = section
    findings = texts["findings"] or texts["title"]
    if not (findings or texts["impression"]):
        findings = _last_paragraph(body)
    return Report(findings, texts["impression"])


def has_sections(text: str) -> bool:
    """Whether the text has a findings or impression header, so that it is a full report and not one section of it."""
    return any(header_kind(match[1]) in ("findings", "impression") for match in _HEADER.finditer(text))


@lru_cache(maxsize=4096)
def header_kind(header: str) -> str | None:
    """Return "findings", "impression", "title", "other", or None for a header that starts no section of its own."""
    words = re.findall(r"[A-Z0-9]+", header)
    if "FINDINGS" in words:  # also FINDINGS AND IMPRESSION: one text for both
        return "findings"
    if "IMPRESSION" in words:
        return "impression"
    if set(words) <= _TITLE_WORDS and set(words) & _TITLE_NOUNS:
        return "title"
    closest = get_close_matches(" ".join(words), _KINDS, n=1, cutoff=0.84)
    return _KINDS[closest[0]] if closest else None


def _main_part(text: str) -> str:
    parts = _DIVIDER.split(text)
    for part in parts:
        title = _TITLE.search(part)
        if title:
            return part[title.end() :]
    reports = [part for part in parts if _HEADER.search(part) and not _ASIDE.match(part)]
    return reports[0] if reports else text


def _sections(body: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of the sections in order; an unknown header stays part of the text."""
    starts: list[tuple[str, int, int]] = []  # kind, start of the header, start of the text
    for match in _HEADER.finditer(body):
        kind = header_kind(match[1])
        is_inside = kind == "title" and bool(starts) and starts[-1][0] == "findings"
        if kind and not is_inside:
            starts.append((kind, match.start(), match.end()))
    ends = [start for _, start, _ in starts[1:]] + [len(body)]
    for (kind, _, start), end in zip(starts, ends, strict=True):
        yield kind, body[start:end].strip()


def _last_paragraph(body: str) -> str:
    for paragraph in reversed(re.split(r"\n[ \t]*\n", body)):
        if len(paragraph.split()) >= _SHORTEST_PARAGRAPH and not _HEADER.match(paragraph):
            return paragraph.strip()
    return ""
