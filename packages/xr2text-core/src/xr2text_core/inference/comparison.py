"""What a trained model is compared with: references of a split, and the baselines that need images or a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.study import Dataset, DatasetError, Study
from xr2text_core.inference.ceiling import ceiling_row
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.metrics.baselines import best_constant, nearest_neighbour
from xr2text_core.metrics.meteor import Meteor
from xr2text_core.metrics.rows import References, Row, trivial_rows

BATCH = 64


@dataclass(frozen=True)
class Scored:
    """The studies that are scored, and the training and validation reports of their data set."""

    dataset: Dataset
    studies: list[Study]
    batches: BatchMaker
    references: References
    train: list[str]
    val: list[str]


def studies_to_score(
    trained: TrainedModel, split: str, num_studies: int, root: str, protocol: str, meteor: Meteor | None = None
) -> Scored:
    """The first `num_studies` of a split, 0 for all; raises DatasetError when none is usable."""
    dataset = trained.dataset(root)
    studies = dataset.split(split)[: num_studies or None]
    batches = trained.batches(studies)
    section = trained.settings.section
    train, val = (
        [text for study in dataset.split(name) if (text := study.report.section(section))] for name in ("train", "val")
    )
    has_prior = {study.study_id: study.prior is not None for study in studies}
    without_prior = [not has_prior[each] for each in batches.studies.study_ids]
    references = References.beside(batches.studies.references, protocol, train, meteor, without_prior)
    return Scored(dataset, studies, batches, references, train, val)


def comparison_rows(trained: TrainedModel, scored: Scored, candidates: Sequence[str], neighbours: int) -> list[Row]:
    """The baselines of a model; on the phantom the last row is an upper bound that nothing beats by much.

    `neighbours` training images at most are searched for the nearest; 0 skips that row.
    """
    rows = trivial_rows(scored.references, candidates, scored.train, scored.val)
    if neighbours and scored.train:
        rows.append(_neighbour_row(trained, scored, neighbours))
    settings = trained.settings
    if any(study.prior for study in scored.studies):
        rows.append(_copied_row(scored, settings.section))
    if settings.data == "phantom":
        rows.append(ceiling_row(scored.references, scored.batches.studies.frontal, settings.section, settings.desk))
    return rows


def _copied_row(scored: Scored, section: str) -> Row:
    """The report of the last study once more; where there is none, the best constant report."""
    last = {study.study_id: study.prior.report.section(section) for study in scored.studies if study.prior}
    train = scored.train
    constant = best_constant(train, scored.val or train, scored.references.protocol) if train else ""
    reports = [last.get(each) or constant for each in scored.batches.studies.study_ids]
    return scored.references.row("last report copied, else the constant", reports)


def same_studies_for(other: TrainedModel, path: Path, trained: TrainedModel, scored: Scored, root: str) -> BatchMaker:
    """The scored studies as batches for another checkpoint; DatasetError where the comparison would be unfair."""
    for name in ("data", "section", "desk"):
        ours, theirs = getattr(trained.settings, name), getattr(other.settings, name)
        if ours != theirs:
            raise DatasetError(f"--against {path} was trained with --{name} {theirs}, the other checkpoint with {ours}")
    seen = _training_images(other.dataset(root)) - _training_images(scored.dataset)
    if num_seen := len(seen.intersection(scored.batches.studies.frontal)):
        raise DatasetError(
            f"--against {path} was trained on {num_seen} of the {len(scored.batches.studies)} scored "
            "studies; compare checkpoints of the same data set and splits"
        )
    batches = other.batches(scored.studies)
    if batches.studies.study_ids != scored.batches.studies.study_ids:
        raise DatasetError(f"--against {path}: other images are unreadable at its image size")
    return batches


def _training_images(dataset: Dataset) -> set[str]:
    return {study.frontal for study in dataset.split("train")}


def _neighbour_row(trained: TrainedModel, scored: Scored, most: int) -> Row:
    """For every study the report of the training image that the model's own encoder finds most similar."""
    val = scored.dataset.split("val")[: trained.settings.val_studies]  # the cache that training filled
    known = trained.batches(scored.dataset.split("train"), val, most)
    reports = nearest_neighbour(
        mean_features(trained, known), known.studies.references, mean_features(trained, scored.batches)
    )
    return scored.references.row(f"nearest of {len(known.studies)} train images", reports)


@torch.no_grad()
def mean_features(trained: TrainedModel, batches: BatchMaker) -> NDArray[np.float32]:
    """The mean of the encoder's visual tokens of the frontal film of every study, (N, C)."""
    rows = []
    everything = range(len(batches.studies))
    for start in tqdm(everything[::BATCH], "Encoding images", unit="batch", disable=None, leave=False):
        indices = everything[start : start + BATCH]
        batch = batches.plain(indices)
        if lost := batches.take_lost():
            raise DatasetError(f"{', '.join(lost)}: can no longer be read; the same command again skips it")
        with trained.autocast():
            tokens = trained.model.encoder.images(batch.images[:, 0])  # (B, N, C)
        rows.append(tokens.mean(1).float().cpu().numpy())
    return np.concatenate(rows)
