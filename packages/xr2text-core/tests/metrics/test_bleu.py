import pytest

from xr2text_core.metrics.bleu import corpus_bleu


def test_bleu_of_one_wrong_word_is_the_number_in_the_docstring():
    assert corpus_bleu([list("abcdef")], [list("abcdxf")]) == pytest.approx([0.8333, 0.7071, 0.6300, 0.5373], abs=1e-4)


def test_repeated_words_are_counted_only_as_often_as_in_the_reference():
    assert corpus_bleu([["the"] * 7], [["the", "cat", "is", "on", "the", "mat", "now"]])[0] == pytest.approx(2 / 7)


def test_short_candidates_pay_the_brevity_penalty():
    assert corpus_bleu([list("abcd")], [list("abcdefgh")])[0] == pytest.approx(0.36788, abs=1e-4)


def test_long_candidates_pay_no_brevity_penalty():
    assert corpus_bleu([list("abcde")], [list("abcd")])[0] == pytest.approx(4 / 5)


def test_empty_candidates_have_bleu_0():
    assert corpus_bleu([[], []], [list("abcd"), ["e"]]) == (0.0, 0.0, 0.0, 0.0)


def test_ngrams_do_not_reach_into_the_next_report():
    split = corpus_bleu([["a", "b"], ["c", "d"]], [["a", "b"], ["c", "d"]])
    assert split[1] == pytest.approx(1.0)
    assert split[2] < 0.02  # there are no three words in a row; pycocoevalcap calls that .01
