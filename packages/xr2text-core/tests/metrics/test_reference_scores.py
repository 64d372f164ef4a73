"""BLEU, ROUGE-L and CIDEr-D against pycocoevalcap, nltk and rouge-score: same tokens, same numbers."""

import pytest
from nltk.translate.bleu_score import corpus_bleu as nltk_corpus_bleu
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from rouge_score.rouge_scorer import RougeScorer

from xr2text_core.metrics.bleu import corpus_bleu
from xr2text_core.metrics.cider import cider
from xr2text_core.metrics.ngrams import Tokens
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates, tokenize_references
from xr2text_core.metrics.rouge_l import rouge_l

Pairs = tuple[list[str], list[str]]


@pytest.fixture(scope="session", params=["pseudo_pairs", "iu_pairs"])
def pairs(request: pytest.FixtureRequest) -> Pairs:
    found: Pairs = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def tokens(pairs: Pairs) -> tuple[list[list[str]], list[list[str]]]:
    protocol = get_protocol("clean-full")
    return tokenize_candidates(pairs[0], protocol), tokenize_references(pairs[1], protocol)


def as_captions(reports: list[Tokens]) -> dict[int, list[str]]:
    return {index: [" ".join(words)] for index, words in enumerate(reports)}


def test_bleu_equals_pycocoevalcap(tokens):
    expected, _ = Bleu(4).compute_score(as_captions(tokens[1]), as_captions(tokens[0]), verbose=0)
    assert corpus_bleu(*tokens) == pytest.approx(expected, abs=1e-9)
    assert expected[3] > 0.05  # a comparison of zeros would prove nothing


def test_bleu_without_any_match_of_four_words_is_the_small_number_of_pycocoevalcap():
    candidates, references = [list("abcd"), list("ab")], [list("acbd"), list("ab")]
    expected, _ = Bleu(4).compute_score(as_captions(references), as_captions(candidates), verbose=0)
    assert corpus_bleu(candidates, references) == pytest.approx(expected, rel=1e-9)
    assert 0 < expected[3] < 1e-3


def test_rouge_l_equals_pycocoevalcap(tokens):
    expected, _ = Rouge().compute_score(as_captions(tokens[1]), as_captions(tokens[0]))
    assert rouge_l(*tokens) == pytest.approx(expected, abs=1e-9)


def test_cider_equals_pycocoevalcap(tokens):
    expected, _ = Cider().compute_score(as_captions(tokens[1]), as_captions(tokens[0]))
    assert cider(*tokens) == pytest.approx(expected, abs=1e-9)


def test_bleu_equals_nltk_where_every_report_has_four_tokens(tokens):
    long = [pair for pair in zip(*tokens, strict=True) if len(pair[0]) > 3]
    candidates, references = [candidate for candidate, _ in long], [reference for _, reference in long]
    expected = [
        nltk_corpus_bleu([[each] for each in references], candidates, weights=(1 / n,) * n) for n in (1, 2, 3, 4)
    ]
    assert corpus_bleu(candidates, references) == pytest.approx(expected, abs=1e-9)


def test_rouge_l_of_protocol_google_equals_rouge_score(pairs):
    protocol = get_protocol("google")
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    expected = [scorer.score(text, candidate)["rougeL"].fmeasure for candidate, text in zip(*pairs, strict=True)]
    found = rouge_l(
        tokenize_candidates(pairs[0], protocol), tokenize_references(pairs[1], protocol), protocol.rouge_beta
    )
    assert found == pytest.approx(sum(expected) / len(expected), abs=1e-9)
