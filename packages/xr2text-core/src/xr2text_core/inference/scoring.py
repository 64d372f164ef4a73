"""Scores the reports of a checkpoint, of the baselines, and of a second checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.batches import BatchMaker
from xr2text_core.inference.comparison import Scored, comparison_rows, same_studies_for, studies_to_score
from xr2text_core.inference.evaluation import Evaluation, evaluate
from xr2text_core.inference.reading_scores import COMPOSED, composed_from, eye_of, frontier_rows, measures_of
from xr2text_core.inference.trained import TrainedModel, load_model
from xr2text_core.metrics.findings.reading import Eye
from xr2text_core.metrics.outcome import NO_EXTRAS, Extras, Outcome


@dataclass(frozen=True)
class CheckpointScores:
    """The scores of a checkpoint, and the studies and reports that they are of."""

    trained: TrainedModel
    scored: Scored
    result: Evaluation
    outcome: Outcome

    @property
    def eye(self) -> tuple[Eye | None, list[tuple[str, ...]]]:
        """What was decided, None for a model that decides no findings first, and each study's codes of annotators."""
        return eye_of(self.scored, self.result)


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
    sensitivity: float | None = None,
    frontier: bool = False,
) -> CheckpointScores:
    """Write the reports of one or two checkpoints for a split, and score them and the baselines.

    `num_studies`: at most, 0 for all; `neighbours`: training images for the nearest-neighbour baseline;
    `root`: where the data set has moved; `sensitivity`: instead of that of the checkpoint;
    `frontier`: score a row of sensitivities too. Without `against` the second
    model is what composes the same findings without the image. Raises CheckpointError and DatasetError.
    """
    trained = load_model(checkpoint)
    if sensitivity is not None:
        trained.be_sensitive(sensitivity)
    scored = studies_to_score(trained, split, num_studies, root, protocol, extras.meteor)
    references = scored.references
    result = _written(trained, scored.batches, protocol, beams)
    name, other_name = _row_names(checkpoint, against)
    reports = {name: result.candidates}
    composed = composed_from(trained, scored, result)
    if against:
        other = load_model(against)
        batches = same_studies_for(other, against, trained, scored, root)
        reports[other_name] = _written(other, batches, protocol, beams).candidates
    elif composed:
        reports[COMPOSED] = composed
    about = {"checkpoint": checkpoint.name, "split": split, "beams": str(beams), **trained.operating_point}
    outcome = Outcome(
        about={**about, "data": trained.settings.data, "section": trained.settings.section, **references.about},
        models=[references.row_with_intervals(row, texts) for row, texts in reports.items()],
        others=comparison_rows(trained, scored, result.candidates, neighbours),
        differences=references.paired_differences(*reports.values()) if len(reports) == 2 else {},
        clinical=extras.clinical_scores(reports, references.texts),
        reading=measures_of(trained, scored, result),
        frontier=frontier_rows(trained, scored, result) if frontier else (),
        notes=[*scored.dataset.warnings, *extras.notes],
    )
    return CheckpointScores(trained, scored, result, outcome)


def _written(trained: TrainedModel, batches: BatchMaker, protocol: str, beams: int) -> Evaluation:
    tokens = trained.settings.max_tokens
    with trained.autocast():
        result = evaluate(
            trained.model, trained.tokenizer, batches, tokens, protocol, beams, progress=True, composer=trained.composer
        )
    assert result is not None  # it was given no `stop`
    return result


def _row_names(checkpoint: Path, against: Path | None) -> tuple[str, str]:
    """File names, or whole paths where the names are the same."""
    if against is None or checkpoint.name != against.name:
        return checkpoint.name, against.name if against else ""
    return checkpoint.as_posix(), against.as_posix()
