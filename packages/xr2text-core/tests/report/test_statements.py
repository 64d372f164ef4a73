"""What a report says of each finding, as a model is told: nothing, its absence, a doubt, or how severe it is."""

import pytest

from xr2text_core.report.statements import STATEMENTS, finding_statements
from xr2text_core.report.vocabulary import FINDINGS


@pytest.mark.parametrize(
    ("report", "finding", "expected"),
    [
        ("There is a small left pleural effusion.", "pleural effusion", "mild"),
        ("Moderate right and large left pleural effusions.", "pleural effusion", "severe"),
        ("Left pleural effusion.", "pleural effusion", "present"),
        ("No pleural effusion. There is a small left pleural effusion.", "pleural effusion", "mild"),
        ("Possible pneumonia.", "pneumonia", "uncertain"),
        ("No pneumothorax.", "pneumothorax", "absent"),
        ("No pneumothorax.", "fracture", "not mentioned"),
        ("", "fracture", "unknown"),
        (" \n", "fracture", "unknown"),
    ],
)
def test_the_state_of_a_finding_is_what_the_report_says_of_it(report: str, finding: str, expected: str) -> None:
    states = finding_statements(report)
    assert len(states) == len(FINDINGS)
    assert STATEMENTS[states[FINDINGS.index(finding)]] == expected
