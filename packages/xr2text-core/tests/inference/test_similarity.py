"""Similarities of candidates to many reports agree with the scores that they stand for."""

import numpy as np
import pytest

from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report
from xr2text_core.inference.similarity import BATCH, Similarity
from xr2text_core.metrics.cider import cider_each
from xr2text_core.metrics.ngrams import count_ngrams
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates
from xr2text_core.metrics.rouge_l import rouge_l_each

REPORTS = [write_report(sample_scene(seed=6, number=number)).findings for number in range(40)]
CANDIDATES = [*REPORTS[:10], "Words that nobody wrote.", "", "The heart is enlarged. " * 20]


def tokens_of(texts: list[str]) -> list[list[str]]:
    return tokenize_candidates(texts, get_protocol("clean-full"))


def test_rouge_l_is_that_of_the_metric() -> None:
    expected = [rouge_l_each([tokens] * len(REPORTS), tokens_of(REPORTS)) for tokens in tokens_of(CANDIDATES)]
    np.testing.assert_allclose(Similarity(REPORTS).rouge_l(CANDIDATES), expected, atol=1e-6)


def test_cider_is_that_of_the_metric_where_no_ngram_is_repeated() -> None:
    references = ["the heart is large .", "no effusion seen today", "lungs appear clear and well expanded ."]
    similarity = Similarity(references)
    tokens = tokens_of(references)
    expected = cider_each(tokens, tokens, count_ngrams(tokens, tokens))
    np.testing.assert_allclose(np.diag(similarity._ngram_parts(tokens)[1]), expected, rtol=1e-5)


def test_shared_ngrams_are_counted_over_their_usual_number() -> None:
    similarity = Similarity(["a b c d e f"])
    matches, _ = similarity._ngram_parts([["a", "b", "c", "d", "x", "f"]])
    assert matches == pytest.approx(np.array([[(5 / 15 + 3 / 8 + 2 / 5 + 1 / 3.2) / 4]]))


def test_a_report_is_most_similar_to_itself() -> None:
    texts = sorted(set(REPORTS))
    np.testing.assert_array_equal(Similarity(texts).rows(texts).argmax(axis=0), np.arange(len(texts)))


def test_rows_do_not_depend_on_the_other_candidates() -> None:
    similarity = Similarity(REPORTS)
    many = (CANDIDATES * (BATCH // len(CANDIDATES) + 2))[: BATCH + 5]
    np.testing.assert_allclose(similarity.rows(many)[-5:], similarity.rows(many[-5:]), atol=1e-6)
    assert similarity.rows([]).shape == (0, len(REPORTS))


def test_longer_texts_have_a_higher_penalty_and_empty_ones_none() -> None:
    short, long, empty = Similarity(REPORTS).length_penalties(["one two three", "one two three four five six", ""])
    assert long > short > empty == 0


def test_a_single_reference_and_one_without_words_give_finite_numbers() -> None:
    assert np.isfinite(Similarity(["Clear lungs."]).rows(CANDIDATES)).all()
    assert np.isfinite(Similarity(["", "Clear lungs."]).rows(CANDIDATES)).all()


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        Similarity([])
