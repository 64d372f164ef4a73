"""The batch of one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import augment, to_float
from xr2text_core.data.images.cache import ImageCache
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.data.randomness import NUM_DRAWS, draws
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.report.labeler import ReportLabels
from xr2text_core.report.tokenizer import IGNORED
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

UNCERTAIN = 0.5  # target of a finding that is uncertain in the report


@dataclass(frozen=True)
class Batch:
    """The studies of one step or pass: images float (B, 1, H, H) 0..1, tokens (B, T), finding labels (B, R + 1, F).

    Lengths are those of the reports, known on the host: asking a GPU for them would wait for all its pending work.
    """

    images: Tensor
    tokens: Tensor
    finding_labels: Tensor
    studies: Sequence[int] = ()  # their indices in the ready studies: the requested ones without lost images
    lengths: Sequence[int] = ()  # counted where they are not given

    def __post_init__(self) -> None:
        if not self.lengths:
            object.__setattr__(self, "lengths", (self.tokens != IGNORED).sum(1).tolist())

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_tokens(self) -> int:
        return sum(self.lengths)

    def parts(self, size: int) -> Iterator["Batch"]:
        """Slices of at most `size` studies, cut to their longest report."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            tokens, lengths = self.tokens[part, : max(self.lengths[part])], self.lengths[part]
            yield Batch(self.images[part], tokens, self.finding_labels[part], self.studies[part], lengths)


@dataclass(frozen=True)
class BatchMaker:
    """Builds batches from ready studies; the augmentation of a study follows from (seed, epoch, study) alone.

    An image is lost when its cached pixels are damaged and its file can no longer be read either. A batch skips
    that study, so it may be shorter or even empty, and `take_lost` names the image once. It is not replaced.
    """

    studies: ReadyStudies
    cache: ImageCache
    device: torch.device
    seed: int
    _lost: dict[str, bool] = field(default_factory=dict, init=False)  # image -> whether `take_lost` has named it

    def training(self, indices: Sequence[int], epoch: int) -> Batch:
        """An augmented batch, longest reports first, so that its slices waste little padding."""
        lengths = self.studies.tokens.take(np.array(indices, dtype=np.int64)).lengths
        indices = [indices[place] for place in np.argsort(-lengths, kind="stable")]
        return self._batch(indices, lambda images, studies: augment(images, self._draws(studies, epoch)))

    def plain(self, indices: Sequence[int]) -> Batch:
        """A batch without augmentation, for validation."""
        return self._batch(indices, lambda images, _: to_float(images))

    def take_lost(self) -> list[str]:
        """The file names of images that were lost since this was last asked; each is named once."""
        new = [name for name, is_named in self._lost.items() if not is_named]
        self._lost.update(dict.fromkeys(new, True))
        return [Path(name).name for name in new]

    def _batch(self, indices: Sequence[int], to_images: Callable[[Tensor, Sequence[int]], Tensor]) -> Batch:
        indices, pixels = self._read(indices)
        targets = np.zeros((len(indices), len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
        for target, index in zip(targets, indices, strict=True):
            target[:] = finding_targets(self.studies.labels[index])
        reports = [self.studies.tokens[index] for index in indices]
        return Batch(
            to_images(torch.from_numpy(pixels).to(self.device), indices),
            padded(reports).to(self.device),
            torch.from_numpy(targets).to(self.device),
            indices,
            [len(report) for report in reports],
        )

    def _read(self, indices: Sequence[int]) -> tuple[Sequence[int], Pixels]:
        """The studies whose image is not lost, and their pixels."""
        names = [self.studies.images[index] for index in indices]
        try:
            return indices, self.cache.images(names)
        except ImageError:
            lost = {name for name in names if self._is_lost(name)}
        kept = [index for index in indices if self.studies.images[index] not in lost]
        return kept, self.cache.images([self.studies.images[index] for index in kept])

    def _is_lost(self, name: str) -> bool:
        try:
            self.cache.read(name)
        except ImageError:
            self._lost.setdefault(name, False)
            return True
        return False

    def _draws(self, indices: Sequence[int], epoch: int) -> Tensor:
        numbers = [draws(self.seed, epoch, self.studies.study_ids[index]) for index in indices]
        return torch.from_numpy(np.array(numbers).reshape(-1, NUM_DRAWS)).to(self.device)


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token ids as (B, T), padded with `IGNORED`."""
    longest = max((len(sequence) for sequence in sequences), default=0)
    rows = [[*sequence, *[IGNORED] * (longest - len(sequence))] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.int64).view(len(rows), longest)


def finding_targets(labels: ReportLabels) -> NDArray[np.float32]:
    """The targets of the finding head, (R + 1, F) in 0..1: per region, and in the last row for the whole image."""
    targets = np.zeros((len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
    for mention in labels.mentions:
        value = {"present": 1.0, "uncertain": UNCERTAIN, "absent": 0.0}[mention.status]
        column = FINDINGS.index(mention.finding)
        for row in [*(REGIONS.index(region) for region in mention.regions), len(REGIONS)]:
            targets[row, column] = max(targets[row, column], value)
    return targets
