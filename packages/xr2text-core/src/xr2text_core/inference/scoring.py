"""Scores the reports of a checkpoint, of the baselines, and of a second checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.batches import BatchMaker
from xr2text_core.inference.comparison import Scored, comparison_rows, same_studies_for, studies_to_score
from xr2text_core.inference.evaluation import Evaluation, evaluate
from xr2text_core.inference.trained import TrainedModel, load_model
from xr2text_core.metrics.bootstrap import PairedDifference
from xr2text_core.metrics.protocols import reference_lengths
from xr2text_core.metrics.rows import Row
from xr2text_core.settings.settings import Settings


@dataclass(frozen=True)
class CheckpointScores:
    """`models` are the checkpoint and the one it is compared with, `others` the baselines.

    `differences` are first minus second model by measure; empty without a second one.
    """

    settings: Settings
    scored: Scored
    result: Evaluation
    models: list[Row]
    others: list[Row]
    differences: dict[str, PairedDifference]

    @property
    def about(self) -> dict[str, str]:
        """What scores depend on: columns of every row in every file."""
        references = self.scored.references
        lengths = reference_lengths(references.texts, references.protocol)
        return {
            "data": self.settings.data,
            "section": self.settings.section,
            "protocol": references.protocol,
            "reference_tokens_mean": f"{lengths.mean:.2f}",
            "reference_tokens_median": f"{lengths.median:g}",
            "reference_tokens_p95": f"{lengths.percentile_95:g}",
            "reference_tokens_max": str(lengths.max),
            "reference_share_cut": f"{lengths.share_cut:.4f}",
        }


def score_checkpoint(
    checkpoint: Path,
    split: str,
    protocol: str,
    beams: int,
    num_studies: int = 0,
    neighbours: int = 0,
    root: str = "",
    against: Path | None = None,
) -> CheckpointScores:
    """Write the reports of one or two checkpoints for a split, and score them and the baselines.

    `num_studies`: at most, 0 for all; `neighbours`: training images for the nearest-neighbour baseline;
    `root`: where the data set has moved. Raises CheckpointError and DatasetError.
    """
    trained = load_model(checkpoint)
    scored = studies_to_score(trained, split, num_studies, root, protocol)
    result = _written(trained, scored.batches, protocol, beams)
    name, other_name = _row_names(checkpoint, against)
    models = [scored.references.row_with_intervals(name, result.candidates)]
    differences: dict[str, PairedDifference] = {}
    if against:
        other = load_model(against)
        batches = same_studies_for(other, against, trained, scored, root)
        theirs = _written(other, batches, protocol, beams).candidates
        models.append(scored.references.row_with_intervals(other_name, theirs))
        differences = scored.references.paired_differences(result.candidates, theirs)
    others = comparison_rows(trained, scored, result.candidates, neighbours)
    return CheckpointScores(trained.settings, scored, result, models, others, differences)


def _written(trained: TrainedModel, batches: BatchMaker, protocol: str, beams: int) -> Evaluation:
    tokens = trained.settings.max_tokens
    with trained.autocast():
        result = evaluate(trained.model, trained.tokenizer, batches, tokens, protocol, beams, progress=True)
    assert result is not None  # it was given no `stop`
    return result


def _row_names(checkpoint: Path, against: Path | None) -> tuple[str, str]:
    """File names, or whole paths where the names are the same."""
    if against is None or checkpoint.name != against.name:
        return checkpoint.name, against.name if against else ""
    return checkpoint.as_posix(), against.as_posix()
