"""Sentences and full reports as others write them are read right (cases.py tells what a case says)."""

import cases
import pytest


def name(case: cases.Case) -> str:
    return f"{case['source']}: {case['text'][:50]}"


@pytest.mark.parametrize("case", cases.read_cases(cases.LABELS), ids=name)
def test_sentence_is_labelled_as_a_radiologist_reads_it(case: cases.Case) -> None:
    assert cases.label_mistakes(case) == []


@pytest.mark.parametrize("case", cases.read_cases(cases.SECTIONS), ids=name)
def test_full_report_falls_into_its_sections(case: cases.Case) -> None:
    assert cases.section_mistakes(case) == []


def test_a_case_that_is_read_wrong_is_counted_as_wrong() -> None:
    case = {
        "text": "Small left effusion.",
        "findings": {"pleural effusion": ["absent"]},
        "may_also": [],
        "normal": True,
    }
    assert cases.label_mistakes(case) == [
        "pleural effusion: ['present'], may be ['absent']",
        "normal: False",
    ]
    assert cases.label_mistakes({**case, "findings": {}, "normal": None}) == ["pleural effusion is read besides"]
    assert cases.section_mistakes({"text": "FINDINGS: Clear.", "findings": "", "impression": ""})
