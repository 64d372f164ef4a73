import math

import numpy as np
import pytest

from xr2text_core.metrics.bootstrap import bootstrap_intervals
from xr2text_core.metrics.clinical_f1 import are_normal, clinical_f1, present_findings
from xr2text_core.metrics.findings.said import false_findings, obedience, supported_f1
from xr2text_core.report.vocabulary import FINDINGS

NORMAL = "The lungs are clear. No pleural effusion or pneumothorax."
EFFUSION = "There is a right pleural effusion."
BOTH = "There is a right pleural effusion. There is a left apical pneumothorax."
PACEMAKER = "A pacemaker is in place. The lungs are clear."


def bools(*rows: str) -> np.ndarray:
    """`bools("101", "000")`: two studies, three findings."""
    return np.array([[mark == "1" for mark in row] for row in rows])


def test_obedience_pools_the_findings_of_all_reports():
    result = obedience(bools("110", "000", "001"), bools("100", "000", "011"), num_resamples=20)
    values = [getattr(result, name).value for name in ("precision", "recall", "f1", "exact")]
    assert values == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_obedience_tells_silence_from_invention():
    silent = obedience(bools("100"), bools("110"), num_resamples=5)
    assert (silent.precision.value, silent.recall.value, silent.exact.value) == (1.0, 0.5, 0.0)
    assert silent.f1.value == pytest.approx(2 / 3)
    inventive = obedience(bools("110"), bools("100"), num_resamples=5)
    assert (inventive.precision.value, inventive.recall.value) == (0.5, 1.0)


def test_a_pen_that_says_what_was_decided_scores_1_and_one_report_for_all_does_not():
    decided = np.random.default_rng(0).random((50, 5)) < 0.3
    perfect = obedience(decided, decided, num_resamples=50)
    assert {each.value for each in vars(perfect).values()} == {each.low for each in vars(perfect).values()} == {1.0}
    constant = obedience(np.zeros_like(decided), decided, num_resamples=50)
    assert math.isnan(constant.precision.value) and constant.recall.value == constant.f1.value == 0.0
    assert constant.exact.value == pytest.approx((~decided.any(axis=1)).mean())


def test_where_nothing_is_decided_and_nothing_said_only_exact_is_defined():
    nothing = obedience(bools("000", "000"), bools("000", "000"), num_resamples=5)
    assert all(math.isnan(each.value) for each in (nothing.precision, nothing.recall, nothing.f1))
    assert nothing.exact.value == 1.0


def test_intervals_hold_the_value_are_those_of_a_share_and_repeat_with_the_seed():
    generator = np.random.default_rng(1)
    decided = generator.random((300, 4)) < 0.3
    said = decided ^ (generator.random((300, 4)) < 0.1)
    result = obedience(said, decided)
    for interval in vars(result).values():
        assert interval.low < interval.value < interval.high
    share = result.exact.value
    width = 2 * 1.96 * math.sqrt(share * (1 - share) / 300)
    assert result.exact.high - result.exact.low == pytest.approx(width, rel=0.1)
    assert obedience(said, decided) == result != obedience(said, decided, seed=1)


def test_false_findings_count_in_normal_studies_only():
    said, true = bools("110", "000", "100", "111"), bools("000", "000", "000", "001")
    result = false_findings(said, true, np.array([True, True, True, False]), num_resamples=20)
    assert result.per_normal_study.value == pytest.approx((2 + 0 + 1) / 3)
    assert result.specificity.value == pytest.approx(1 / 3)
    assert result.num_normal == 3


def test_a_device_in_a_normal_study_is_a_false_finding_only_where_there_is_none():
    references = [PACEMAKER, NORMAL]
    true, is_normal = present_findings(references), are_normal(references)
    assert is_normal.all()
    right = false_findings(present_findings([PACEMAKER, NORMAL]), true, is_normal, num_resamples=5)
    assert (right.per_normal_study.value, right.specificity.value) == (0.0, 1.0)
    wrong = false_findings(present_findings([NORMAL, PACEMAKER]), true, is_normal, num_resamples=5)
    assert (wrong.per_normal_study.value, wrong.specificity.value) == (0.5, 0.5)


def test_without_normal_studies_false_findings_are_undefined():
    result = false_findings(bools("100"), bools("100"), np.array([False]), num_resamples=5)
    assert math.isnan(result.per_normal_study.value) and math.isnan(result.specificity.value)
    assert result.num_normal == 0


def test_f1_counts_findings_of_enough_references_only():
    true = np.arange(20)[:, None] < (10, 9, 0)
    said = true.copy()
    said[:5, 0] = False  # 5 of 10 found, none invented
    said[:, 1:] = ~true[:, 1:]
    assert supported_f1(said, true, num_resamples=20).value == pytest.approx(2 / 3)
    assert supported_f1(said, true, min_support=9, num_resamples=20).value == pytest.approx(1 / 3)
    assert math.isnan(supported_f1(said, true, min_support=11, num_resamples=20).value)


def test_with_a_support_of_one_f1_and_its_interval_are_the_macro_f1_of_reports():
    candidates = [BOTH, EFFUSION, NORMAL, EFFUSION] * 5
    references = [EFFUSION, BOTH, NORMAL, NORMAL] * 5
    said, true = present_findings(candidates), present_findings(references)
    interval = supported_f1(said, true, min_support=1, num_resamples=50)
    assert interval.value == clinical_f1(candidates, references).macro
    assert interval == bootstrap_intervals(candidates, references, num_resamples=50)["clinical_f1"]


def test_present_findings_and_normal_texts_are_those_of_the_labeler():
    present = present_findings([BOTH, NORMAL])
    named = [{name for name, is_said in zip(FINDINGS, row, strict=True) if is_said} for row in present]
    assert named == [{"pleural effusion", "pneumothorax"}, set()]
    assert are_normal([BOTH, NORMAL, "Possible pleural effusion.", PACEMAKER]).tolist() == [False, True, False, True]
    assert present_findings([]).shape == (0, len(FINDINGS))


@pytest.mark.parametrize("measure", [obedience, supported_f1])
def test_what_does_not_fit_is_refused(measure):
    with pytest.raises(ValueError, match=r"not \(1, 3\) and \(2, 3\)"):
        measure(bools("110"), bools("110", "000"))
    with pytest.raises(ValueError, match="both must be of bool, not bool and float64"):
        measure(bools("110"), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"is_normal must be \(1,\), not \(2,\)"):
        false_findings(bools("110"), bools("110"), np.array([True, False]))
