"""Report text as the readers pass it on: decoded, cut into sections, on one line, without de-identification marks."""

import re
from collections.abc import Mapping, Sequence

from xr2text_core.data.language import is_english
from xr2text_core.report.report import Report
from xr2text_core.report.sections import cut_report, has_sections, read_with_indication

TEXT_COLUMNS = ("report", "findings", "impression")  # of a table; one of them is enough

LABELS_DO_NOT_APPLY = (
    "most reports are not English: the labels are read by rules for English, so the curriculum and the clinical score "
    "(label F1) do not apply"
)
LOOKED_AT = 500  # reports, evenly spread, that tell the language of all

_NO_VALUE = frozenset(("nan", "null", "none", "n/a", "na", "<na>", "#n/a", "nat"))  # how programs write an empty cell
_LONGEST_NO_VALUE = 8  # characters, with spaces and a full stop
_MARK = re.compile(r"[-/]?(?:X{3,}|_{3,})[-/]?")
_AGE = re.compile(r"\b(?:(?:years?|yrs?|months?|weeks?|days?)[- ]olds?\b|y[./]?o\b)[\s.,]*", re.IGNORECASE)
_LOOSE = re.compile(
    r"^(?:with|and|for|of)\b[\s,]*|[\s,]*\b(?:with|and|or|for|of|to|by|the|an?|due|status post|s/p)(?=\W*$)",
    re.IGNORECASE,
)
_PUNCTUATION_RUN = re.compile(r"([,;:.])(?:\s*[,;:.])+")
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def is_no_value(text: str) -> bool:
    """Whether a cell says that it is empty: "", "nan", "NULL", "N/A" and the like."""
    return (len(text) <= _LONGEST_NO_VALUE and text.strip(" .\t").lower() in _NO_VALUE) or not text.strip()


def encoding_of(start: bytes) -> str:
    """Return the encoding that a byte order mark tells; UTF-8 without one."""
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8")


def decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a mark, else in Windows-1252. Never raises."""
    encoding = encoding_of(content)
    if encoding == "utf-8" and b"\0" in content[:200]:  # letters of ASCII in UTF-16 have a zero byte
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252" if encoding == "utf-8" else encoding, "replace")


def sections_of(row: Mapping[str, str]) -> Report:
    """Return the raw sections that a row has of its own; what it lacks is cut from the whole report in `report`."""
    findings, impression = row.get("findings", ""), row.get("impression", "")
    whole = cut_report(row.get("report", ""))
    return Report(findings or whole.findings, impression or whole.impression)


def clean_text(text: str) -> str:
    """Return the text on one line without de-identification marks (XXXX, ___); "" when no letter is left."""
    if "XXX" in text or "___" in text:
        text = _MARK.sub(" ", text)
        text = re.sub(r"\(\s*\)", " ", text)
        text = re.sub(r"\s+([,;:.)])", r"\1", text)
        text = _PUNCTUATION_RUN.sub(lambda run: "." if "." in run.group() else run.group(1), text)
        text = re.sub(r"^[\s,;:.]+", "", text)
    text = " ".join(text.split())
    return text if any(map(str.isalpha, text)) and not is_no_value(text) else ""


def clean_indication(*texts: str) -> str:
    """Indication and history on one line, each once; what removed words leave loose goes ("year-old", "with")."""
    cleaned = []
    for text in texts:
        line = clean_text(text)
        if line != " ".join(text.split()):
            line = _AGE.sub("", line)
            while (shorter := _LOOSE.sub("", line)) != line:
                line = shorter
            line = clean_text(line)
        cleaned.append(line.rstrip(" ,;"))
    return " ".join(dict.fromkeys(filter(None, cleaned)))


def indication_of(row: Mapping[str, str]) -> str:
    """Return the indication and the history of a row; without these columns, those of the whole report in `report`."""
    if row.get("indication", "") or row.get("history", ""):
        return clean_indication(row.get("indication", ""), row.get("history", ""))
    whole = row.get("report", "")
    return clean_indication(read_with_indication(whole)[1]) if has_sections(whole) else ""


def are_english(texts: Sequence[str]) -> bool:
    """Whether at least half of the reports, or of a sample of them, are English; so are none at all."""
    sample = texts[:: -(-len(texts) // LOOKED_AT) or 1]
    return 2 * sum(map(is_english, sample)) >= len(sample)
