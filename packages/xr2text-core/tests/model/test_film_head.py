"""Each film is read with weights of its own; the words of a report are a second lesson."""

import pytest
import torch
from torch.nn import functional

from xr2text_core.model.film_head import NUM_WORDS, WORDS_WEIGHT, FilmHead, telling_words


def test_the_logits_of_a_study_are_the_sum_over_its_films_and_a_missing_one_adds_nothing() -> None:
    torch.manual_seed(0)
    head, films = FilmHead(2, 8, 3).eval(), torch.rand(4, 2, 8)
    films[1, 1] = 0
    both, _ = head(films)
    frontal, _ = head(films[:, :1])
    torch.testing.assert_close(both[1], frontal[1])
    torch.testing.assert_close(both - frontal, films[:, 1] @ head.findings[1].weight.T)


def test_a_head_starts_from_how_common_the_findings_are() -> None:
    head = FilmHead(1, 8, 2).eval()
    head.begin_with(torch.tensor([0.25, 0.0]), torch.tensor([5, 7]))
    found = head(torch.zeros(1, 1, 8))[0].sigmoid()[0]
    assert found.tolist() == pytest.approx([0.25, 0.002], rel=1e-4)


def test_the_words_that_tell_reports_apart_are_in_about_half_of_them() -> None:
    reports = [[1, 2, 2, 3], [1, 2], [1, 3, 4], [1, 3]]  # 1 in all, 2 in half, 3 in three of four, 4 in one
    assert telling_words(reports, num_tokens=6).tolist() == [2, 3, 4]


def test_the_loss_of_the_words_asks_for_those_of_the_report_and_no_others() -> None:
    head = FilmHead(1, 8, 2)
    head.begin_with(torch.tensor([0.5, 0.5]), torch.tensor([2, 3, 4]))
    logits = torch.randn(2, NUM_WORDS)
    tokens = torch.tensor([[1, 2, 2, 4], [3, 9, -100, -100]])
    truth = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    expected = functional.binary_cross_entropy_with_logits(logits[:, :3], truth, reduction="sum")
    assert float(head.word_loss(logits, tokens)) == pytest.approx(WORDS_WEIGHT * float(expected) / 8, rel=1e-6)
