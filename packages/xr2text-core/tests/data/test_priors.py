"""The last study of a patient is an earlier one of the same split, or there is none."""

import pytest

from xr2text_core.data.priors import NOWHERE, Place, with_priors
from xr2text_core.data.study import DatasetError, Study
from xr2text_core.report.report import Report


def study(study_id: str, patient: str = "anna", split: str = "train", view: str = "PA") -> Study:
    return Study(study_id, (f"{study_id}.png",), (view,), Report(f"Report {study_id}."), patient, split)


def priors(*pairs: tuple[Study, Place]) -> dict[str, str]:
    """The image of the prior of each study that has one, by the id of the study."""
    found, _ = with_priors([each for each, _ in pairs], [place for _, place in pairs])
    return {each.study_id: each.prior.image.removesuffix(".png") for each in found if each.prior}


def test_each_study_has_the_last_one_before_it_whatever_the_order_of_the_rows() -> None:
    days = {"c": "2020-03-01", "a": "2020-01-01", "d": "2021-01-01", "b": "2020-02-01"}
    assert priors(*((study(name), Place(day)) for name, day in days.items())) == {"b": "a", "c": "b", "d": "c"}


def test_film_report_and_days_are_those_of_the_last_study() -> None:
    (first, second), notes = with_priors(
        [study("a"), study("b")], [Place("2020-01-01T06:00:00"), Place("2020-01-02T18:00:00")]
    )
    assert first.prior is None
    assert second.prior is not None
    assert (second.prior.image, second.prior.report, second.prior.days) == ("a.png", Report("Report a."), 1.5)
    assert notes == []


def test_no_later_study_no_other_patient_and_no_other_split_is_a_prior() -> None:
    others = [study("b", patient="bert"), study("c", split="test"), study("d")]
    places = [Place("2020-01-01"), Place("2020-01-01"), Place("2020-01-03")]
    assert priors((study("a"), Place("2020-01-02")), *zip(others, places, strict=True)) == {"d": "a"}


def test_a_study_of_the_same_time_is_not_earlier() -> None:
    same = "2020-01-01T08:00:00"
    assert priors((study("a"), Place(same)), (study("b"), Place(same)), (study("c"), Place("2020-01-02"))) == {"c": "b"}


@pytest.mark.parametrize(
    ("time", "other", "expected"),
    [
        ("2020-01-01", "2020-01-02", True),
        ("2020-01-01", "2020-01-01", False),
        ("2020-01-01", "2020-01-01T23:00:00", False),  # the first may be of midnight or of the evening
        ("2020-01-01T08:00:00", "2020-01-01T08:00:01", True),
        ("2020-01-01T12:00:00+02:00", "2020-01-01T11:00:00+00:00", True),
        ("2020-01-01T12:00:00+02:00", "2020-01-01T09:00:00", False),
        ("", "2020-01-01", False),
        ("2019", "2020-01-01", False),
    ],
)
def test_earlier_means_known_to_be_earlier(time: str, other: str, expected: bool) -> None:
    found, _ = with_priors([study("a"), study("b")], [Place(time), Place(other)])
    assert (found[1].prior is not None) is expected


def test_days_between_dates_are_whole_and_unknown_without_both() -> None:
    places = [Place("2020-02-28"), Place("2020-03-01T09:00:00"), Place(prior_id="b", line=4)]
    found, _ = with_priors([study("a"), study("b"), study("c")], places)
    assert [each.prior.days if each.prior else None for each in found] == [None, 2.0, None]


def test_a_missing_or_unreadable_date_is_no_prior_and_the_latter_is_told_by_its_row() -> None:
    studies = [study("a"), study("b"), study("c")]
    found, notes = with_priors(studies, [Place("05/06/2019", line=2), Place("2020-01-01", line=3), NOWHERE])
    assert [each.prior for each in found] == [None, None, None]
    assert notes == [
        "1 date is not of the form 2020-01-31 (row 2): such a study has no earlier one, and is none of another"
    ]


def test_a_study_without_a_frontal_film_is_passed_over() -> None:
    days = ("2020-01-01", "2020-01-02", "2020-01-03")
    studies = (study("a"), study("b", view="lateral"), study("c"))
    assert priors(*((each, Place(day)) for each, day in zip(studies, days, strict=True))) == {"b": "a", "c": "a"}


def test_a_named_prior_wins_over_the_dates() -> None:
    rows = [
        (study("a"), Place("2020-01-01")),
        (study("b"), Place("2020-01-02")),
        (study("c"), Place("2020-01-03", "a", 4)),
    ]
    assert priors(*rows) == {"b": "a", "c": "a"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(study("a"), Place(prior_id="z", line=2))], "row 2: prior_study_id z of study a is no study of this table"),
        ([(study("a"), Place(prior_id="a", line=2))], "row 2: prior_study_id leads from study a back to itself"),
        (
            [(study("a"), Place(prior_id="b", line=2)), (study("b"), Place(prior_id="a", line=3))],
            "row 2: prior_study_id leads from study a back to itself",
        ),
        (
            [(study("a"), Place(prior_id="b", line=2)), (study("b", "bert"), NOWHERE)],
            "row 2: prior_study_id b of study a is a study of another patient",
        ),
        (
            [(study("a"), Place(prior_id="b", line=2)), (study("b", split="val"), NOWHERE)],
            "row 2: prior_study_id b of study a is in the split val, the study itself in train",
        ),
        (
            [(study("a"), Place("2020-01-01", "b", 2)), (study("b"), Place("2020-01-01"))],
            "row 2: prior_study_id b of study a is not earlier by the column date",
        ),
    ],
)
def test_a_wrong_name_is_one_error_with_its_row(rows: list[tuple[Study, Place]], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        priors(*rows)


def test_a_named_prior_that_is_unusable_is_none_and_no_error() -> None:
    (found,), _ = with_priors([study("a")], [Place(prior_id="gone", line=2)], left_out={"gone"})
    assert found.prior is None
