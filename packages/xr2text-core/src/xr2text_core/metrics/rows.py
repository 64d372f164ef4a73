"""The rows of a trustworthy table: a model beside trivial baselines; and warnings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from xr2text_core.metrics import baselines
from xr2text_core.metrics.bootstrap import Interval, PairedDifference, bootstrap_intervals, paired_bootstrap
from xr2text_core.metrics.clinical_f1 import ClinicalF1, clinical_f1
from xr2text_core.metrics.meteor import Meteor
from xr2text_core.metrics.protocols import (
    get_protocol,
    reference_lengths,
    tokenize_candidates,
    tokenize_references,
    training_vocabulary,
)
from xr2text_core.metrics.scores import Scores, score_reports
from xr2text_core.report.changes.comparisons import has_comparison
from xr2text_core.report.labeler import LABELER_VERSION, label_report

SHUFFLED, CONSTANT = "images shuffled among studies", "best constant report"
FEW_DISTINCT = 0.05  # distinct reports per study; a released IU X-Ray model has 4 for 590


@dataclass(frozen=True)
class Row:
    """One line of the table: who wrote the reports, how they score, and 95 % intervals where they were computed.

    `intervals` has the names of `scores`, and "clinical_f1_abnormal"; `extra` the scores that were asked for by name.
    `invented_comparisons` is the share, 0..1, of reports of studies without a prior that compare with one; NaN where
    every study has a prior, or nobody knows.
    """

    name: str
    scores: Scores
    clinical: ClinicalF1
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    invented_comparisons: float = float("nan")

    @property
    def bleu_and_rouge(self) -> float:
        """BLEU-4 + ROUGE-L, by which the best model is chosen."""
        return self.scores.bleu_4 + self.scores.rouge_l


@dataclass(frozen=True)
class References:
    """The reports to compare with, the protocol, its vocabulary (None: all words), and METEOR if it was asked for.

    `without_prior` tells which of the studies have no prior study; empty where nobody knows.
    """

    texts: Sequence[str]
    protocol: str
    vocabulary: Collection[str] | None = None
    meteor: Meteor | None = None
    without_prior: Sequence[bool] = ()

    @classmethod
    def beside(
        cls,
        texts: Sequence[str],
        protocol: str,
        train: Sequence[str],
        meteor: Meteor | None = None,
        without_prior: Sequence[bool] = (),
    ) -> "References":
        """References of a data set whose training reports are known: they say which words the R2Gen protocols keep."""
        keeps_all_words = get_protocol(protocol).min_word_count == 1 or not train
        vocabulary = None if keeps_all_words else training_vocabulary(train, protocol)
        return cls(texts, protocol, vocabulary, meteor, without_prior)

    @property
    def about(self) -> dict[str, str]:
        """What every score depends on; it belongs in every row of every file."""
        lengths = reference_lengths(self.texts, self.protocol)
        return {
            "protocol": self.protocol,
            "labeler": str(LABELER_VERSION),
            "reference_digest": self.digest,
            "reference_tokens_mean": f"{lengths.mean:.2f}",
            "reference_tokens_median": f"{lengths.median:g}",
            "reference_tokens_p95": f"{lengths.percentile_95:g}",
            "reference_tokens_max": str(lengths.max),
            "reference_share_cut": f"{lengths.share_cut:.4f}",
        }

    @property
    def digest(self) -> str:
        """Sixteen characters that are the same for the same references alone."""
        return blake2b("\0".join(self.texts).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()

    def row(self, name: str, candidates: Sequence[str]) -> Row:
        """Score one report per reference."""
        scores = score_reports(candidates, self.texts, self.protocol, vocabulary=self.vocabulary)
        clinical, invented = clinical_f1(candidates, self.texts), self._invented(candidates)
        return Row(name, scores, clinical, extra=self._extra(candidates), invented_comparisons=invented)

    def _invented(self, candidates: Sequence[str]) -> float:
        alone = [text for text, is_alone in zip(candidates, self.without_prior, strict=False) if is_alone]
        return sum(map(has_comparison, alone)) / len(alone) if alone else float("nan")

    def _extra(self, candidates: Sequence[str]) -> dict[str, float]:
        if self.meteor is None:
            return {}
        rules = get_protocol(self.protocol)
        ours = tokenize_candidates(candidates, rules)
        theirs = tokenize_references(self.texts, rules, self.vocabulary)
        return {self.meteor.name: self.meteor.score(ours, theirs)}

    def row_with_intervals(self, name: str, candidates: Sequence[str]) -> Row:
        """The same with bootstrap intervals: how much scores vary with the studies, not with another training run."""
        row = self.row(name, candidates)
        intervals = bootstrap_intervals(candidates, self.texts, self.protocol, vocabulary=self.vocabulary)
        pairs = zip(candidates, self.texts, strict=True)
        abnormal = [pair for pair in pairs if not label_report(pair[1]).is_normal]
        if abnormal:
            ours, theirs = [pair[0] for pair in abnormal], [pair[1] for pair in abnormal]
            intervals["clinical_f1_abnormal"] = bootstrap_intervals(ours, theirs, self.protocol)["clinical_f1"]
        return replace(row, intervals=intervals)

    def paired_differences(self, first: Sequence[str], second: Sequence[str]) -> dict[str, PairedDifference]:
        """First minus second list of reports for the same studies, by measure."""
        return paired_bootstrap(first, second, self.texts, self.protocol, vocabulary=self.vocabulary)


def trivial_rows(
    references: References, candidates: Sequence[str], train: Sequence[str], val: Sequence[str]
) -> list[Row]:
    """Reports written without the image, and the model's own reports given to other studies.

    The constant is the training report that does best on `val`, never on the references that are scored. Rows that
    are impossible (no training reports, one study only) are skipped.
    """
    num_studies = len(references.texts)
    written: dict[str, Sequence[str]] = {}
    if num_studies > 1:
        written[SHUFFLED] = baselines.shuffled(candidates, seed=0)
    if train:
        written[CONSTANT] = [baselines.best_constant(train, val or train, references.protocol)] * num_studies
        written["most frequent report"] = [baselines.most_frequent(train)] * num_studies
        written["random training report"] = baselines.random_reports(train, num_studies, seed=0)
    return [references.row(name, reports) for name, reports in written.items()]


def warnings(model: Row, others: Sequence[Row]) -> list[str]:
    """Reasons to doubt that the model uses the images; an empty list if none was found."""
    by_name = {row.name: row for row in others}
    found = []
    if CONSTANT in by_name:
        found += _not_above_constant(model, by_name[CONSTANT])
    num_distinct, num_reports = model.scores.distinct_reports, model.scores.num_reports
    if num_reports > 1 and num_distinct <= max(1, FEW_DISTINCT * num_reports):
        found.append(f"only {num_distinct} distinct reports for {num_reports} studies")
    interval = model.intervals.get("rouge_l")
    if SHUFFLED in by_name and interval and by_name[SHUFFLED].scores.rouge_l >= interval.low:
        found.append(
            f"ROUGE-L is {by_name[SHUFFLED].scores.rouge_l:.4f} when the reports go to other studies, "
            f"within the interval of the model ({interval.low:.4f} to {interval.high:.4f})"
        )
    return [f"{model.name}: {reason}: it may ignore the image" for reason in found]


def _not_above_constant(model: Row, constant: Row) -> list[str]:
    pairs = {
        "BLEU-4 + ROUGE-L": (model.bleu_and_rouge, constant.bleu_and_rouge),
        "label F1": (model.scores.clinical_f1, constant.scores.clinical_f1),
    }
    return [
        f"{name} {ours:.4f} does not beat one constant report for all studies ({theirs:.4f})"
        for name, (ours, theirs) in pairs.items()
        if ours <= theirs
    ]
