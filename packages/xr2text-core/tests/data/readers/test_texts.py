"""Report text in any encoding, cut into sections where it is a whole report, in the language that it has."""

import pytest

from xr2text_core.data.readers.texts import are_english, clean_indication, clean_text, decoded, sections_of
from xr2text_core.report.report import Report

WHOLE = "INDICATION: Pneumonia, CHF.\n\nFINDINGS: Lungs are clear. No effusion.\n\nIMPRESSION: No acute disease."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_gives_the_text(encoding: str) -> None:
    assert decoded("FINDINGS: Größe normal.".encode(encoding)) == "FINDINGS: Größe normal."


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe\0", b"\xff", bytes(range(256))])
def test_no_bytes_raise(content: bytes) -> None:
    assert isinstance(decoded(content), str)


@pytest.mark.parametrize(
    ("row", "sections"),
    [
        ({"report": WHOLE}, Report("Lungs are clear. No effusion.", "No acute disease.")),
        ({"report": "Lungs are clear."}, Report("Lungs are clear.")),
        ({"findings": "Own.", "report": WHOLE}, Report("Own.", "No acute disease.")),
        ({"findings": "", "impression": "Own.", "report": WHOLE}, Report("Lungs are clear. No effusion.", "Own.")),
        ({"findings": "F.", "impression": "I."}, Report("F.", "I.")),
        ({"report": ""}, Report("")),
    ],
)
def test_a_row_has_its_own_sections_and_lacks_those_of_its_whole_report(row: dict[str, str], sections: Report) -> None:
    assert sections_of(row) == sections


@pytest.mark.parametrize("word", ["nan", "None.", "N/A", " NULL ", "XXXX", "...", ""])
def test_a_text_that_says_nothing_is_empty(word: str) -> None:
    assert clean_text(word) == ""


def test_the_language_is_that_of_most_reports() -> None:
    english, german, chinese = "The lungs are clear.", "Kein Pneumothorax. Kein Infiltrat.", "双肺纹理清晰。心影不大。"
    assert are_english([]) and are_english([english, english, german])
    assert not are_english([german] * 3) and not are_english([chinese] * 2 + [english])
    assert not are_english([german] * 10_000 + [english] * 400)


@pytest.mark.parametrize(
    ("texts", "indication"),
    [
        (("Cough.",), "Cough."),
        (("XXXX-year-old female with chest pain.",), "female with chest pain."),
        (("___ year old man with ___",), "man"),
        (("XXXX y/o with fever, XXXX",), "fever"),
        (("She is a XXXX-year-old woman with asthma",), "She is a woman with asthma"),
        (("XXXX.",), ""),
        (("___",), ""),
        (("XXXX, XXXX.", "nan"), ""),
        (("Fever.", "Asthma."), "Fever. Asthma."),
        (("Fever.", "Fever."), "Fever."),
        (("Weaning, ready to be weaned of",), "Weaning, ready to be weaned of"),  # nothing was removed from it
    ],
)
def test_an_indication_is_cleaned_of_removed_words_and_what_they_leave(texts: tuple[str, ...], indication: str) -> None:
    assert clean_indication(*texts) == indication
