"""Which words of two reports differ, so that they can be marked side by side.

Each sentence is compared with the most similar one of the other report, wherever that stands.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, product

Run = tuple[str, bool]  # a stretch of text, and whether the other report lacks it

ALIKE = 0.5  # share of words in common, 0..1, from which on two sentences are compared
LONE_WORD = 4  # letters: a shorter word that matches alone ("is", "no", "the") says nothing and only breaks up a mark

_SENTENCE = re.compile(r"[^.!?]+[.!?]*\s*|[.!?]+\s*")
_WORD = re.compile(r"\s*\S+\s*|\s+")


@dataclass
class _Sentence:
    """Words with the space around them, what of each is compared, and whether the other report lacks it."""

    words: list[str]
    keys: list[str]
    differs: list[bool]


def differences(first: str, second: str) -> tuple[list[Run], list[Run]]:
    """The runs of both texts; joined they are the texts again. Case and punctuation make no difference."""
    ours, theirs = _sentences(first), _sentences(second)
    pairs = [
        (-likeness, abs(one - other), one, other)  # the most alike first, of these the nearest
        for (one, our), (other, their) in product(enumerate(ours), enumerate(theirs))
        if (likeness := _matcher(our, their).ratio()) >= ALIKE
    ]
    our_rest, their_rest = set(range(len(ours))), set(range(len(theirs)))
    for _, _, one, other in sorted(pairs):
        if one in our_rest and other in their_rest:
            _unmark_common_words(ours[one], theirs[other])
            our_rest.remove(one)
            their_rest.remove(other)
    return _runs(ours), _runs(theirs)


def _sentences(text: str) -> list[_Sentence]:
    sentences = []
    for sentence in _SENTENCE.findall(text):
        words = _WORD.findall(sentence)
        keys = ["".join(re.findall(r"\w", word.lower())) for word in words]
        sentences.append(_Sentence(words, keys, [key != "" for key in keys]))
    return sentences


def _matcher(one: _Sentence, other: _Sentence) -> SequenceMatcher[str]:
    return SequenceMatcher(None, one.keys, other.keys, autojunk=False)


def _unmark_common_words(one: _Sentence, other: _Sentence) -> None:
    for start, other_start, length in _matcher(one, other).get_matching_blocks():
        letters = "".join(one.keys[start : start + length])
        if length > 1 or len(letters) >= LONE_WORD or one.keys == other.keys:
            one.differs[start : start + length] = [False] * length
            other.differs[other_start : other_start + length] = [False] * length


def _runs(sentences: list[_Sentence]) -> list[Run]:
    words = [run for sentence in sentences for run in zip(sentence.words, sentence.differs, strict=True)]
    return [("".join(word for word, _ in group), differs) for differs, group in groupby(words, key=lambda run: run[1])]
