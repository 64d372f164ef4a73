"""Report text as the readers pass it on: on one line, without de-identification marks."""

import re

_MARK = re.compile(r"[-/]?(?:X{3,}|_{3,})[-/]?")
_PUNCTUATION_RUN = re.compile(r"([,;:.])(?:\s*[,;:.])+")


def clean_text(text: str) -> str:
    """Return the text on one line without de-identification marks (XXXX, ___); "" when no letter is left."""
    if "XXX" in text or "___" in text:
        text = _MARK.sub(" ", text)
        text = re.sub(r"\(\s*\)", " ", text)
        text = re.sub(r"\s+([,;:.)])", r"\1", text)
        text = _PUNCTUATION_RUN.sub(lambda run: "." if "." in run.group() else run.group(1), text)
        text = re.sub(r"^[\s,;:.]+", "", text)
    text = " ".join(text.split())
    return text if any(map(str.isalpha, text)) and text.lower() != "nan" else ""
