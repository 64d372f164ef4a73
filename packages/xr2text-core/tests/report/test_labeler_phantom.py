"""The labeler against the one writer whose meaning is known: reports of drawn chests."""

from collections.abc import Callable, Iterable

import pytest

from xr2text_core.drawing.desk import Desk, sample_desk
from xr2text_core.drawing.desk_writing import commonest_desk_report, write_desk_report
from xr2text_core.drawing.scene import DIFFUSE_LUNG_FINDINGS, PhantomFinding, Scene, sample_scene, scene_labels
from xr2text_core.drawing.writing import commonest_report, write_report
from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.report import Report

SCENES = [sample_scene(seed=11, number=number) for number in range(1500)]
DESKS = [sample_desk(seed=11, number=number) for number in range(1500)]
WRITERS = [write_report, commonest_report]
DESK_WRITERS = [write_desk_report, commonest_desk_report]


def share(answers: Iterable[bool]) -> float:
    collected = list(answers)
    return sum(collected) / len(collected)


def read(write: Callable[[Scene], Report], scene: Scene) -> ReportLabels:
    return label_report(write(scene).section("both"))


@pytest.mark.parametrize("write", WRITERS)
def test_labeler_reads_back_what_the_phantom_wrote(write: Callable[[Scene], Report]) -> None:
    def agrees(scene: Scene) -> bool:
        truth, labels = scene_labels(scene), read(write, scene)
        return (labels.present, labels.regions, labels.is_normal) == tuple(truth)

    assert share(agrees(scene) for scene in SCENES) == 1


@pytest.mark.parametrize("write", DESK_WRITERS)
def test_labeler_reads_back_both_films_whatever_was_asked_and_compared(write: Callable[[Desk], Report]) -> None:
    def agrees(desk: Desk) -> bool:
        labels = label_report(write(desk).section("both"))
        return (labels.present, labels.regions, labels.is_normal) == tuple(desk.labels)

    assert share(agrees(desk) for desk in DESKS) == 1


@pytest.mark.parametrize("write", DESK_WRITERS)
def test_labeler_reads_back_what_the_question_asks_for(write: Callable[[Desk], Report]) -> None:
    assert share(set(desk.asked) <= label_report(write(desk).findings).absent for desk in DESKS) == 1


@pytest.mark.parametrize("section", ["findings", "impression"])
def test_either_section_alone_says_what_is_present(section: str) -> None:
    def agrees(scene: Scene) -> bool:
        labels = label_report(write_report(scene).section(section))
        return labels.present - {"support devices"} == {item.finding for item in scene.findings}

    assert share(agrees(scene) for scene in SCENES) >= 0.99


def test_labeler_reads_back_side_and_severity() -> None:
    def agrees(labels: ReportLabels, item: PhantomFinding) -> bool:
        stated = [mention for mention in labels.mentions if mention.finding == item.finding]
        sides = {mention.side for mention in stated if mention.side}
        severities = {mention.severity for mention in stated if mention.severity}
        return sides == ({item.side} - {None}) and severities == ({item.severity} - {None})

    # Findings of both lungs are written without a side.
    answers = [
        agrees(read(write_report, scene), item)
        for scene in SCENES
        for item in scene.findings
        if item.finding not in DIFFUSE_LUNG_FINDINGS
    ]
    assert share(answers) >= 0.99
