"""Named ways to turn reports into the tokens that are scored. The same text scores BLEU-4 .08 to .24 depending on this.

A score without its protocol means nothing, so `describe` gives the sentence that is printed beside every number.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from xr2text_core.metrics.ngrams import lengths
from xr2text_core.metrics.rouge_l import BETA
from xr2text_core.report.cleaning import clean_iu, clean_mimic

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class Protocol:
    """How texts become tokens, and what is done to the references (never to the candidates) afterwards."""

    name: str
    description: str
    tokenize: Callable[[str], list[str]]
    max_reference_tokens: int | None = None  # longer references are cut
    min_word_count: int = (
        1  # rarer words of the training reports become <unk> in references, where a vocabulary is given
    )
    rouge_beta: float = BETA


@dataclass(frozen=True)
class LengthStatistics:
    """Tokens of the uncut references; `share_cut` is the share (0..1) of references that the protocol cuts."""

    mean: float
    median: float
    percentile_95: float
    max: int
    share_cut: float


def get_protocol(name: str) -> Protocol:
    """Return the protocol of that name; ValueError lists the known names."""
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    names = ", ".join(protocol.name for protocol in PROTOCOLS)
    raise ValueError(f"no text protocol is named {name!r}; choose one of: {names}")


def describe(protocol: str | Protocol) -> str:
    """The sentence to print beside every number scored under this protocol."""
    chosen = get_protocol(protocol) if isinstance(protocol, str) else protocol
    return f"{chosen.name}: {chosen.description}; corpus BLEU, ROUGE-L with beta {chosen.rouge_beta:g}"


def tokenize_candidates(candidates: Sequence[str], protocol: Protocol) -> list[list[str]]:
    """Tokens of generated reports; they are never cut, and a blank one has none."""
    return [protocol.tokenize(text) if text.strip() else [] for text in candidates]


def tokenize_references(
    references: Sequence[str], protocol: Protocol, vocabulary: Collection[str] | None = None
) -> list[list[str]]:
    """Tokens of the radiologists' reports, cut by the protocol; words outside a given vocabulary become <unk>."""
    known = None if vocabulary is None else frozenset(vocabulary)
    cut = [tokens[: protocol.max_reference_tokens] for tokens in tokenize_candidates(references, protocol)]
    if known is None:
        return cut
    return [[word if word in known else UNKNOWN for word in tokens] for tokens in cut]


def training_vocabulary(train_reports: Sequence[str], protocol: str) -> frozenset[str]:
    """The words of the training reports that the protocol keeps: those that occur often enough."""
    chosen = get_protocol(protocol)
    counts = Counter(word for tokens in tokenize_candidates(train_reports, chosen) for word in tokens)
    return frozenset(word for word, count in counts.items() if count >= chosen.min_word_count)


def reference_lengths(references: Sequence[str], protocol: str) -> LengthStatistics:
    """Statistics of reference lengths in tokens before the cut; ValueError where there are no references."""
    if not references:
        raise ValueError("length statistics need at least one reference; found an empty list")
    chosen = get_protocol(protocol)
    counts = lengths(tokenize_candidates(references, chosen))
    cut = 0.0 if chosen.max_reference_tokens is None else float((counts > chosen.max_reference_tokens).mean())
    percentile_95 = float(np.percentile(counts, 95))
    return LengthStatistics(float(counts.mean()), float(np.median(counts)), percentile_95, int(counts.max()), cut)


def check_pairs(candidates: Sequence[str], references: Sequence[str]) -> None:
    """ValueError unless there is exactly one reference for each of at least one candidate."""
    if len(candidates) != len(references):
        raise ValueError(
            f"each candidate needs one reference; found {len(candidates)} candidates, {len(references)} references"
        )
    if not candidates:
        raise ValueError("scores need at least one candidate and its reference; found empty lists")


def _iu_tokens(text: str) -> list[str]:
    return clean_iu(text).split()


def _mimic_tokens(text: str) -> list[str]:
    return clean_mimic(text).split()


def _google_tokens(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _ptb_tokens(text: str) -> list[str]:
    # nltk's rules split a full stop only at the end of the text, so ends of sentences are set apart first. With that,
    # 2,010 of 2,038 IU reports get exactly the tokens of pycocoevalcap's Java tokenizer.
    apart = re.sub(r"(?<=[a-z]{2})\.|\.(?=\s|$)", " . ", text.lower())
    return [token for token in _treebank().tokenize(apart) if any(letter.isalnum() for letter in token)]


@cache
def _treebank() -> Any:
    # Imported here, because importing nltk takes a third of a second.
    from nltk.tokenize import TreebankWordTokenizer

    return TreebankWordTokenizer()


PROTOCOLS = (
    Protocol(
        "clean-full",
        "R2Gen cleaning (lower case, full stops kept as tokens, other punctuation dropped), whole references",
        _mimic_tokens,
    ),
    Protocol(
        "r2gen-iu",
        "R2Gen cleaning for IU X-Ray, references cut to 59 words (60 ids with the start id), "
        "words of a given vocabulary kept and others <unk>",
        _iu_tokens,
        max_reference_tokens=59,
        min_word_count=3,
    ),
    Protocol(
        "r2gen-mimic",
        "R2Gen cleaning for MIMIC-CXR, references cut to 99 words (100 ids with the start id), "
        "words of a given vocabulary kept and others <unk>",
        _mimic_tokens,
        max_reference_tokens=99,
        min_word_count=10,
    ),
    Protocol("ptb", "lower case, Penn Treebank tokens without punctuation, whole references", _ptb_tokens),
    Protocol(
        "google",
        "tokens of google rouge-score (lower case, runs of a-z0-9, no stemmer), whole references",
        _google_tokens,
        rouge_beta=1.0,
    ),
)
