"""What is drawn is known: the phantom's own writer gets every measure right, and who lacks a source does not."""

from dataclasses import replace

import numpy as np
import pytest

from xr2text_core.drawing.desk import Desk, sample_desk
from xr2text_core.drawing.desk_writing import commonest_desk_report
from xr2text_core.drawing.names import image_name
from xr2text_core.inference.ceiling import ceiling_row, drawn_truth
from xr2text_core.metrics.findings.desk import ASKED, CHANGES_RIGHT, COPIED, ONLY_LATERAL, DeskTruth, desk_measures
from xr2text_core.metrics.findings.reading import MACRO
from xr2text_core.metrics.rows import References
from xr2text_core.report.vocabulary import FINDINGS

NAMES = [image_name(0, number) for number in range(300)]
DESKS = [sample_desk(0, number) for number in range(300)]
TRUTHS = drawn_truth(NAMES, "findings")
SEEN = np.array([[name in true.present for name in FINDINGS] for true in TRUTHS], dtype=float)
FRONTAL = np.array([[name in true.present - true.hidden for name in FINDINGS] for true in TRUTHS], dtype=float)
NOISE = np.random.default_rng(0).normal(scale=0.1, size=SEEN.shape)


def written(desks: list[Desk]) -> list[str]:
    return [commonest_desk_report(desk).findings for desk in desks]


def values(candidates: list[str], logits: np.ndarray | None = None) -> dict[tuple[str, str], float]:
    return {(each.name, each.finding): each.value for each in desk_measures(candidates, TRUTHS, logits)}


def test_who_sees_all_and_says_so_gets_everything_right() -> None:
    found = values(written(DESKS), SEEN)
    assert found[CHANGES_RIGHT, MACRO] == found[ASKED, MACRO] == found[ONLY_LATERAL, MACRO] == 1
    assert {finding for name, finding in found if name == ONLY_LATERAL} == {
        *(MACRO, "lung opacity", "pleural effusion", "degenerative spine", "fracture")
    }


def test_without_the_lateral_film_the_auc_is_that_of_chance() -> None:
    assert abs(values(written(DESKS), FRONTAL + NOISE)[ONLY_LATERAL, MACRO] - 0.5) < 0.1


def test_studies_whose_frontal_film_shows_the_finding_too_do_not_count() -> None:
    flipped = SEEN.copy()
    is_frontal = FRONTAL[:, FINDINGS.index("pleural effusion")] > 0
    flipped[is_frontal, FINDINGS.index("pleural effusion")] = -9
    assert values(written(DESKS), flipped)[ONLY_LATERAL, "pleural effusion"] == 1


def test_without_the_last_study_no_change_is_worded_and_copying_its_report_is_mostly_wrong() -> None:
    found = values(written([replace(desk, prior=None) for desk in DESKS]))
    assert found[CHANGES_RIGHT, MACRO] == 0
    assert 0.02 < found[COPIED, MACRO] < 0.5


def test_without_the_question_only_some_of_the_denials_are_given() -> None:
    found = values(written([replace(desk, question="") for desk in DESKS]))
    assert found[ASKED, MACRO] < 0.75


def test_nothing_asked_and_nothing_compared_is_undefined_and_not_zero() -> None:
    alone = DeskTruth(frozenset(), frozenset(), {}, (), "")
    measures = desk_measures(["The lungs are clear."], [alone], np.zeros((1, len(FINDINGS))))
    assert [each.name for each in measures] == [CHANGES_RIGHT, COPIED, ASKED]
    assert all(np.isnan(each.value) and each.num_studies == 0 for each in measures)


def test_a_study_that_was_not_read_is_left_out_of_the_auc_alone() -> None:
    logits = SEEN.copy()
    logits[:5] = np.nan
    measures = [each for each in desk_measures(written(DESKS), TRUTHS, logits) if each.name == ONLY_LATERAL]
    assert measures[0].value == 1
    assert measures[0].num_studies == len(DESKS) - 5


def test_one_truth_per_candidate() -> None:
    with pytest.raises(ValueError, match="1 candidates and 300 truths"):
        desk_measures(["No edema."], TRUTHS)


def test_the_ceiling_invents_no_comparison_and_a_prior_that_is_not_there_is_counted() -> None:
    texts = written(DESKS)
    references = References(texts, "clean-full", without_prior=[desk.prior is None for desk in DESKS])
    row = ceiling_row(references, NAMES, "findings", desk=True)
    assert row.invented_comparisons == 0
    assert row.scores.clinical_f1 == 1
    others = DESKS[1:] + DESKS[:1]
    pairs = zip(DESKS, others, strict=True)
    compares = [bool(other.changes or (other.prior and not other.hidden)) for desk, other in pairs if not desk.prior]
    assert references.row("other reports", written(others)).invented_comparisons == np.mean(compares) > 0.5


def test_nobody_knows_of_priors_or_all_have_one() -> None:
    text = ["Stable cardiomegaly."]
    assert np.isnan(References(text, "clean-full").row("x", text).invented_comparisons)
    assert np.isnan(References(text, "clean-full", without_prior=[False]).row("x", text).invented_comparisons)
    assert References(text, "clean-full", without_prior=[True]).row("x", text).invented_comparisons == 1
