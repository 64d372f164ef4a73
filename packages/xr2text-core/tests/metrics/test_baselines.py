import numpy as np
import pytest

from xr2text_core.metrics.baselines import best_constant, most_frequent, nearest_neighbour, random_reports, shuffled
from xr2text_core.metrics.scores import score_reports

TRAIN = ["no effusion today at all", "no effusion", "no effusion", "a pacemaker", "clear lungs today", "Clear lungs"]


def pseudo_reports(num_reports: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    words = ["the", "heart", "is", "normal", ".", "no", "effusion", "or", "mass", "lungs", "are", "clear"]
    return [" ".join(generator.choice(words, length)) for length in generator.integers(5, 30, num_reports)]


def full_score(text: str, references: list[str]) -> float:
    scores = score_reports([text] * len(references), references)
    return scores.bleu_4 + scores.rouge_l


@pytest.mark.parametrize("seed", range(8))
def test_best_constant_is_the_one_that_full_scoring_of_all_finds(seed):
    train, val = pseudo_reports(30, seed), pseudo_reports(10, seed + 100)
    assert best_constant(train, val, num_screened=30) == max(sorted(train), key=lambda text: full_score(text, val))


def test_best_constant_gains_nothing_from_repeating_a_common_word():
    val = ["the heart is normal in size", "the lungs are clear today", "the heart is large today"]
    stutter = "the the the the the the"
    assert best_constant([stutter, "the heart is small"], val, num_screened=1) == "the heart is small"


def test_best_constant_does_not_depend_on_the_order_of_the_training_reports():
    train, val = pseudo_reports(60, seed=0), pseudo_reports(20, seed=1)
    assert best_constant(train, val) == best_constant(train[::-1], val)


def test_most_frequent_takes_the_first_of_equals():
    assert most_frequent(TRAIN) == "no effusion"
    assert most_frequent(["b", "a"]) == "a"


def test_random_reports_repeat_with_the_seed():
    assert random_reports(TRAIN, 9, seed=3) == random_reports(TRAIN, 9, seed=3)
    assert random_reports(TRAIN, 9, seed=3) != random_reports(TRAIN, 9, seed=4)
    assert set(random_reports(TRAIN, 50, seed=0)) <= set(TRAIN)


def test_nearest_neighbour_goes_by_direction_not_by_length():
    train_features = np.array([[1.0, 0.0], [0.0, 100.0]], dtype=np.float32)
    features = np.array([[5.0, 1.0], [0.1, 0.2]], dtype=np.float32)
    assert nearest_neighbour(train_features, ["first", "second"], features) == ["first", "second"]


def test_nearest_neighbour_refuses_features_that_do_not_fit():
    with pytest.raises(ValueError, match=r"features \(2, 3\) for 1 training reports"):
        nearest_neighbour(np.ones((2, 3)), ["one"], np.ones((1, 3)))


@pytest.mark.parametrize("num_reports", [2, 3, 10])
def test_no_study_keeps_its_own_report(num_reports):
    reports = [str(index) for index in range(num_reports)]
    for seed in range(20):
        moved = shuffled(reports, seed)
        assert sorted(moved) == sorted(reports)
        assert all(own != given for own, given in zip(reports, moved, strict=True))


def test_a_single_report_cannot_be_shuffled():
    with pytest.raises(ValueError, match="at least two reports; found 1"):
        shuffled(["one"], seed=0)


def test_baselines_of_nothing_are_refused():
    with pytest.raises(ValueError, match="training report"):
        most_frequent([])
    with pytest.raises(ValueError, match="validation reference"):
        best_constant(TRAIN, [])
