import pytest

from xr2text_core.metrics.baselines import shuffled
from xr2text_core.metrics.scores import MEASURES, report_statistics, score_reports

REFERENCES = [
    "There is a large right pleural effusion. The heart is enlarged.",
    "The lungs are clear. No pleural effusion.",
    "Left apical pneumothorax without shift of the mediastinum.",
]


def test_references_scored_against_themselves_are_perfect():
    scores = score_reports(REFERENCES, REFERENCES)
    assert (scores.bleu_1, scores.bleu_4, scores.rouge_l) == pytest.approx((1, 1, 1))
    assert scores.cider == pytest.approx(10)
    assert scores.clinical_f1 == 1
    assert (scores.distinct_reports, scores.num_reports) == (3, 3)
    assert (scores.commonest_share, scores.length_ratio) == pytest.approx((1 / 3, 1))


def test_reports_of_other_studies_score_worse_in_everything():
    right, wrong = score_reports(REFERENCES, REFERENCES), score_reports(shuffled(REFERENCES, seed=0), REFERENCES)
    assert all(getattr(wrong, name) < getattr(right, name) for name in MEASURES)
    assert wrong.length_ratio == right.length_ratio


def test_a_collapsed_model_looks_like_one():
    scores = score_reports([REFERENCES[1]] * 3, REFERENCES)
    assert (scores.distinct_reports, scores.commonest_share, scores.clinical_f1) == (1, 1.0, 0.0)


@pytest.mark.parametrize("protocol", ["clean-full", "r2gen-iu", "r2gen-mimic", "ptb", "google"])
def test_empty_candidates_score_0_under_every_protocol(protocol):
    scores = score_reports(["", " ", "\n"], REFERENCES, protocol)
    assert [getattr(scores, name) for name in MEASURES] == [0.0] * len(MEASURES)
    assert (scores.length_ratio, scores.distinct_reports) == (0.0, 1)


def test_one_empty_candidate_among_others_only_lowers_the_scores():
    scores = score_reports(["", *REFERENCES[1:]], REFERENCES)
    assert scores.rouge_l == pytest.approx(2 / 3)
    assert 0 < scores.bleu_4 < 1


def test_blank_references_give_no_exception():
    assert score_reports(["normal", ""], ["", ""]).rouge_l == 0.0


def test_a_vocabulary_makes_rare_words_of_references_unmatchable():
    scores = [score_reports(REFERENCES, REFERENCES, "r2gen-iu", vocabulary=known) for known in (None, {"the", "."})]
    assert scores[1].bleu_1 < scores[0].bleu_1


def test_empty_lists_are_refused():
    with pytest.raises(ValueError, match="empty lists"):
        score_reports([], [])


def test_lists_of_unequal_length_are_refused_with_both_lengths():
    with pytest.raises(ValueError, match="2 candidates, 3 references"):
        score_reports(REFERENCES[:2], REFERENCES)


def test_statistics_have_one_row_per_study():
    assert len(report_statistics(REFERENCES, REFERENCES)) == 3
