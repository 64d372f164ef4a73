"""The text cleaning that R2Gen (Chen et al. 2020, arXiv:2010.16056) made the habit of the field, with its side effects.

Kept although they look like mistakes, because published scores contain them: "2.5 cm" becomes "25 cm", "1/2" becomes
"12", "1. " vanishes wherever it stands (also in "t11. "), hyphens stay, full stops stay as words of their own, and an
empty report becomes ".".
"""

import re

_DELETED = str.maketrans("", "", ".,?;:*!%^&_+=<>@()[]{}/\\\"'")
_LIST_NUMBERS = (2, 3, 4, 5)


def clean_iu(report: str) -> str:
    """Clean a report as R2Gen does for IU X-Ray: lower-case words and full stops, single spaces between them."""
    text = _without_list_markers(re.sub(r"\.{2,}", ".", report))
    sentences = (sentence.translate(_DELETED) for sentence in text.strip().lower().split(". "))
    return " ".join((" . ".join(sentences) + " .").split())


def clean_mimic(report: str) -> str:
    """Clean a report as R2Gen does for MIMIC-CXR: as `clean_iu`, after newlines and runs of spaces became one space."""
    return clean_iu(re.sub(r" {2,}", " ", report.replace("\n", " ")))


def _without_list_markers(text: str) -> str:
    """Drop "1." to "5." in the order that R2Gen does; the order decides about odd texts such as ". 2. 3. "."""
    text = text.replace("1. ", "")
    for number in _LIST_NUMBERS:
        text = text.replace(f". {number}. ", ". ")
    for number in _LIST_NUMBERS:
        text = text.replace(f" {number}. ", ". ")
    return text
