"""The batch of one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import augment, to_float
from xr2text_core.data.images.cache import ImageCache
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.data.images.tokens import TokenCache
from xr2text_core.data.randomness import NUM_DRAWS, draws, state_draws
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.report.labeler import ReportLabels
from xr2text_core.report.tokenizer import IGNORED
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

KEYS = ("", "/lateral")  # added to the id of a study for the draws of its films: each is augmented by itself
UNCERTAIN = 0.5  # target of a finding that is uncertain in the report


@dataclass(frozen=True)
class Batch:
    """The studies of one step or pass: images float (B, V, 1, H, H) 0..1, tokens (B, T), finding labels (B, R + 1, F).

    V is 1, the frontal film, or 2, a lateral one beside it where a study has one: then `is_film` (B, V) tells, on the
    host. What stands in the place of a missing film is not read.
    Lengths are those of the reports, known on the host: asking a GPU for them would wait for all its pending work.
    """

    images: Tensor
    tokens: Tensor
    finding_labels: Tensor
    studies: Sequence[int] = ()  # their indices in the ready studies: the requested ones without lost images
    lengths: Sequence[int] = ()  # counted where they are not given
    is_film: Tensor | None = None  # None: all are there
    state_draws: Tensor | None = None  # (B, 2, F) in 0..1: how wrong the decoder is told; None: it is told the truth
    features: Tensor | None = None  # (B, V, N, C) FP16: what a frozen encoder sees in them, where it is cached

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
            is_film = None if self.is_film is None else self.is_film[part]
            drawn = None if self.state_draws is None else self.state_draws[part]
            labels, studies = self.finding_labels[part], self.studies[part]
            features = None if self.features is None else self.features[part]
            yield Batch(self.images[part], tokens, labels, studies, lengths, is_film, drawn, features)

    def films(self) -> Tensor:
        """The films that are there, (F, 1, H, H)."""
        films = self.images.flatten(0, 1)
        return films if self.is_film is None else films[_places(self.is_film).to(films.device)]


@dataclass(frozen=True)
class BatchMaker:
    """Builds batches from ready studies; the augmentation of a study follows from (seed, epoch, study) alone.

    An image is lost when its cached pixels are damaged and its file can no longer be read either. A batch skips
    that study, so it may be shorter or even empty, and `take_lost` names the image once. It is not replaced.
    A lateral image that is lost is missing.
    """

    studies: ReadyStudies
    cache: ImageCache
    device: torch.device
    seed: int
    views: str = "frontal"  # or "all": whether batches have a place for a lateral film
    tokens: TokenCache | None = None  # of a frozen encoder; training then augments nothing
    _lost: dict[str, bool] = field(default_factory=dict, init=False)  # image -> whether `take_lost` has named it

    def training(self, indices: Sequence[int], epoch: int) -> Batch:
        """A batch, augmented or with cached tokens; longest reports first, so that its slices waste little padding."""
        lengths = self.studies.tokens.take(np.array(indices, dtype=np.int64)).lengths
        indices = [indices[place] for place in np.argsort(-lengths, kind="stable")]
        batch = self._with_tokens(indices) if self.tokens else self._augmented(indices, epoch)
        size = (len(batch), 2, len(FINDINGS))
        drawn = [
            state_draws(self.seed, epoch, self.studies.study_ids[index], size[1] * size[2]) for index in batch.studies
        ]
        return replace(batch, state_draws=torch.from_numpy(np.array(drawn, np.float32).reshape(size)).to(self.device))

    def _augmented(self, indices: Sequence[int], epoch: int) -> Batch:
        return self._batch(indices, lambda films, keys: augment(films, self._draws(keys, epoch)))

    def _with_tokens(self, indices: Sequence[int]) -> Batch:
        assert self.tokens is not None
        batch = self.plain(indices)
        there = [1] * len(batch) if batch.is_film is None else batch.is_film.sum(1).tolist()
        of_studies = [self.studies.images[index] for index in batch.studies]
        films = [name for names, count in zip(of_studies, there, strict=True) for name in names[:count]]
        read = torch.from_numpy(self.tokens.tokens(films)).to(self.device)
        return replace(batch, features=by_study(read, there, self.views)[0])

    def plain(self, indices: Sequence[int]) -> Batch:
        """A batch without augmentation, for validation."""
        return self._batch(indices, lambda films, _: to_float(films))

    @property
    def num_films(self) -> int:
        """Places for films that each study has in a batch."""
        return len(KEYS) if self.views == "all" else 1

    def take_lost(self) -> list[str]:
        """The file names of images that were lost since this was last asked; each is named once."""
        new = [name for name, is_named in self._lost.items() if not is_named]
        self._lost.update(dict.fromkeys(new, True))
        return [Path(name).name for name in new]

    def _batch(self, indices: Sequence[int], as_floats: Callable[[Tensor, Sequence[str]], Tensor]) -> Batch:
        """`as_floats` makes floats of films (F, H, H) and of the key to the draws of each."""
        studies, pixels = self._read(indices)
        indices = [index for index, _ in studies]
        keys = [f"{self.studies.study_ids[index]}{key}" for index, films in studies for key in KEYS[: len(films)]]
        films = as_floats(torch.from_numpy(pixels).to(self.device), keys)
        images, is_film = by_study(films, [len(each) for _, each in studies], self.views)
        targets = np.zeros((len(indices), len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
        for target, index in zip(targets, indices, strict=True):
            target[:] = finding_targets(self.studies.labels[index])
        reports = [self.studies.tokens[index] for index in indices]
        return Batch(
            images,
            padded(reports).to(self.device),
            torch.from_numpy(targets).to(self.device),
            indices,
            [len(report) for report in reports],
            is_film,
        )

    def _read(self, indices: Sequence[int]) -> tuple[list[tuple[int, tuple[str, ...]]], Pixels]:
        """The studies whose frontal film is not lost, each with its films, and the pixels of all these films."""
        studies = [(index, self.studies.images[index]) for index in indices]
        try:
            return studies, self._pixels(studies)
        except ImageError:
            lost = {film for _, films in studies for film in films if self._is_lost(film)}
        kept = [
            (index, tuple(film for film in films if film not in lost))
            for index, films in studies
            if films[0] not in lost
        ]
        return kept, self._pixels(kept)

    def _pixels(self, studies: Sequence[tuple[int, tuple[str, ...]]]) -> Pixels:
        return self.cache.images([film for _, films in studies for film in films])

    def _is_lost(self, name: str) -> bool:
        try:
            self.cache.read(name)
        except ImageError:
            self._lost.setdefault(name, False)
            return True
        return False

    def _draws(self, keys: Sequence[str], epoch: int) -> Tensor:
        numbers = [draws(self.seed, epoch, key) for key in keys]
        return torch.from_numpy(np.array(numbers).reshape(-1, NUM_DRAWS)).to(self.device)


def by_study(films: Tensor, num_films: Sequence[int], views: str) -> tuple[Tensor, Tensor | None]:
    """Films (F, 1, H, H), or their tokens (F, N, C), study by study, as `images` and `is_film` of a Batch.

    A study has one film, or two.
    """
    if views == "frontal":
        return films[:, None], None
    is_film = torch.tensor([[True, number > 1] for number in num_films], dtype=torch.bool).view(-1, 2)
    images = films.new_zeros(is_film.numel(), *films.shape[1:])
    images[_places(is_film).to(films.device)] = films
    return images.view(*is_film.shape, *films.shape[1:]), is_film


def _places(is_film: Tensor) -> Tensor:
    """Where there are films among the flattened places of all films; on the host, so that nothing waits for a GPU."""
    return is_film.flatten().nonzero()[:, 0]


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
