"""A report says what became of chosen findings, and no other change, in the words of training reports."""

from collections.abc import Mapping

import pytest

from xr2text_core.drawing.desk import sample_desk
from xr2text_core.drawing.desk_writing import write_desk_report
from xr2text_core.report.changes.comparisons import CHANGES, changes, has_comparison
from xr2text_core.report.changes.wording import ChangeWording
from xr2text_core.report.labeler import label_report

DESKS = [sample_desk(11, number) for number in range(400)]
REPORTS = [write_desk_report(desk).section("findings") for desk in DESKS]
WORDING = ChangeWording.of(REPORTS)


def test_the_commonest_clause_of_each_change_is_learned_and_a_sentence_for_each_finding_that_goes() -> None:
    reports = [
        "Small left pleural effusion, stable. The edema has resolved. No pneumothorax.",
        "Mild edema, unchanged from prior. The heart is enlarged.",
        "Cardiomegaly, unchanged from prior. Small nodule, which is new.",
        "The heart and the left effusion are stable.",  # of two findings, and no clause
        "The pneumothorax has almost completely resolved.",  # it is still there
        "The lungs are clear. The edema has resolved.",
    ]
    wording = ChangeWording.of(reports)
    assert wording.clauses == {"unchanged": ", unchanged from prior.", "new": ", which is new."}
    assert wording.gone == {"edema": ("The edema has resolved.", 0.75)}
    assert ChangeWording.of(["The lungs are clear."]) == ChangeWording({}, {})
    assert WORDING.clauses.keys() == set(CHANGES) - {"resolved"}


@pytest.mark.parametrize(
    ("text", "became", "expected"),
    [
        ("Mild edema.", {"edema": "larger"}, "Mild edema, increased since the prior study."),
        ("Mild edema, stable.", {"edema": "unchanged"}, "Mild edema, stable."),
        ("Mild edema, stable.", {"edema": "smaller"}, "Mild edema, decreased since the prior study."),
        ("Mild edema, stable.", {}, "Mild edema."),
        ("Mild edema, stable.", None, "Mild edema."),
        ("No pneumothorax.", {"fracture": "new"}, "No pneumothorax."),  # the report does not assert it
        ("The edema has resolved. No fracture.", {}, "No fracture."),
        ("No interval change. No fracture.", {}, "No interval change. No fracture."),
        ("No interval change. Mild edema.", {"edema": "new"}, "Mild edema, new since the prior study."),
        ("No interval change. No fracture.", None, "No fracture."),
        ("Edema and left effusion.", {"edema": "new", "pleural effusion": "larger"}, "Edema and left effusion."),
        ("No fracture.", {"granuloma": "resolved"}, "No fracture."),  # no training report says so
        ("", {"edema": "resolved"}, ""),
        ("Stable.", None, ""),
        ("Edema and left effusion.", {"edema": "new"}, "Edema and left effusion."),
        (
            "Edema and left effusion.",
            {"edema": "new", "pleural effusion": "new"},
            "Edema and left effusion, new since the prior study.",
        ),
        ("Small effusion but no pneumothorax.", {"pleural effusion": "larger"}, "Small effusion but no pneumothorax."),
        ("Left effusion:", {"pleural effusion": "larger"}, "Left effusion, increased since the prior study."),
        (
            "Mild edema, possibly pneumonia.",
            {"edema": "larger"},
            "Mild edema, possibly pneumonia, increased since the prior study.",
        ),
        ("Possible edema. No fracture.", {"edema": "resolved"}, "Possible edema. No fracture."),
        ("Mild edema. No fracture.", {"edema": "resolved"}, "Mild edema. No fracture."),
        (
            "The heart size and mediastinal contours are stable. Mild edema.",
            {"edema": "new"},
            "The heart size and mediastinal contours are stable. Mild edema, new since the prior study.",
        ),
        ("1. No acute process.\n2. Old rib fracture", {}, "1. No acute process.\n2. Old rib fracture"),
        ("Heart is enlarged (unchanged).", {"cardiomegaly": "new"}, ""),
    ],
)
def test_what_became_of_findings_is_said_and_nothing_else(
    text: str, became: Mapping[str, str] | None, expected: str
) -> None:
    assert WORDING.write(text, became) == expected


def test_that_a_finding_has_gone_is_said_where_reports_say_it() -> None:
    written = WORDING.write("Portable view. Low lung volumes. No fracture. Normal heart.", {"edema": "resolved"})
    assert changes(written) == {"edema": "resolved"}
    assert not written.startswith(WORDING.gone["edema"][0]) and not written.endswith(WORDING.gone["edema"][0])


def test_on_phantoms_any_report_can_be_made_to_say_what_was_drawn_and_asserts_the_same_findings() -> None:
    """From a report that says it already, and from the same without comparisons."""
    for desk, report in zip(DESKS, REPORTS, strict=True):
        alone = WORDING.write(report, None)
        assert not has_comparison(alone)
        for text in (report, alone) if desk.prior else ():
            written = WORDING.write(text, desk.changes)
            labels = label_report(written)
            assert labels.present == label_report(text).present
            left_out = labels.uncertain | {item.finding for item in desk.hidden}  # for the labeler both films are one
            said = {finding: change for finding, change in changes(written).items() if finding not in left_out}
            assert said == {finding: change for finding, change in desk.changes.items() if finding not in left_out}
