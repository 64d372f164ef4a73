"""Full reports, made up for these tests in the layout of MIMIC-CXR, fall into the right sections."""

import random

import pytest

from xr2text_core.report.report import Report
from xr2text_core.report.sections import cut_report, has_sections, header_kind, read_sections, read_with_indication

USUAL = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old man with cough  // pneumonia?

 COMPARISON:  ___

 FINDINGS:

 Both lungs are dark and empty.
 Heart: small.

 IMPRESSION:

 Nothing to see.
"""


def test_findings_and_impression_are_found_between_other_sections() -> None:
    report = read_sections(USUAL)
    assert report.findings == "Both lungs are dark and empty.\n Heart: small."
    assert report.impression == "Nothing to see."


def test_the_last_section_of_a_kind_counts_and_an_empty_one_does_not() -> None:
    text = "FINDINGS:  An early word.\n FINDINGS:  The last word.\n IMPRESSION:  All is well.\n IMPRESSION:\n"
    report = read_sections(text)
    assert report.findings == "The last word."
    assert report.impression == "All is well."


def test_an_unknown_header_stays_in_its_section() -> None:
    report = read_sections("FINDINGS:\n LUNGS:  Clear.\n HEART:  Large.\n IMPRESSION:  Large heart.")
    assert report.findings == "LUNGS:  Clear.\n HEART:  Large."


def test_addendum_and_preliminary_reading_are_not_the_report() -> None:
    addendum = " ADDENDUM:  Somebody was called.\n\n IMPRESSION:  A changed mind.\n"
    wet_read = " WET READ: ___ 8:01 AM\n  IMPRESSION:  A quick look.\n"
    line = "\n ______________________________________________________________________________\n"
    for text in (wet_read + line + USUAL, addendum + line + USUAL, USUAL + line + addendum):
        assert read_sections(text).impression == "Nothing to see."


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("FINDINGS", "findings"),
        ("FINDIGS", "findings"),
        ("FINDINGS AND IMPRESSION", "findings"),
        ("IMPRESSON", "impression"),
        ("CONCLUSION", "impression"),
        ("PA AND LATERAL VIEWS OF THE CHEST", "title"),
        ("REASON FOR EXAM", "indication"),
        ("INDICATION", "indication"),
        ("CLINICAL HISTORY", "indication"),
        ("TECHNIQUE", "other"),
        ("COMPARSION", "other"),
        ("LUNGS", None),
        ("HEART", None),
        ("BONES AND SOFT TISSUES", None),
    ],
)
def test_headers_are_known_in_spite_of_spelling(header: str, kind: str | None) -> None:
    assert header_kind(header) == kind


def test_the_text_below_a_title_is_the_findings_when_no_header_says_so() -> None:
    report = read_sections(
        "HISTORY:  Fall.\n\n CHEST, PA AND LATERAL:  The ribs are whole.\n\n IMPRESSION:  No fracture."
    )
    assert report.findings == "The ribs are whole."


def test_without_headers_the_last_paragraph_is_the_findings() -> None:
    report = read_sections("FINAL REPORT\n HISTORY:  Cough.\n\n Single view. Both lungs are well filled.\n\n Dr. N")
    assert report.findings == "Single view. Both lungs are well filled."
    assert report.impression == ""


def test_a_bare_paragraph_is_not_taken_for_a_full_report() -> None:
    assert has_sections(USUAL)
    assert not has_sections("The lungs are clear: nothing else.\nNo effusion.")


@pytest.mark.parametrize(
    "text",
    [
        "Heart: normal.\nLungs: clear.",
        "LINES AND TUBES: None.\nLUNGS: Clear.",
        "Comparison: none. Lungs are clear.",
        "HISTORY: cough and fever.",
        "There are no findings: normal.",
        "",
    ],
)
def test_a_text_that_is_no_full_report_is_one_section_of_findings(text: str) -> None:
    assert not has_sections(text)
    assert cut_report(text) == Report(text)


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("INDICATION: Pneumonia, CHF. FINDINGS: Lungs are clear.", Report("Lungs are clear.")),
        ("History: fall.\nFindings: Clear.\nImpression: Normal.", Report("Clear.", "Normal.")),
        ("INDICATION: Fever.\n\nThe lungs are clear.", Report("The lungs are clear.")),
        ("IMPRESSION - Normal chest.", Report("", "Normal chest.")),
        ("EXAM: CXR INDICATION: ETT, ptx FINDINGS: Clear. IMPRESSION: Normal.", Report("Clear.", "Normal.")),
        ("History: fall, rib fracture Technique: AP Findings: Clear.", Report("Clear.")),
    ],
)
def test_a_full_report_is_cut_into_its_sections(text: str, report: Report) -> None:
    assert has_sections(text)
    assert cut_report(text) == report


def test_nothing_that_a_report_contains_makes_reading_fail() -> None:
    """Headers, marks, white space and words in any order; the same ones at every run."""
    parts = [
        "FINDINGS:",
        "Impression",
        "FINAL REPORT",
        "\n",
        "\n\n",
        "_" * 12,
        ":",
        ";",
        " - ",
        "8:15",
        "**",
        "# ",
        "\ufeff",
    ]
    parts += ["\x00", "Dr. N", "M.D.", "COMPARISON: none", "1. ", "Lungs are clear.", "é", "肺", "(", "["]
    draw = random.Random(0)
    for _ in range(2000):
        text = " ".join(draw.choices(parts, k=draw.randrange(12)))
        assert isinstance(read_sections(text), Report)
        assert isinstance(cut_report(text), Report)


def test_two_bytes_a_letter_read_as_one_are_still_a_report() -> None:
    text = "FINDINGS: Clear lungs.".encode("utf-16").decode("utf-8", "replace")
    assert read_sections(text) == Report("Clear lungs.")


@pytest.mark.parametrize(
    ("text", "indication"),
    [
        ("INDICATION: Cough.\n\nFINDINGS: Clear.", "Cough."),
        ("INDICATION: Cough.\nHISTORY: Asthma.\nTECHNIQUE: PA.\nFINDINGS: Clear.", "Cough. Asthma."),
        ("REASON FOR EXAM: Fall.\nCOMPARISON: None.\nIMPRESSION: Normal.", "Fall."),
        ("INDICATION: Cough.\n\nThe lungs are clear, without a mass.\n\nIMPRESSION: Normal.", "Cough."),
        ("FINDINGS: Clear.", ""),
        ("The lungs are clear.", ""),
    ],
)
def test_the_indication_and_the_history_are_told_beside_the_sections(text: str, indication: str) -> None:
    report, asked = read_with_indication(text)
    assert asked == indication
    assert report == read_sections(text)
