"""The labeler against the one writer whose meaning is known: reports of drawn chests."""

from collections.abc import Callable, Iterable

import pytest

from xr2text_core.drawing.scene import DIFFUSE_LUNG_FINDINGS, PhantomFinding, Scene, sample_scene, scene_labels
from xr2text_core.drawing.writing import commonest_report, write_report
from xr2text_core.report.labeler import ReportLabels, label_report
from xr2text_core.report.report import Report

SCENES = [sample_scene(seed=11, number=number) for number in range(1500)]
WRITERS = [write_report, commonest_report]


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
