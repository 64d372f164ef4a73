"""What lies on the desk of a phantom study: sampled independently, drawn, and written down as it is."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from xr2text_core.drawing.desk import CHANGED_FROM, HIDDEN, SIZES, Desk, sample_desk
from xr2text_core.drawing.desk_wordings import CHANGE, NEGATIVES, QUESTIONS
from xr2text_core.drawing.desk_writing import commonest_desk_report, write_desk_report, write_indication
from xr2text_core.drawing.lateral import draw_lateral
from xr2text_core.drawing.names import LATERAL, PRIOR, draw_image, image_name, named_desk
from xr2text_core.drawing.scene import Anatomy, PhantomFinding, Scene, sample_scene
from xr2text_core.report.labeler import label_report

SIZE = 96  # px: what a small model sees
DESKS = [sample_desk(0, number) for number in range(1500)]
QUIET = Desk(Scene(anatomy=Anatomy(noise=0.0)), has_lateral=True)
EFFUSION = PhantomFinding("pleural effusion", "left", None, "moderate")


def lateral(*hidden: PhantomFinding, findings: tuple[PhantomFinding, ...] = ()) -> np.ndarray:
    """The lateral film of a quiet chest, (SIZE, SIZE), grey values 0..255 as int."""
    film: np.ndarray = draw_lateral(
        replace(QUIET, hidden=hidden, scene=replace(QUIET.scene, findings=findings)), SIZE
    ).astype(int)
    return film


def compared(now: tuple[PhantomFinding, ...], before: tuple[PhantomFinding, ...]) -> Desk:
    return Desk(Scene(now), prior=Desk(Scene(before)), days=3)


def test_a_desk_depends_on_seed_and_number_alone() -> None:
    assert [sample_desk(0, number) for number in reversed(range(20))][::-1] == DESKS[:20]
    assert sample_desk(1, 0) != DESKS[0]


def test_frontal_film_is_that_of_the_phantom_without_a_desk() -> None:
    assert [desk.scene for desk in DESKS[:50]] == [sample_scene(0, number) for number in range(50)]
    number = next(number for number, desk in enumerate(DESKS) if desk.hidden)
    assert np.array_equal(draw_image(image_name(0, number), SIZE), draw_image(f"phantom:0/{number}", SIZE))
    assert not {item.zone for desk in DESKS for item in desk.scene.findings} & {item.zone for item in HIDDEN}


def test_a_third_of_the_studies_lacks_each_source_independently_of_the_others() -> None:
    has = np.array([(desk.has_lateral, bool(desk.question), desk.prior is not None) for desk in DESKS])
    assert np.allclose(has.mean(axis=0), 2 / 3, atol=0.04)
    assert np.abs(np.corrcoef(has.T) - np.eye(3)).max() < 0.08
    for desk in DESKS:
        assert not desk.hidden or desk.has_lateral
        assert (desk.days > 0) == (desk.prior is not None)


def test_what_only_the_lateral_film_shows_cannot_be_guessed_from_the_rest() -> None:
    desks = [desk for desk in DESKS if desk.has_lateral]
    for item in HIDDEN:
        free = [desk for desk in desks if desk.scene.get(item.finding) is None]
        is_hidden = np.array([item in desk.hidden for desk in free])
        assert 0.15 < is_hidden.mean() < 0.25
        for known in (
            [bool(desk.scene.findings) for desk in free],
            [desk.scene.view == "AP" for desk in free],
            [desk.prior is not None and bool(desk.prior.scene.findings) for desk in free],
            *([desk.question == question for desk in free] for question in QUESTIONS),
        ):
            assert abs(np.corrcoef(is_hidden, known)[0, 1]) < 0.12


@pytest.mark.parametrize("item", HIDDEN, ids=lambda item: item.finding)
def test_each_finding_of_the_lateral_film_stands_out_there(item: PhantomFinding) -> None:
    assert (np.abs(lateral(item) - lateral()) > 25).sum() >= 20


def test_findings_of_the_lateral_film_lie_apart() -> None:
    changed = [np.abs(lateral(item) - lateral()) > 25 for item in HIDDEN]
    assert not np.any(np.sum(changed, axis=0) > 1)


@pytest.mark.parametrize("finding", ["pleural effusion", "cardiomegaly", "consolidation", "lung lesion", "edema"])
def test_lateral_film_shows_what_the_frontal_one_shows(finding: str) -> None:
    item = PhantomFinding(finding, "right", "mid", "severe")
    assert (np.abs(lateral(findings=(item,)) - lateral()) > 25).sum() >= 40


@pytest.mark.parametrize("name", ["phantom:0/4/oblique", "phantom:0/4/", "phantom:0/4/lateral/prior"])
def test_a_name_of_no_film_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="phantom:SEED/NUMBER"):
        draw_image(name, SIZE)


@pytest.mark.parametrize("film", [LATERAL, PRIOR])
def test_a_film_that_a_study_lacks_is_an_error_and_no_other_film(film: str) -> None:
    lacking = next(n for n, d in enumerate(DESKS) if not d.has_lateral and d.prior is None)
    with pytest.raises(ValueError, match=f"no {film} film"):
        draw_image(image_name(0, lacking, film), SIZE)


def test_film_of_the_last_study_shows_the_same_chest_on_another_day() -> None:
    number = next(number for number, desk in enumerate(DESKS) if desk.prior and not desk.changes)
    now, before = (draw_image(image_name(0, number, film), SIZE).astype(int) for film in ("", PRIOR))
    assert 0 < np.abs(now - before).mean() < 12
    assert named_desk(image_name(0, number, PRIOR)) == DESKS[number].prior


def test_neighbouring_sizes_differ_by_the_factor_that_counts_as_a_change() -> None:
    for sizes in SIZES.values():
        assert all(more / less >= CHANGED_FROM for less, more in pairwise(sizes.values()))


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        ((EFFUSION,), (), "new"),
        ((EFFUSION,), (replace(EFFUSION, severity="mild"),), "larger"),
        ((EFFUSION,), (replace(EFFUSION, severity="severe"),), "smaller"),
        ((EFFUSION,), (EFFUSION,), "unchanged"),
        ((), (EFFUSION,), "resolved"),
    ],
)
def test_a_change_follows_from_the_sizes_on_both_films(
    now: tuple[PhantomFinding, ...], before: tuple[PhantomFinding, ...], change: str
) -> None:
    assert compared(now, before).changes == {"pleural effusion": change}


def test_every_change_happens_often_enough_to_be_learned() -> None:
    counts = Counter(change for desk in DESKS for change in desk.changes.values())
    assert set(counts) == {*CHANGE, "resolved"}
    assert min(counts.values()) > 80


def test_report_words_the_change_and_only_with_a_last_study() -> None:
    text = commonest_desk_report(compared((EFFUSION,), (replace(EFFUSION, severity="mild"),))).findings
    assert text.startswith("There is a moderate left pleural effusion, increased since the prior study.")
    words = ("prior", "new", "increased", "decreased", "unchanged", "stable", "resolved", "interval", "compared")
    for desk in DESKS:
        if desk.prior is None:
            text = write_desk_report(desk).section("both").lower()
            assert not [word for word in words if word in text]


def test_question_decides_what_is_denied_and_in_which_order() -> None:
    for question, (asks_for, _) in QUESTIONS.items():
        text = commonest_desk_report(Desk(Scene(), question=question)).findings
        places = [text.index(NEGATIVES[finding][0]) for finding in asks_for]
        assert places == sorted(places)
        assert not [finding for finding in set(NEGATIVES) - set(asks_for) if NEGATIVES[finding][0] in text]
    assert {finding for asked in QUESTIONS.values() for finding in asked.asks_for} == set(NEGATIVES)


def test_no_question_hides_a_finding_that_is_there() -> None:
    for question in QUESTIONS:
        desks = [replace(desk, question=question) for desk in DESKS[:200]]
        assert all(label_report(write_desk_report(desk).findings).present == desk.labels.findings for desk in desks)


def test_a_question_of_a_drawn_finding_is_not_denied() -> None:
    desk = Desk(Scene((EFFUSION,)), question="fever")
    assert desk.asked == ("consolidation",)
    assert Desk(Scene(), True, (HIDDEN[0],), "fever").asked == ("pleural effusion",)  # the opacity may be one


def test_indications_vary_and_have_no_empty_places() -> None:
    written = [write_indication(desk) for desk in DESKS]
    assert all(bool(text) == bool(desk.question) for text, desk in zip(written, DESKS, strict=True))
    assert len(set(written)) > 100
    assert not [text for text in written if "{" in text]
