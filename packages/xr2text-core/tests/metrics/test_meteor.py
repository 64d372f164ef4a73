"""METEOR is Java's 1.5 or nltk's, each under its own name, or not available and says why."""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import pytest

from xr2text_core.metrics import meteor
from xr2text_core.metrics.rows import References

CANDIDATES = [["the", "heart", "is", "enlarged", "."], ["no", "effusions", "."]]
TRUE = [["the", "heart", "is", "big", "."], ["no", "effusion", "."]]


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor.shutil, "which", lambda name: None)


@pytest.mark.slow
def test_java_gives_the_score_of_the_program_that_papers_used() -> None:
    if shutil.which("java") is None or find_spec("pycocoevalcap") is None:
        pytest.skip("Java or pycocoevalcap is not installed")
    found, _ = meteor.find_meteor()
    assert found is not None and found.name == "meteor-1.5"
    assert found.score(CANDIDATES, TRUE) == pytest.approx(0.373084, abs=1e-6)  # pycocoevalcap 1.2 on these texts
    assert found.score([[], ["no|||effusion"]], TRUE) > 0


def test_without_java_and_wordnet_it_is_not_available_and_says_both(
    no_java: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nltk.data.path", [])
    found, why = meteor.find_meteor()
    assert found is None and why.startswith("not available: meteor-1.5: ")
    assert "Java is not installed; meteor-nltk: WordNet is not installed" in why


def test_a_row_carries_it_under_its_name_only_when_asked_for() -> None:
    def num_equal(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> float:
        return sum(list(said) == list(true) for said, true in zip(ours, theirs, strict=True))

    exact = meteor.Meteor("meteor-nltk", num_equal)
    texts = ["No effusion.", "Edema."]
    assert References(texts, "clean-full", meteor=exact).row("x", ["No edema.", "Edema."]).extra == {"meteor-nltk": 1}
    assert References(texts, "clean-full").row("x", texts).extra == {}
