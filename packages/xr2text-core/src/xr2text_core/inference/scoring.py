"""Scores the reports of a checkpoint, of the baselines, and of a second checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.batches import BatchMaker
from xr2text_core.inference.comparison import Scored, comparison_rows, same_studies_for, studies_to_score
from xr2text_core.inference.evaluation import Evaluation, evaluate
from xr2text_core.inference.trained import TrainedModel, load_model
from xr2text_core.metrics.bootstrap import PairedDifference
from xr2text_core.metrics.outcome import NO_EXTRAS, Extras, Outcome
from xr2text_core.settings.settings import Settings


@dataclass(frozen=True)
class CheckpointScores:
    """The scores of a checkpoint, and the studies and reports that they are of."""

    settings: Settings
    scored: Scored
    result: Evaluation
    outcome: Outcome


def score_checkpoint(
    checkpoint: Path,
    split: str,
    protocol: str,
    beams: int,
    num_studies: int = 0,
    neighbours: int = 0,
    root: str = "",
    against: Path | None = None,
    extras: Extras = NO_EXTRAS,
) -> CheckpointScores:
    """Write the reports of one or two checkpoints for a split, and score them and the baselines.

    `num_studies`: at most, 0 for all; `neighbours`: training images for the nearest-neighbour baseline;
    `root`: where the data set has moved. Raises CheckpointError and DatasetError.
    """
    trained = load_model(checkpoint)
    scored = studies_to_score(trained, split, num_studies, root, protocol, extras.meteor)
    references = scored.references
    result = _written(trained, scored.batches, protocol, beams)
    name, other_name = _row_names(checkpoint, against)
    reports = {name: result.candidates}
    differences: dict[str, PairedDifference] = {}
    if against:
        other = load_model(against)
        batches = same_studies_for(other, against, trained, scored, root)
        reports[other_name] = _written(other, batches, protocol, beams).candidates
        differences = references.paired_differences(result.candidates, reports[other_name])
    about = {"checkpoint": checkpoint.name, "split": split, "beams": str(beams)}
    outcome = Outcome(
        about={**about, "data": trained.settings.data, "section": trained.settings.section, **references.about},
        models=[references.row_with_intervals(row, texts) for row, texts in reports.items()],
        others=comparison_rows(trained, scored, result.candidates, neighbours),
        differences=differences,
        clinical=extras.clinical_scores(reports, references.texts),
        notes=[*scored.dataset.warnings, *extras.notes],
    )
    return CheckpointScores(trained.settings, scored, result, outcome)


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
