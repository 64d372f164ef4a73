import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from xr2text_core.metrics.findings.auc import abnormal_auc, finding_auc
from xr2text_core.report.vocabulary import FINDINGS


def studies(num_studies: int, seed: int, prevalence: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, (N, F), and truth."""
    generator = np.random.default_rng(seed)
    truth = generator.random((num_studies, len(FINDINGS))) < prevalence
    return np.round(generator.normal(truth * 1.0), 1), truth


def one_finding(scores: list[float], truth: list[int], **settings: int) -> float:
    column = np.array(scores)[:, None], np.array(truth, dtype=bool)[:, None]
    return finding_auc(*column, names=("edema",), **settings).per_finding["edema"].value


def test_auc_is_the_share_of_pairs_in_the_right_order_and_ties_count_half():
    assert one_finding([0.8, 0.4, 0.4, 0.1], [1, 1, 0, 0]) == 3.5 / 4
    assert one_finding([0.3, 0.3, 0.3], [1, 0, 0]) == 0.5
    assert one_finding([3.0, 2.0, -1.0], [1, 1, 0]) == 1.0
    assert one_finding([-1.0, 2.0, 3.0], [1, 0, 0]) == 0.0


def test_auc_is_that_of_scikit_learn_with_ties():
    scores, truth = studies(150, seed=0)
    result = finding_auc(scores, truth, num_resamples=2)
    expected = [roc_auc_score(truth[:, i], scores[:, i]) for i in range(len(FINDINGS))]
    assert [result.per_finding[name].value for name in FINDINGS] == pytest.approx(expected)
    assert result.macro.value == pytest.approx(np.mean(expected))


def test_a_resample_has_the_auc_of_its_studies():
    scores, truth = studies(60, seed=1)
    drawn = np.random.default_rng(7).integers(60, size=60)  # as the bootstrap draws its first
    expected = [roc_auc_score(truth[drawn, i], scores[drawn, i]) for i in range(len(FINDINGS))]
    result = finding_auc(scores, truth, num_resamples=1, seed=7)
    assert [result.per_finding[name].low for name in FINDINGS] == pytest.approx(expected)


def test_logits_and_their_probabilities_give_the_same():
    scores, truth = studies(80, seed=2)
    assert finding_auc(scores, truth, num_resamples=5) == finding_auc(1 / (1 + np.exp(-scores)), truth, num_resamples=5)


def test_only_findings_with_enough_positives_count_in_the_macro():
    scores, truth = studies(100, seed=3)
    truth[:, 2:] = False
    truth[:, :2] = np.arange(100)[:, None] < (10, 9)
    result = finding_auc(scores, truth, num_resamples=50)
    assert result.counted == FINDINGS[:1]
    assert result.macro == result.per_finding[FINDINGS[0]]
    assert finding_auc(scores, truth, min_positives=9, num_resamples=5).counted == FINDINGS[:2]
    assert finding_auc(scores, truth, min_positives=0, num_resamples=5).counted == FINDINGS[:2]


def test_without_positives_or_without_negatives_auc_is_undefined_and_not_a_half():
    assert math.isnan(one_finding([0.1, 0.9], [0, 0], min_positives=0))
    assert math.isnan(one_finding([0.1, 0.9], [1, 1], min_positives=0))
    scores, truth = studies(20, seed=4)
    for constant in (np.zeros_like(truth), np.ones_like(truth)):
        result = finding_auc(scores, constant, num_resamples=5)
        assert result.counted == ()
        assert all(map(math.isnan, (result.macro.value, result.macro.low, result.standard_error)))


def test_interval_and_standard_error_of_one_finding_are_those_of_delong():
    """DeLong et al. 1988: the variance of how many pairs each positive and each negative wins."""
    generator = np.random.default_rng(5)
    truth = np.arange(600) < 200
    scores = generator.normal(truth * 1.2)
    result = finding_auc(scores[:, None], truth[:, None], names=("edema",))
    wins = scores[truth][:, None] > scores[~truth]
    expected = math.sqrt(wins.mean(axis=1).var() / 200 + wins.mean(axis=0).var() / 400)
    assert result.standard_error == pytest.approx(expected, rel=0.1)
    assert result.macro.high - result.macro.low == pytest.approx(2 * 1.96 * expected, rel=0.1)


def test_the_interval_covers_the_true_auc_nearly_always():
    true_auc = 0.5 * (1 + math.erf(1 / 2))  # of two normal distributions, one standard deviation apart
    covered = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        truth = generator.random((200, 3)) < 0.3
        macro = finding_auc(generator.normal(truth * 1.0), truth, names=("a", "b", "c"), num_resamples=200).macro
        covered += macro.low <= true_auc <= macro.high
    assert 51 <= covered <= 60  # 57 expected


def test_an_eye_that_sees_nothing_has_a_half_at_any_prevalence():
    generator = np.random.default_rng(6)
    truth = generator.random((2000, 2)) < (0.02, 0.6)
    macro = finding_auc(generator.random((2000, 2)), truth, names=("rare", "common"), num_resamples=200).macro
    assert macro.low < 0.5 < macro.high


def test_intervals_repeat_with_the_seed():
    scores, truth = studies(100, seed=7)
    first, second, other = (finding_auc(scores, truth, num_resamples=20, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


def test_abnormal_against_normal_is_the_same_measure():
    is_abnormal = np.array([True, True, False, False])
    assert abnormal_auc(np.array([0.8, 0.4, 0.4, 0.1]), is_abnormal).value == 3.5 / 4
    assert math.isnan(abnormal_auc(np.array([0.8, 0.4]), np.array([True, True])).value)


def test_what_does_not_fit_is_refused():
    scores, truth = studies(20, seed=8)
    with pytest.raises(ValueError, match=r"scores \(20, 28\) and truth \(19, 28\) must be \(studies, 28 findings\)"):
        finding_auc(scores, truth[1:])
    with pytest.raises(ValueError, match="2 findings"):
        finding_auc(scores, truth, names=("edema", "fracture"))
    with pytest.raises(ValueError, match="truth must be of bool"):
        finding_auc(scores, truth.astype(float))
    scores[3, 4] = np.nan
    with pytest.raises(ValueError, match="the score of study 3 for edema is not a number"):
        finding_auc(scores, truth)
