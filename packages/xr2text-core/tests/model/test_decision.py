"""Findings are written as often as asked, by thresholds that one number moves."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from xr2text_core.model.decision import (
    CHOICES,
    NOT_PRESENT,
    PRESENT,
    SENSITIVITIES,
    UNCERTAIN,
    UNKNOWN,
    FindingDecision,
    calibration,
    macro_f1,
)

PREVALENCE = np.array([0.3, 0.1, 0.02, 0.0])
NUM_FINDINGS = len(PREVALENCE)


def studies(number: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, F) that tell each finding from its absence, but not surely, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random((number, NUM_FINDINGS)) < PREVALENCE
    return rng.normal(size=truth.shape) + 1.5 * truth - 2.0, truth


def fitted() -> FindingDecision:
    decision = FindingDecision(NUM_FINDINGS)
    decision.prevalence.copy_(torch.from_numpy(PREVALENCE))
    decision.fit(*studies())
    return decision


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("seed", [0, 6, 12, 35])
def test_a_few_studies_that_logits_separate_give_finite_probabilities(number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(number, 24)) * 30 - 2
    truth = rng.random(logits.shape) < 0.1
    decision = FindingDecision(24)
    decision.fit(logits, truth)
    assert all(tensor.isfinite().all() for tensor in decision.buffers())


def test_before_a_fit_a_finding_is_written_where_it_is_likelier_than_not() -> None:
    logits = torch.tensor([[0.1, -0.1, 3.0, -3.0]])
    assert FindingDecision(NUM_FINDINGS).decide(logits).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("sensitivity", SENSITIVITIES)
def test_findings_are_written_as_often_as_training_reports_assert_them_times_the_sensitivity(
    sensitivity: float,
) -> None:
    decision, logits = fitted(), studies()[0].astype(np.float32)
    likely = decision.probability(torch.from_numpy(logits)).numpy() > 0.5
    shares = (decision.decided(logits, sensitivity) & ~likely).mean(0) + likely.mean(0)
    np.testing.assert_allclose(shares[:3], np.maximum(sensitivity * PREVALENCE, likely.mean(0))[:3], atol=0.003)


def test_a_finding_that_is_likelier_than_not_is_written_at_any_sensitivity() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random((400, NUM_FINDINGS)) < [0.3, 0.2, 0.1, 0.0]
    logits = rng.normal(size=truth.shape) + 9.0 * truth - 4.5  # told apart almost surely
    decision = FindingDecision(NUM_FINDINGS)
    decision.prevalence.copy_(torch.from_numpy(PREVALENCE))  # training studies had fewer
    decision.fit(logits, truth)
    decided = decision.decided(logits.astype(np.float32), 0.3)
    assert macro_f1(decided, truth, truth.sum(0) > 0) > 0.98


def test_a_higher_sensitivity_writes_all_that_a_lower_one_does_and_more() -> None:
    decision, logits = fitted(), studies(seed=1)[0].astype(np.float32)
    written = [decision.decided(logits, each) for each in SENSITIVITIES]
    assert all((few <= many).all() and few.sum() < many.sum() for few, many in pairwise(written))


def test_a_finding_that_no_training_report_asserts_is_never_written() -> None:
    assert not fitted().decide(torch.full((5, NUM_FINDINGS), 50.0))[:, 3].any()


def test_the_sensitivity_in_force_is_the_smallest_of_those_that_do_about_best_on_validation_studies() -> None:
    decision, (logits, truth) = fitted(), studies()
    counted = truth.sum(0) >= 8
    scores = {each: macro_f1(decision.decided(logits.astype(np.float32), each), truth, counted) for each in CHOICES}
    chosen = round(float(decision.sensitivity), 6)
    assert scores[chosen] >= max(scores.values()) - 0.01
    assert all(score < max(scores.values()) - 0.01 for each, score in scores.items() if each < chosen)


def test_probabilities_are_calibrated_on_average_and_in_order() -> None:
    decision, (logits, truth) = fitted(), studies()
    found = decision.probability(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found.mean(0)[:2], truth.mean(0)[:2], atol=0.02)
    assert (np.argsort(found[:, 0]) == np.argsort(logits[:, 0].astype(np.float32), kind="stable")).mean() > 0.99


def test_the_calibration_of_one_common_finding_is_a_logistic_regression() -> None:
    logits, truth = studies(4000)
    scale, shift = calibration(logits[:, :1], truth[:, :1])
    peer = LogisticRegression(C=1e9).fit(logits[:, :1], truth[:, 0])
    assert scale == pytest.approx(float(peer.coef_[0, 0]), rel=0.02)
    assert shift[0] == pytest.approx(float(peer.intercept_[0]), rel=0.02)


def test_the_decoder_learns_with_the_truth_as_wrong_as_the_head_was() -> None:
    decision = fitted()
    truth = torch.tensor([1.0, 1.0, 0.0, 0.5]).repeat(20_000, 1)
    assert decision.taught_states(truth[:1]).tolist() == [[PRESENT, PRESENT, NOT_PRESENT, UNCERTAIN]]
    draws = torch.from_numpy(np.random.default_rng(0).random((len(truth), 2, NUM_FINDINGS)))
    states = decision.taught_states(truth, draws)
    told = states != UNKNOWN
    assert float((~told).float().mean()) == pytest.approx(0.1, abs=0.01)
    missed = [float((states[told[:, column], column] == NOT_PRESENT).float().mean()) for column in (0, 1)]
    assert missed == pytest.approx(decision.missed[:2].tolist(), abs=0.02)
    invented = float((states[told[:, 2], 2] == PRESENT).float().mean())
    assert invented == pytest.approx(float(decision.invented[2]), abs=0.01)
    assert set(states[told[:, 3], 3].tolist()) == {UNCERTAIN}


def test_everything_that_was_fitted_is_kept_with_the_weights() -> None:
    decision, other = fitted(), FindingDecision(NUM_FINDINGS)
    other.load_state_dict(decision.state_dict())
    logits = torch.from_numpy(studies(seed=2)[0])
    assert torch.equal(other.decide(logits), decision.decide(logits))
    assert torch.equal(other.probability(logits), decision.probability(logits))
