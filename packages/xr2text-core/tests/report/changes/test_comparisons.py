"""Which sentences compare with an earlier study, what they say became of a finding, and reports without them."""

from collections.abc import Callable

import pytest

from xr2text_core.drawing.desk import Desk, sample_desk
from xr2text_core.drawing.desk_writing import commonest_desk_report, write_desk_report
from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report
from xr2text_core.report.changes.comparisons import CHANGES, changes, has_comparison, without_comparisons
from xr2text_core.report.labeler import label_report
from xr2text_core.report.report import Report

DESKS = [sample_desk(7, number) for number in range(800)]
COMPARED = (
    "Unchanged small left effusion.",
    "The heart is stable in size.",
    "No interval change.",
    "There is no significant change.",
    "No new consolidation.",
    "New right lower lobe opacity.",
    "Compared to the prior radiograph, the lungs are clear.",
    "The left effusion has increased.",
    "The edema has slightly improved.",
    "Interval placement of a feeding tube.",
    "The opacity is no longer seen.",
    "The pneumothorax has resolved.",
    "Worsening edema.",
    "Persistent left basal opacity.",
    "The nodule is larger than on the previous CT.",
    "Again seen is a calcified granuloma.",
    "Stable position of the endotracheal tube.",
    "The effusion is similar to prior.",
    "Redemonstrated rib fractures.",
    "the right effusion is unchanged",
    "The previously seen nodule is not visible.",
    "There is a mass, not seen on the prior exam.",
    "Increased left pleural effusion.",
    "Decreased pulmonary edema.",
    "The right effusion is unaltered.",
    "The left lung has increased in volume since yesterday.",
)
NOT_COMPARED = (
    "The lungs are clear.",
    "Comparison: None.",
    "There is no prior study for comparison.",
    "No comparison available.",
    "Without previous films, chronicity is uncertain.",
    "Transferred from New York.",
    "new york heart association class two.",
    "The patient is clinically stable.",
    "Hemodynamically stable.",
    "Evidence of prior granulomatous disease.",
    "Changes of previous sternotomy.",
    "Increased interstitial markings.",
    "Increased retrosternal airspace.",
    "Decreased lung volumes.",
    "Effusions, right greater than left.",
    "The opacity is worse on the right.",
    "Degenerative changes of the spine.",
    "No acute osseous change of the ribs.",
    "High-resolution CT is recommended.",
    "Follow-up to document resolution.",
    "Follow up in a short interval is advised.",
    "The right lung volume is low compared to the left.",
    "If symptoms persist, repeat the film.",
    "The left lung has increased markings.",
    "No acute changes.",
    "Volumes are low compared with normal.",
    "A new-born child.",
    "Worsening shortness of breath.",
    "New onset cough.",
    "Reviewed against the lateral view.",
    "",
)


@pytest.mark.parametrize("text", COMPARED)
def test_a_comparison_is_found(text: str) -> None:
    assert has_comparison(text)
    assert has_comparison(text.upper())
    assert has_comparison(f"The bones are intact. {text}")


@pytest.mark.parametrize("text", NOT_COMPARED)
def test_words_of_one_film_alone_are_no_comparison(text: str) -> None:
    assert not has_comparison(text)
    assert without_comparisons(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("New small left pleural effusion.", {"pleural effusion": "new"}),
        ("The left pleural effusion has increased.", {"pleural effusion": "larger"}),
        ("Interval worsening of pulmonary edema.", {"edema": "larger"}),
        ("The pneumothorax is smaller than on the prior study.", {"pneumothorax": "smaller"}),
        ("Improved pulmonary edema.", {"edema": "smaller"}),
        ("Stable cardiomegaly.", {"cardiomegaly": "unchanged"}),
        ("No interval change in the right pneumothorax.", {"pneumothorax": "unchanged"}),
        ("The effusion has not significantly changed.", {"pleural effusion": "unchanged"}),
        ("The right pneumothorax has resolved.", {"pneumothorax": "resolved"}),
        ("The consolidation is no longer seen.", {"consolidation": "resolved"}),
        ("No new consolidation.", {}),
        ("There is a left pleural effusion.", {}),
        ("Resolved edema and new left pneumothorax.", {"edema": "resolved", "pneumothorax": "new"}),
        (
            "The effusion has increased, while the heart is enlarged but unchanged.",
            {"pleural effusion": "larger", "cardiomegaly": "unchanged"},
        ),
    ],
)
def test_a_change_belongs_to_the_finding_of_its_clause(text: str, said: dict[str, str]) -> None:
    assert changes(text) == said


@pytest.mark.parametrize("write", [write_desk_report, commonest_desk_report])
@pytest.mark.parametrize("section", ["findings", "impression"])
def test_what_the_phantom_wrote_is_read_back(write: Callable[[Desk], Report], section: str) -> None:
    def said(desk: Desk) -> dict[str, str]:
        found = changes(write(desk).section(section))
        return {finding: change for finding, change in found.items() if finding != "pneumonia"}  # only suspected

    assert [said(desk) for desk in DESKS] == [desk.changes for desk in DESKS]


def test_the_phantom_compares_where_there_is_an_earlier_study_and_nowhere_else() -> None:
    alone = [desk for desk in DESKS if desk.prior is None]
    assert not [desk for desk in alone if has_comparison(write_desk_report(desk).section("both"))]
    assert not [
        number for number in range(800) if has_comparison(write_report(sample_scene(0, number)).section("both"))
    ]
    with_changes = [desk for desk in DESKS if desk.changes]
    assert all(has_comparison(write_desk_report(desk).findings) for desk in with_changes)


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("There is a new opacity in the left base.", "There is an opacity in the left base."),
        ("Mild stable cardiomegaly.", "Mild cardiomegaly."),
        ("The heart is enlarged, stable compared to the previous exam.", "The heart is enlarged."),
        ("Compared to the prior film, there is a left pneumothorax.", "There is a left pneumothorax."),
        ("Interval development of a small right effusion.", "Small right effusion."),
        ("No new pneumothorax.", "No pneumothorax."),
        ("The lungs are clear, without interval change.", "The lungs are clear."),
        ("The right pneumothorax has resolved.", ""),
        ("No interval change.", ""),
        ("Unchanged from prior. The bones are intact.", "The bones are intact."),
    ],
)
def test_a_comparison_is_taken_out_and_the_finding_stays(text: str, alone: str) -> None:
    assert without_comparisons(text) == alone


@pytest.mark.parametrize("text", COMPARED)
def test_nothing_compares_after_that(text: str) -> None:
    assert not has_comparison(without_comparisons(text))


def test_findings_of_the_phantom_survive_without_the_comparison() -> None:
    for desk in DESKS:
        text = write_desk_report(desk).findings
        alone = without_comparisons(text)
        assert not has_comparison(alone)
        assert label_report(alone).present == label_report(text).present


def test_changes_are_those_of_the_phantom() -> None:
    assert {change for desk in DESKS for change in desk.changes.values()} == set(CHANGES)
