import numpy as np
import pytest

from xr2text_core.metrics.bootstrap import bootstrap_intervals, paired_bootstrap
from xr2text_core.metrics.scores import MEASURES, measures_from_sums, report_statistics, score_reports

FINDINGS = ("pleural effusion", "pneumothorax", "cardiomegaly", "pulmonary edema")


def reports(num_reports: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    words = ["the", "heart", "is", "normal", "no", "effusion", "or", "mass", "lungs", "are", "clear"]
    texts = [" ".join(generator.choice(words, length)) for length in generator.integers(5, 30, num_reports)]
    return [f"{text}. There is {generator.choice(FINDINGS)}." for text in texts]


CANDIDATES, OTHERS, REFERENCES = reports(200, seed=0), reports(200, seed=1), reports(200, seed=2)
MIXED = [REFERENCES[i] if i % 3 == 0 else text for i, text in enumerate(CANDIDATES)]


def test_sums_over_a_selection_give_the_scores_of_that_selection():
    drawn = np.random.default_rng(5).integers(200, size=200)
    sums = report_statistics(CANDIDATES, REFERENCES)[drawn].sum(axis=0)
    direct = score_reports([CANDIDATES[i] for i in drawn], [REFERENCES[i] for i in drawn])
    expected = [getattr(direct, name) for name in MEASURES]
    cider = MEASURES.index("cider")  # its document frequencies are those of all references
    expected[cider] = measures_from_sums(sums, 200)[cider]
    assert measures_from_sums(sums, 200) == pytest.approx(expected)


def test_interval_holds_the_score_and_is_that_of_a_mean_for_rouge_l():
    intervals = bootstrap_intervals(MIXED, REFERENCES)
    scores = score_reports(MIXED, REFERENCES)
    for name in MEASURES:
        assert intervals[name].value == pytest.approx(getattr(scores, name))
        assert intervals[name].low < intervals[name].value < intervals[name].high
    each = report_statistics(MIXED, REFERENCES)[:, 10]
    half_width = 1.96 * each.std() / np.sqrt(200)
    assert intervals["rouge_l"].high - intervals["rouge_l"].low == pytest.approx(2 * half_width, rel=0.1)


def test_intervals_repeat_with_the_seed():
    first, second, other = (bootstrap_intervals(MIXED, REFERENCES, num_resamples=50, seed=s) for s in (1, 1, 2))
    assert first == second != other


def test_paired_test_sees_a_better_model_and_no_difference_between_equals():
    better = paired_bootstrap(MIXED, CANDIDATES, REFERENCES)
    assert all(better[name].low > 0 and better[name].p_value < 0.01 for name in MEASURES)
    same = paired_bootstrap(CANDIDATES, CANDIDATES, REFERENCES)
    assert all((same[name].value, same[name].p_value) == (0.0, 1.0) for name in MEASURES)


def test_paired_test_is_not_sure_of_two_models_that_guess():
    guessed = paired_bootstrap(CANDIDATES, OTHERS, REFERENCES)
    assert guessed["rouge_l"].p_value > 0.05
    assert guessed["rouge_l"].low < 0 < guessed["rouge_l"].high


def test_pairs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="1 candidates, 200 references"):
        bootstrap_intervals(CANDIDATES[:1], REFERENCES)


def test_p_value_is_two_sided_and_never_zero():
    better = paired_bootstrap(MIXED, CANDIDATES, REFERENCES, num_resamples=99)["rouge_l"]
    worse = paired_bootstrap(CANDIDATES, MIXED, REFERENCES, num_resamples=99)["rouge_l"]
    assert better.p_value == worse.p_value == pytest.approx(2 / 100)
