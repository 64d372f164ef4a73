from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from xr2text_core.drawing.drawing import draw_scene
from xr2text_core.drawing.names import draw_image
from xr2text_core.drawing.scene import DEVICES, Anatomy, PhantomFinding, Scene, sample_scene

SIZE = 96  # px: what a small model sees
QUIET = Scene(anatomy=Anatomy(noise=0.0))
GRADED = [
    PhantomFinding("cardiomegaly"),
    PhantomFinding("enlarged cardiomediastinum"),
    PhantomFinding("pleural effusion", "right"),
    PhantomFinding("pneumothorax", "right"),
    PhantomFinding("consolidation", "right", "mid"),
    PhantomFinding("lung lesion", "right", "mid"),
    PhantomFinding("atelectasis", "right", "mid"),
    PhantomFinding("edema", "bilateral"),
    PhantomFinding("hyperinflation", "bilateral"),
    PhantomFinding("elevated diaphragm", "right"),
    PhantomFinding("scoliosis", "right"),
]
WITHOUT_MODERATE = ("lung lesion", "hyperinflation")
WITHOUT_SEVERE = ("atelectasis",)


def change(item: PhantomFinding) -> np.ndarray:
    """Return how much each pixel of a quiet film changes through a finding, (SIZE, SIZE), grey values 0..255."""
    drawn = draw_scene(replace(QUIET, findings=(item,)), SIZE).astype(int)
    difference: np.ndarray = np.abs(drawn - draw_scene(QUIET, SIZE).astype(int))
    return difference


def test_image_is_eight_bit_grey_of_the_asked_size_and_uses_the_range() -> None:
    image = draw_image("phantom:0/1", 128)
    assert image.shape == (128, 128)
    assert image.dtype == np.uint8
    assert image.min() < 30
    assert image.max() > 200


def test_same_scene_gives_the_same_image_whatever_was_drawn_before() -> None:
    first = draw_image("phantom:0/3", SIZE)
    draw_image("phantom:0/4", 2 * SIZE)
    assert np.array_equal(draw_image("phantom:0/3", SIZE), first)
    assert np.array_equal(draw_scene(sample_scene(0, 3), SIZE), first)


def test_healthy_chests_differ() -> None:
    healthy = [scene for scene in (sample_scene(0, number) for number in range(60)) if not scene.findings][:8]
    images = [draw_scene(replace(scene, view="PA", devices=()), SIZE).astype(int) for scene in healthy]
    assert all(np.abs(image - images[0]).mean() > 4 for image in images[1:])


@pytest.mark.parametrize(
    "item", [item for item in GRADED if item.finding != "scoliosis"], ids=lambda item: item.finding
)
def test_each_severity_changes_the_film_visibly_more_than_the_milder_one(item: PhantomFinding) -> None:
    grades = ["mild", "moderate", "severe"]
    if item.finding in WITHOUT_MODERATE:
        grades.remove("moderate")
    if item.finding in WITHOUT_SEVERE:
        grades.remove("severe")
    changes = [change(replace(item, severity=grade)).sum() for grade in grades]
    assert changes[0] > 500
    assert all(more > 1.3 * less for less, more in pairwise(changes))


@pytest.mark.parametrize("item", GRADED, ids=lambda item: item.finding)
def test_mildest_finding_stands_out_in_several_pixels(item: PhantomFinding) -> None:
    assert (change(replace(item, severity="mild")) > 25).sum() >= 9


def test_low_volumes_raise_and_hyperinflation_lowers_the_diaphragm() -> None:
    def dark_pixels(*findings: PhantomFinding) -> int:
        return int((draw_scene(replace(QUIET, findings=findings), SIZE)[20:90, 12:84] < 90).sum())

    low, usual = dark_pixels(PhantomFinding("low lung volumes", "bilateral")), dark_pixels()
    assert low < 0.9 * usual < usual < 0.9 * dark_pixels(PhantomFinding("hyperinflation", "bilateral", None, "severe"))


@pytest.mark.parametrize("finding", ["pleural effusion", "pneumothorax", "consolidation", "lung lesion", "atelectasis"])
def test_right_of_the_patient_is_on_the_left_of_the_image(finding: str) -> None:
    for side, columns in (("right", slice(0, SIZE // 2)), ("left", slice(SIZE // 2, None))):
        changed = change(PhantomFinding(finding, side, "mid", "mild"))
        assert changed[:, columns].sum() > 0.95 * changed.sum()


def test_scoliosis_bends_the_spine_further_to_its_side_with_each_severity() -> None:
    columns = np.arange(SIZE)
    for side, sign in (("right", -1), ("left", 1)):
        bends = []
        for severity in ("mild", "moderate", "severe"):
            chest = change(PhantomFinding("scoliosis", side, None, severity))[30:60]
            bends.append(sign * ((chest * columns).sum() / chest.sum() - SIZE / 2))
        assert 1 < bends[0] < bends[1] - 1 < bends[2] - 2


@pytest.mark.parametrize("finding", ["consolidation", "lung lesion"])
def test_zones_lie_one_below_the_other(finding: str) -> None:
    rows = np.arange(SIZE)[:, None]
    heights = []
    for zone in ("upper", "mid", "lower"):
        changed = change(PhantomFinding(finding, "right", zone, "mild"))
        heights.append((changed * rows).sum() / changed.sum())
    assert heights[0] + 8 < heights[1]
    assert heights[1] + 8 < heights[2]


@pytest.mark.parametrize("device", DEVICES)
def test_device_is_bright_and_several_pixels_long(device: str) -> None:
    drawn = draw_scene(replace(QUIET, devices=(device,)), SIZE).astype(int)
    assert (drawn - draw_scene(QUIET, SIZE) > 40).sum() >= 12


def test_portable_film_carries_its_mark() -> None:
    corner = slice(0, SIZE // 8), slice(4 * SIZE // 5, None)
    assert draw_scene(replace(QUIET, view="AP"), SIZE)[corner].max() > 200 > draw_scene(QUIET, SIZE)[corner].max()
