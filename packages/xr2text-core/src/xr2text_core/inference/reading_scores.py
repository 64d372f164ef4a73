"""The scores of what a model reads, beside the baseline that composes the same findings without its image."""

from dataclasses import replace

from xr2text_core.inference.ceiling import drawn_truth
from xr2text_core.inference.comparison import Scored
from xr2text_core.inference.composer import compose_baseline
from xr2text_core.inference.evaluation import Evaluation
from xr2text_core.inference.reading import pen_of, write_as
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.metrics.baselines import best_constant
from xr2text_core.metrics.findings.desk import desk_measures
from xr2text_core.metrics.findings.reading import Eye, Measure, reading_measures
from xr2text_core.metrics.rows import Row
from xr2text_core.model.decision import SENSITIVITIES

COMPOSED = "same findings, composed without the image"


def composed_from(trained: TrainedModel, scored: Scored, result: Evaluation) -> list[str]:
    """The best constant report, edited for the findings that the model decided; empty where it decides none."""
    if result.reading is None or trained.composer is None or not scored.train:
        return []
    constant = best_constant(scored.train, scored.val or scored.train, scored.references.protocol)
    return compose_baseline(trained.composer.bank.phrases, constant, result.reading.decided)


def measures_of(trained: TrainedModel, scored: Scored, result: Evaluation) -> list[Measure]:
    """How well the eye sees, how well the reports say it, and, where the desk was drawn, which of it the model uses."""
    eye, codes = eye_of(scored, result)
    measures = reading_measures(result.candidates, scored.references.texts, codes, eye)
    return [*measures, *(_desk_measures(trained, scored, result) if trained.settings.desk else ())]


def _desk_measures(trained: TrainedModel, scored: Scored, result: Evaluation) -> list[Measure]:
    truths = drawn_truth(scored.batches.studies.frontal, trained.settings.section)
    return desk_measures(result.candidates, truths, result.reading.logits if result.reading else None)


def eye_of(scored: Scored, result: Evaluation) -> tuple[Eye | None, list[tuple[str, ...]]]:
    """What was decided, None for a model that decides no findings first, and the annotators' codes of each study."""
    reading = result.reading
    codes = {study.study_id: study.codes for study in scored.studies}
    eye = None if reading is None else Eye(reading.probabilities, reading.decided)
    return eye, [codes[each] for each in scored.batches.studies.study_ids]


def frontier_rows(trained: TrainedModel, scored: Scored, result: Evaluation) -> list[Row]:
    """A row for each sensitivity: more findings cost words. The decoder's drafts stay those of the operating point."""
    study = trained.model.encoder.study
    if study is None or result.reading is None or trained.composer is None:
        return []
    rows = []
    for sensitivity in SENSITIVITIES:
        reading = replace(result.reading, decided=study.decision.decided(result.reading.logits, sensitivity))
        texts = write_as(pen_of(trained.model), result.drafts, reading, trained.composer)
        rows.append(scored.references.row(f"sensitivity {sensitivity:g}", texts))
    return rows
