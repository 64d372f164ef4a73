"""The batch of one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import augment, to_float
from xr2text_core.data.cache import ImageCache
from xr2text_core.data.randomness import draws
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.report.labeler import ReportLabels
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

IGNORED = -100  # label of padding
UNCERTAIN = 0.5  # target of a finding that the report leaves open


@dataclass(frozen=True)
class Batch:
    """The studies of one step or pass: images float (B, 1, H, H) 0..1, tokens (B, T), finding labels (B, R + 1, F)."""

    images: Tensor
    tokens: Tensor
    finding_labels: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_tokens(self) -> int:
        return int((self.tokens != IGNORED).sum())

    def parts(self, size: int) -> Iterator["Batch"]:
        """Slices of at most `size` studies, cut to their longest report."""
        for start in range(0, len(self), size):
            tokens = self.tokens[start : start + size]
            longest = int((tokens != IGNORED).sum(1).max())
            yield Batch(
                self.images[start : start + size], tokens[:, :longest], self.finding_labels[start : start + size]
            )


@dataclass(frozen=True)
class BatchMaker:
    """Builds batches from ready studies; the augmentation of a study follows from (seed, epoch, study) alone."""

    studies: ReadyStudies
    cache: ImageCache
    device: torch.device
    seed: int

    def training(self, indices: Sequence[int], epoch: int) -> Batch:
        """An augmented batch, longest reports first, so that slices of it waste little padding."""
        indices = sorted(indices, key=lambda index: -len(self.studies.tokens[index]))
        chance = np.stack([draws(self.seed, epoch, self.studies.study_ids[index]) for index in indices])
        return self._batch(indices, lambda images: augment(images, torch.from_numpy(chance).to(self.device)))

    def plain(self, indices: Sequence[int]) -> Batch:
        """A batch as it is, for validation."""
        return self._batch(indices, to_float)

    def _batch(self, indices: Sequence[int], to_images: Callable[[Tensor], Tensor]) -> Batch:
        pixels = torch.from_numpy(self.cache.images([self.studies.images[index] for index in indices]))
        tokens = padded([self.studies.tokens[index] for index in indices])
        targets = np.stack([finding_targets(self.studies.labels[index]) for index in indices])
        return Batch(
            to_images(pixels.to(self.device)), tokens.to(self.device), torch.from_numpy(targets).to(self.device)
        )


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as (B, T), filled up with `IGNORED`."""
    longest = max(len(sequence) for sequence in sequences)
    return torch.tensor([[*sequence, *[IGNORED] * (longest - len(sequence))] for sequence in sequences])


def finding_targets(labels: ReportLabels) -> NDArray[np.float32]:
    """What the regions should say, (R + 1, F) in 0..1: per region, and in the last row anywhere in the image."""
    targets = np.zeros((len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
    for mention in labels.mentions:
        value = {"present": 1.0, "uncertain": UNCERTAIN, "absent": 0.0}[mention.status]
        column = FINDINGS.index(mention.finding)
        for row in [*(REGIONS.index(region) for region in mention.regions), len(REGIONS)]:
            targets[row, column] = max(targets[row, column], value)
    return targets
