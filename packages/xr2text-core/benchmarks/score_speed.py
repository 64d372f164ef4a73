"""Times BLEU, ROUGE-L and CIDEr-D of 3,800 report pairs: ours, pycocoevalcap's and nltk's, in one process, one thread.

    python benchmarks/score_speed.py [--reports reports.csv] [--pairs 3800] [--repeats 5]

Reports come from the columns findings and impression of a CSV; without one they are pseudo-reports of common and rare
words. All get the same tokens (protocol clean-full). Shows medians, and fails when a score differs by more than 1e-6.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before numpy is imported

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from nltk.translate.bleu_score import corpus_bleu as nltk_corpus_bleu
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from xr2text_core.metrics.bleu import bleu_from_sums, bleu_statistics, corpus_bleu
from xr2text_core.metrics.cider import cider_each
from xr2text_core.metrics.ngrams import count_ngrams
from xr2text_core.metrics.protocols import get_protocol, tokenize_candidates, tokenize_references
from xr2text_core.metrics.rouge_l import rouge_l_each
from xr2text_core.metrics.scores import score_reports

Texts = list[str]
Tokens = list[list[str]]
TOLERANCE = 1e-6
PROTOCOL = get_protocol("clean-full")


def ours(candidates: Tokens, references: Tokens) -> list[float]:
    """BLEU-1 to 4, ROUGE-L and CIDEr-D."""
    ngrams = count_ngrams(candidates, references)
    bleu = bleu_from_sums(bleu_statistics(candidates, references, ngrams).sum(axis=0))
    rouge = rouge_l_each(candidates, references, PROTOCOL.rouge_beta).mean()
    return [*map(float, bleu), float(rouge), float(cider_each(candidates, references, ngrams).mean())]


def pycocoevalcap(candidates: Tokens, references: Tokens) -> list[float]:
    """The same six numbers."""
    captions = as_captions(references), as_captions(candidates)
    bleu, _ = Bleu(4).compute_score(*captions, verbose=0)
    return [*bleu, float(Rouge().compute_score(*captions)[0]), float(Cider().compute_score(*captions)[0])]


def nltk_bleu(candidates: Tokens, references: Tokens) -> list[float]:
    """BLEU-1 to 4 in one call; nltk has neither this ROUGE-L nor CIDEr."""
    weights = [tuple([1 / order] * order) for order in (1, 2, 3, 4)]
    return list(map(float, nltk_corpus_bleu([[true] for true in references], candidates, weights=weights)))


def as_captions(reports: Tokens) -> dict[int, list[str]]:
    return {index: [" ".join(words)] for index, words in enumerate(reports)}


def read_reports(path: Path) -> Texts:
    """The non-blank reports of a CSV: findings and impression together."""
    with path.open(encoding="utf-8", newline="") as file:
        texts = [f"{row.get('findings', '')} {row.get('impression', '')}".strip() for row in csv.DictReader(file)]
    return [text for text in texts if text]


def pseudo_reports(num_reports: int) -> Texts:
    """About 40 words each, some common, some rare, as in the reports of Indiana University."""
    generator = np.random.default_rng(0)
    words = np.array([f"word{index}" for index in range(1500)])
    weights = 1 / np.arange(1, len(words) + 1)
    lengths = generator.integers(8, 75, num_reports)
    return [" ".join(generator.choice(words, length, p=weights / weights.sum())) + "." for length in lengths]


def make_pairs(reports: Texts, num_pairs: int) -> tuple[Texts, Texts]:
    """A report against the one 100 places on, and every fourth time against itself without its first two words.

    Where there are fewer reports than pairs they come again, against others.
    """
    references = [reports[i % len(reports)] for i in range(num_pairs)]
    others = [reports[(i + 100 * (1 + i // len(reports))) % len(reports)] for i in range(num_pairs)]
    near = [" ".join(reference.split()[2:]) for reference in references]
    return [near[i] if i % 4 == 0 else other for i, other in enumerate(others)], references


def median_s(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def largest_difference(first: Sequence[float], second: Sequence[float]) -> float:
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=Path, help="CSV with columns findings and/or impression")
    parser.add_argument("--pairs", type=int, default=3800)
    parser.add_argument("--repeats", type=int, default=5, help="the median of this many is shown")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    reports = read_reports(options.reports) if options.reports else pseudo_reports(options.pairs)
    texts = make_pairs(reports, options.pairs)
    candidates, references = tokenize_candidates(texts[0], PROTOCOL), tokenize_references(texts[1], PROTOCOL)
    # nltk counts one n-gram where a report is too short for any, so BLEU is compared where that does not happen
    long = [pair for pair in zip(candidates, references, strict=True) if len(pair[0]) > 3]
    pairs = [candidate for candidate, _ in long], [reference for _, reference in long]
    differences = {
        "pycocoevalcap": largest_difference(ours(candidates, references), pycocoevalcap(candidates, references)),
        "nltk": largest_difference(corpus_bleu(*pairs), nltk_bleu(*pairs)),
    }
    works: dict[str, Callable[[], object]] = {
        "ours: BLEU, ROUGE-L, CIDEr from tokens": lambda: ours(candidates, references),
        "pycocoevalcap: BLEU, ROUGE-L, CIDEr from tokens": lambda: pycocoevalcap(candidates, references),
        "ours: BLEU from tokens": lambda: corpus_bleu(candidates, references),
        "nltk: corpus BLEU from tokens": lambda: nltk_bleu(candidates, references),
        "ours: cleaning the texts into tokens": lambda: [tokenize_candidates(each, PROTOCOL) for each in texts],
    }
    words = sum(map(len, references)) / len(references)
    source = "reports of a CSV" if options.reports else "pseudo-reports"
    print(f"{options.pairs} pairs of {len(reports)} {source}, {words:.1f} tokens a reference; one thread, "
          f"median of {options.repeats}; pycocoevalcap {version('pycocoevalcap')}, nltk {version('nltk')}")  # fmt: skip
    for name, work in works.items():
        print(f"{name:<50} {median_s(work, options.repeats):8.3f} s")
    started = time.perf_counter()
    score_reports(*texts)
    print(f"{'ours: all scores from texts, rule labels read first':<50} {time.perf_counter() - started:8.3f} s")
    for name, difference in differences.items():
        print(f"largest difference to {name}: {difference:.1e}")
    if max(differences.values()) > TOLERANCE:
        print(f"error: scores differ by more than {TOLERANCE:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
