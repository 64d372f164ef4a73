"""Reads a sentence as a row of terms: findings, attributes, places, sides, sizes and cues."""

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import product

from xr2text_core.report.cues import CUE_PHRASES, SEVERITY_PHRASES, SIDE_PHRASES
from xr2text_core.report.phrases import FINDING_PHRASES
from xr2text_core.report.places import ATTRIBUTE_PHRASES, PLACE_PHRASES

# Hyphens and slashes only separate words ("right-sided", "scar/atelectasis"); a dash between spaces is a mark.
WORD = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)?|['’](?<=n.)t\b|\([-+]\)|[,:()?=]|[-–—](?<=\s.)(?=\s)")
END = "."  # stands behind the last word

# Other spellings of a word, by which it is known here: British, dictation's abbreviations, marks.
SPELLINGS = {
    **dict.fromkeys(("–", "—"), "-"),
    "=": ":",
    "?": "query",
    **dict.fromkeys(("'t", "’t"), "not"),
    "isn": "is",
    "aren": "are",
    "wasn": "was",
    "weren": "were",
    "hasn": "has",
    "haven": "have",
    "doesn": "does",
    "didn": "did",
    "don": "do",
    "couldn": "could",
    "oedema": "edema",
    "oedematous": "edematous",
    "haemothorax": "hemothorax",
    "haemopneumothorax": "hemopneumothorax",
    "haemorrhage": "hemorrhage",
    "haemorrhagic": "hemorrhagic",
    "haematoma": "hematoma",
    "tumour": "tumor",
    "tumours": "tumors",
    "aetiology": "etiology",
    "oesophageal": "esophageal",
    "oesophagus": "esophagus",
    "hyperlucence": "hyperlucency",
    "demineralised": "demineralized",
    "demineralisation": "demineralization",
    "visualised": "visualized",
    "favoured": "favored",
    "atx": "atelectasis",
    "ptx": "pneumothorax",
    "pneumo": "pneumothorax",
    "pna": "pneumonia",
    "cardiomeg": "cardiomegaly",
    "eff": "effusion",
    "effs": "effusions",
    "pleff": "effusion",
    "hx": "history",
    "w": "with",  # w/ edema
}

Words = tuple[str, ...]


@dataclass(slots=True)
class Term:
    """A phrase found in a sentence: words[start:end]; for a finding also what the cues and neighbours say about it."""

    kind: str
    meaning: str
    start: int
    end: int
    status: str = "present"
    dropped: bool = False
    sides: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    severity: str | None = None


def read_terms(sentence: str) -> list[Term]:
    """Find the longest phrase at each word; a phrase with several meanings gives several terms."""
    meanings, lengths = lexicon()
    words = (*[SPELLINGS.get(word, word) for word in WORD.findall(sentence.lower())], END)
    terms: list[Term] = []
    position = 0
    while position < len(words):
        step = 1
        for length in lengths.get(words[position : position + 2], (1,)):
            found = meanings.get(words[position : position + length])
            if found:
                terms += [Term(kind, meaning, position, position + length) for kind, meaning in found]
                step = length
                break
        position += step
    return terms


@cache
def lexicon() -> tuple[dict[Words, list[tuple[str, str]]], dict[Words, tuple[int, ...]]]:
    """Return phrase -> [(kind, meaning)], and two words -> lengths of the phrases that begin so, longest first."""
    meanings: dict[Words, list[tuple[str, str]]] = {}
    lengths: dict[Words, set[int]] = {}
    for kind, group in _groups().items():
        for meaning, phrases in group.items():
            for words in {words for phrase in phrases for words in expand(phrase)}:
                meanings.setdefault(words, []).append((kind, meaning))
                lengths.setdefault(words[:2], {1}).add(len(words))
    return meanings, {begin: tuple(sorted(found, reverse=True)) for begin, found in lengths.items()}


def _groups() -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        "cue": CUE_PHRASES,
        "finding": FINDING_PHRASES,
        "attribute": ATTRIBUTE_PHRASES,
        "place": PLACE_PHRASES,
        "side": SIDE_PHRASES,
        "severity": SEVERITY_PHRASES,
    }


def expand(phrase: str) -> list[Words]:
    """Return every sequence of words that a phrase stands for (phrases.py tells how phrases are written)."""
    choices = []
    for word in phrase.split():
        is_optional = word.endswith("?")
        choices.append([*word.rstrip("?").split("|"), *([""] if is_optional else [])])
    return [tuple(word for word in words if word) for words in product(*choices)]
