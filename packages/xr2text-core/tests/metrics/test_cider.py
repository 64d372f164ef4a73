import pytest

from xr2text_core.metrics.cider import cider


def test_equal_reports_that_share_no_words_score_10():
    reports = [list("abcde"), list("fghij"), list("klmno")]
    assert cider(reports, reports) == pytest.approx(10.0)


def test_words_that_stand_in_every_reference_are_worth_nothing():
    reports = [list("abcd")] * 3
    assert cider(reports, reports) == 0.0


def test_empty_candidates_score_0():
    assert cider([[], []], [list("abcd"), list("efgh")]) == 0.0


def test_longer_candidates_are_penalised():
    references = [list("abcde"), list("fghij")]
    padded = [[*reference, "x", "y", "z"] for reference in references]
    assert 0 < cider(padded, references) < 10
