import hashlib
from collections import Counter

import pytest

from xr2text_core.data.readers.phantom import read
from xr2text_core.drawing.names import draw_image, named_scene
from xr2text_core.drawing.scene import DEVICES, PhantomFinding, Scene, finding_regions, sample_scene, scene_labels
from xr2text_core.report.vocabulary import FINDINGS, REGIONS, SEVERITIES, SIDES

SCENES = [sample_scene(0, number) for number in range(1000)]
ABNORMAL = [scene for scene in SCENES if scene.findings]


def test_scene_depends_on_seed_and_number_alone() -> None:
    backwards = [sample_scene(0, number) for number in reversed(range(20))]
    assert backwards[::-1] == SCENES[:20]
    assert sample_scene(1, 0) != sample_scene(0, 0)


def test_about_half_of_the_scenes_are_normal() -> None:
    assert 0.45 < 1 - len(ABNORMAL) / len(SCENES) < 0.55


def test_shares_of_one_two_and_more_abnormal_regions_suit_the_curriculum() -> None:
    counts = Counter(min(3, len(scene_labels(scene).regions)) for scene in ABNORMAL)
    assert [round(counts[number] / len(ABNORMAL), 1) for number in (1, 2, 3)] == [0.4, 0.4, 0.2]


def test_every_finding_and_device_occurs_often_enough_to_be_learned() -> None:
    findings = Counter(item.finding for scene in SCENES for item in scene.findings)
    assert len(findings) >= 12
    assert min(findings.values()) >= 25
    assert {device for scene in SCENES for device in scene.devices} == set(DEVICES)


def test_findings_use_the_words_of_the_vocabulary() -> None:
    for item in (item for scene in ABNORMAL for item in scene.findings):
        assert item.finding in FINDINGS
        assert item.side in (None, *SIDES)
        assert item.severity in (None, *SEVERITIES)
        assert finding_regions(item) <= set(REGIONS)


def test_no_lung_has_two_local_findings_that_could_cover_each_other() -> None:
    local = ("consolidation", "lung lesion", "atelectasis", "pneumothorax")
    for scene in ABNORMAL:
        for side in ("right", "left"):
            assert sum(item.finding in local and item.is_on(side) for item in scene.findings) <= 1


def test_devices_alone_leave_a_scene_normal() -> None:
    labels = scene_labels(Scene(devices=("pacemaker",)))
    assert labels.is_normal
    assert labels.findings == {"support devices"}
    assert labels.regions == frozenset()


@pytest.mark.parametrize(
    ("item", "regions"),
    [
        (PhantomFinding("pneumothorax", "left", None, "mild"), {"left lung"}),
        (PhantomFinding("edema", "bilateral", None, "mild"), {"right lung", "left lung"}),
        (PhantomFinding("pleural effusion", "bilateral", None, "mild"), {"costophrenic angles"}),
        (PhantomFinding("scoliosis", "right", None, "mild"), {"spine"}),
    ],
)
def test_finding_makes_its_own_region_abnormal(item: PhantomFinding, regions: set[str]) -> None:
    assert scene_labels(Scene(findings=(item,))).regions == regions


def test_data_set_has_one_patient_per_study_and_the_asked_splits() -> None:
    dataset = read(num_train=5, num_val=2, num_test=3, seed=4)
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [5, 2, 3]
    assert len({study.patient_id for study in dataset.studies}) == 10
    assert dataset.studies[4].images == ("phantom:4/4",)
    assert dataset.studies[4].views == (named_scene("phantom:4/4").view,)
    assert not dataset.left_out.counts


def test_the_test_set_stays_the_same_however_many_are_trained_on() -> None:
    assert read(3, 1, 4, seed=0).split("test") == read(50, 2, 4, seed=0).split("test")


def test_a_desk_adds_to_each_study_and_takes_nothing_away() -> None:
    plain, desk = read(60, 1, 2, seed=4).studies, read(60, 1, 2, seed=4, desk=True).studies
    assert [study.frontal for study in desk] == [study.frontal for study in plain]
    assert [study.study_id for study in desk] == [study.study_id for study in plain]
    assert {study.views[1:] for study in desk} == {(), ("lateral",)}
    assert {bool(study.indication) for study in desk} == {study.prior is None for study in desk} == {True, False}
    for study in desk:
        films = [*study.images, *([study.prior.image] if study.prior else [])]
        assert all(draw_image(name, 32).shape == (32, 32) for name in films)


def test_the_phantom_without_a_desk_is_what_it_always_was() -> None:
    text = repr([(study.report, study.views, study.images) for study in read(200, 50, 50).studies])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "d34cdc886b1b738a"
    assert all(study.prior is None and not study.indication for study in read(20, 1, 1).studies)


@pytest.mark.parametrize("name", ["phantom:0", "phantom:a/1", "0/1", "phantom:0/-1", "scan.png"])
def test_wrong_image_name_is_refused_with_the_right_form(name: str) -> None:
    with pytest.raises(ValueError, match="phantom:SEED/NUMBER"):
        named_scene(name)
