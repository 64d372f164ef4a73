"""METEOR, mean over reports: the Java program 1.5 that papers used, or nltk's version, each under its own name.

Banerjee & Lavie 2005; Denkowski & Lavie 2014 (version 1.5, with paraphrases). They are not comparable: nltk's knows no
paraphrases and weighs otherwise. The Java program takes half a minute to start and 2 GB of memory: never by default.
Check: a report against itself gives 1.0 in version 1.5, and in nltk 1 - 0.5 / tokens^3.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from xr2text_core.metrics.ngrams import Tokens

JAVA, NLTK = "meteor-1.5", "meteor-nltk"


@dataclass(frozen=True)
class Meteor:
    """`score` takes candidates and references as tokens and returns 0..1; `name` is JAVA or NLTK."""

    name: str
    score: Callable[[Sequence[Tokens], Sequence[Tokens]], float]


def find_meteor() -> tuple[Meteor | None, str]:
    """The METEOR that this computer has, Java's if it can be run; or None and why there is none."""
    reasons = []
    for name, find in ((JAVA, _java), (NLTK, _nltk)):
        try:
            score = find()
            score([["no", "effusion"]], [["no", "effusion"]])
            return Meteor(name, score), ""
        except (ImportError, LookupError, OSError, ValueError) as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            reasons.append(f"{name}: {reason}")
    return None, "not available: " + "; ".join(reasons)


def _java() -> Callable[[Sequence[Tokens], Sequence[Tokens]], float]:
    """One Java process, which lives until the function is forgotten."""
    if find_spec("pycocoevalcap") is None:
        raise ImportError("the package pycocoevalcap, which has the program, is not installed")
    if shutil.which("java") is None:
        raise ImportError("Java is not installed")
    from pycocoevalcap.meteor.meteor import Meteor as Program

    program = Program()

    def score(candidates: Sequence[Tokens], references: Sequence[Tokens]) -> float:
        lines = [{number: [_line(tokens)] for number, tokens in enumerate(texts)} for texts in (references, candidates)]
        return float(program.compute_score(*lines)[0])

    return score


def _line(tokens: Tokens) -> str:
    """The program reads lines whose parts are separated by three bars."""
    return " ".join(" ".join(tokens).replace("|", " ").split())


def _nltk() -> Callable[[Sequence[Tokens], Sequence[Tokens]], float]:
    from nltk.corpus import wordnet
    from nltk.translate.meteor_score import single_meteor_score

    try:
        wordnet.ensure_loaded()
    except LookupError:
        raise LookupError("WordNet is not installed (python -m nltk.downloader wordnet)") from None

    def score(candidates: Sequence[Tokens], references: Sequence[Tokens]) -> float:
        pairs = zip(references, candidates, strict=True)
        return sum(float(single_meteor_score(theirs, ours)) for theirs, ours in pairs) / len(references)

    return score
