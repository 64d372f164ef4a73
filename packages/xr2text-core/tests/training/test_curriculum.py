"""Stages follow the epoch, classes follow the labels, and a replayed study is the same one every time."""

import pytest

from xr2text_core.report.labeler import Mention, ReportLabels
from xr2text_core.training.curriculum import (
    STAGES,
    WITHOUT_CURRICULUM,
    admitted,
    stage_at,
    stage_ends,
    stage_of,
)


def present(finding: str, *regions: str) -> Mention:
    return Mention(finding, "present", regions)


def test_stages_change_after_epochs_5_15_and_30_of_50() -> None:
    changes = [epoch for epoch in range(1, 50) if stage_at(epoch, 50) != stage_at(epoch + 1, 50)]
    assert changes == [5, 15, 30]
    assert [stage_at(epoch, 50) for epoch in (1, 6, 16, 31)] == list(STAGES)


@pytest.mark.parametrize("num_epochs", range(4, 61))
def test_every_stage_has_an_epoch_and_the_last_ends_with_the_run(num_epochs: int) -> None:
    ends = stage_ends(num_epochs)
    assert list(ends) == sorted(set(ends))
    assert (ends[0] >= 1, ends[-1]) == (True, num_epochs)
    assert {stage_at(epoch, num_epochs) for epoch in range(1, num_epochs + 1)} == set(STAGES)


@pytest.mark.parametrize("num_epochs", [1, 2, 3])
def test_a_run_too_short_for_all_stages_goes_through_the_first_ones(num_epochs: int) -> None:
    assert [stage_at(epoch, num_epochs) for epoch in range(1, num_epochs + 1)] == list(STAGES[:num_epochs])


def test_a_stage_admits_its_class_and_all_simpler_ones() -> None:
    ids = [str(index) for index in range(4)]
    for reach, stage in enumerate(STAGES):
        assert admitted(STAGES, ids, stage, replay=0.0) == list(range(reach + 1))


def test_without_a_curriculum_all_studies_are_admitted() -> None:
    assert admitted(STAGES, ["a", "b", "c", "d"], WITHOUT_CURRICULUM, replay=0.0) == [0, 1, 2, 3]


@pytest.mark.parametrize("replay", [0.0, 0.25, 0.5, 1.0])
def test_about_the_asked_share_of_harder_studies_is_replayed(replay: float) -> None:
    ids = [f"study-{number:05d}" for number in range(4000)]
    replayed = admitted(["complex_cases"] * 4000, ids, "normal_cases", replay)
    assert len(replayed) / 4000 == pytest.approx(replay, abs=0.03)


def test_the_same_studies_are_replayed_every_time_whatever_stands_beside_them() -> None:
    ids = [f"study-{number:05d}" for number in range(400)]
    classes = ["complex_cases"] * 400
    every = {ids[index] for index in admitted(classes, ids, "normal_cases", 0.25)}
    half = {ids[200:][index] for index in admitted(classes[200:], ids[200:], "normal_cases", 0.25)}
    assert half == every & set(ids[200:])
    assert every == {ids[index] for index in admitted(classes, ids, "multi_region", 0.25)}
    assert {ids[index] for index in admitted(classes, ids, "normal_cases", 0.4)} > every


@pytest.mark.parametrize(
    ("stage", "mentions"),
    [
        ("single_region", [present("cardiomegaly", "heart")]),
        ("single_region", [present("fracture")]),  # abnormal, in no region that the report names
        ("single_region", [present("atelectasis", "left lung"), present("lung opacity", "left lung")]),
        ("single_region", [Mention("pneumonia", "uncertain", ("left lung",))]),
        ("multi_region", [present("cardiomegaly", "heart"), present("atelectasis", "left lung")]),
        ("multi_region", [present("pleural effusion", "right lung", "left lung")]),
        ("multi_region", [present("edema", "right lung", "left lung"), Mention("cardiomegaly", "absent", ("heart",))]),
        ("complex_cases", [present("edema", "right lung", "left lung"), present("cardiomegaly", "heart")]),
        (
            "complex_cases",
            [present(each) for each in ("fracture", "scoliosis", "lung lesion", "edema", "granuloma")],
        ),
    ],
)
def test_the_class_of_a_study_is_how_much_is_wrong_and_where(stage: str, mentions: list[Mention]) -> None:
    assert stage_of(ReportLabels(tuple(mentions), is_normal=False)) == stage


def test_a_normal_study_stays_normal_with_denied_findings_and_devices() -> None:
    mentions = (Mention("pneumothorax", "absent", ("left lung",)), present("support devices"))
    assert stage_of(ReportLabels(mentions, is_normal=True)) == "normal_cases"
