"""Pairs of reports to compare with the reference implementations: pseudo-reports, and real ones where they are."""

import csv
from pathlib import Path

import numpy as np
import pytest

SHARED_DATA = Path(__file__).parents[4].parent / "shared" / "data"
COMMON_WORDS = (
    "the",
    "heart",
    "is",
    "normal",
    ".",
    "no",
    "effusion",
    "or",
    "lungs",
    "are",
    "clear",
    "left",
    "base",
    "mild",
)


def pseudo_reports(num_reports: int, seed: int) -> list[str]:
    """Texts of 0 to 45 words in which some words are common, some rare and some stand only once."""
    generator = np.random.default_rng(seed)
    words = [*COMMON_WORDS, *(f"rare{index}" for index in range(300))]
    weights = 1 / np.arange(1, len(words) + 1)
    lengths = generator.integers(0, 46, num_reports)
    return [" ".join(generator.choice(words, length, p=weights / weights.sum())) for length in lengths]


@pytest.fixture(scope="session")
def pseudo_pairs() -> tuple[list[str], list[str]]:
    """3,000 candidates and references; every fourth candidate repeats most of its reference, and a few are empty."""
    candidates, references = pseudo_reports(3000, seed=1), pseudo_reports(3000, seed=2)
    references = [reference or "normal" for reference in references]
    near = [" ".join(reference.split()[2:]) for reference in references]
    return [near[i] if i % 4 == 0 else text for i, text in enumerate(candidates)], references


@pytest.fixture(scope="session")
def iu_reports() -> list[str]:
    """Findings (or impressions) of real reports that are not blank."""
    path = SHARED_DATA / "iu-reports" / "reports.csv"
    if not path.exists():
        pytest.skip(f"the reports of Indiana University are not at {path}")
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["findings"] or row["impression"] for row in csv.DictReader(file)]
    return [text for text in texts if text.strip()]


@pytest.fixture(scope="session")
def iu_pairs(iu_reports: list[str]) -> tuple[list[str], list[str]]:
    """1,000 pairs: a real report against another one, or, every fifth time, against itself."""
    generator = np.random.default_rng(0)
    references = [iu_reports[i] for i in generator.integers(len(iu_reports), size=1000)]
    candidates = [iu_reports[i] for i in generator.integers(len(iu_reports), size=1000)]
    return [references[i] if i % 5 == 0 else text for i, text in enumerate(candidates)], references
