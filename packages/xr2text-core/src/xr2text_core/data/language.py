"""Tells whether a report is English, the language of the labeler and of the word tokens of the scores."""

import re
from functools import cache

from xr2text_core.report.terms import SPELLINGS, lexicon

# Words of sentences, and of reports beside the phrases of the labeler.
_WORDS = """
    a abnormality about above active acute after again all also an and any are as at based be been before below
    between but by can change changes compared could definite details discussed disease due during evidence exam
    examination focal for from given had has have his however if images impression interval into is it its known
    large left likely limits lower many may mild more most near new no normal not noted now of on one or other
    otherwise over overall patient please prior recommended report review right seen shows similar since size small
    some stable sternotomy still study such surgery than that the their then there these they this those to too two
    unchanged under unremarkable upper very view views visible was were what when where which while who will with
    within without would year years
    """
_LETTERS = re.compile(r"[^\W\d_]+")
_LEAST_SHARE = 0.4  # of the words; English reports lie above it, other languages far below


def is_english(text: str) -> bool:
    """Whether more than two in five words are known English ones; a text without words is no other language."""
    words = [word for word in _LETTERS.findall(text.lower()) if not set(word) <= {"x"}]  # XXXX: removed words
    return not words or sum(map(_known_words().__contains__, words)) > _LEAST_SHARE * len(words)


@cache
def _known_words() -> frozenset[str]:
    phrases, _ = lexicon()
    return frozenset([*(word for phrase in phrases for word in phrase), *SPELLINGS, *_WORDS.split()])
