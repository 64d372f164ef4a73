"""Which words of two reports differ, so that they can be marked side by side.

A sentence that stands in both is the same wherever it stands; in what is left, words are matched in their order.
"""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import groupby

Run = tuple[str, bool]  # a stretch of text, and whether the other report lacks it
LONE_WORD = 4  # letters: a shorter word that matches alone ("is", "no", "the") says nothing and only breaks up a mark

_SENTENCE = re.compile(r"[^.!?]+[.!?]*\s*|[.!?]+\s*")
_WORD = re.compile(r"\s*\S+\s*")


def differences(first: str, second: str) -> tuple[list[Run], list[Run]]:
    """The runs of both texts; joined they are the texts again. Case and punctuation make no difference."""
    ours, theirs = _sentences(first), _sentences(second)
    in_both = Counter(map(_key, ours)) & Counter(map(_key, theirs))
    our_words, their_words = _words(ours, in_both), _words(theirs, in_both)
    our_rest = [index for index, (_, differs) in enumerate(our_words) if differs]
    their_rest = [index for index, (_, differs) in enumerate(their_words) if differs]
    matcher = SequenceMatcher(
        None,
        [_key(our_words[index][0]) for index in our_rest],
        [_key(their_words[index][0]) for index in their_rest],
        autojunk=False,
    )
    for our_start, their_start, length in matcher.get_matching_blocks():
        if length == 1 and len(_key(our_words[our_rest[our_start]][0])) < LONE_WORD:
            continue
        for words, indices in ((our_words, our_rest[our_start:]), (their_words, their_rest[their_start:])):
            for index in indices[:length]:
                words[index] = words[index][0], False
    return _runs(our_words), _runs(their_words)


def _sentences(text: str) -> list[str]:
    return _SENTENCE.findall(text)


def _words(sentences: list[str], in_both: Counter[str]) -> list[Run]:
    """The words with the space around them; those of sentences that stand in both texts differ in nothing."""
    left = in_both.copy()
    words: list[Run] = []
    for sentence in sentences:
        is_shared = left[_key(sentence)] > 0
        left[_key(sentence)] -= is_shared
        words += [(word, not is_shared) for word in _WORD.findall(sentence) or [sentence]]
    return words


def _key(text: str) -> str:
    """What is compared: lower case, letters and digits only, one space between words."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _runs(words: list[Run]) -> list[Run]:
    return [
        ("".join(word for word, _ in group), differs) for differs, group in groupby(words, key=lambda word: word[1])
    ]
