"""The batch of one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import augment, to_float
from xr2text_core.data.images.cache import ImageCache
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.data.images.tokens import TokenCache
from xr2text_core.data.randomness import NUM_DRAWS, desk_draws, draws, state_draws
from xr2text_core.data.ready import ReadyStudies
from xr2text_core.data.texts import NO_TEXTS, NOTHING, Hidden, Texts, padded, texts_of
from xr2text_core.report.labeler import ReportLabels
from xr2text_core.report.tokenizer import IGNORED
from xr2text_core.report.vocabulary import FINDINGS, REGIONS

LATERAL, PRIOR = "/lateral", "/prior"  # added to the id of a study for the draws of its further films
HIDDEN = 0.25  # share of questions, and of last studies, that a model does not see in an epoch: absence is normal
UNCERTAIN = 0.5  # target of a finding that is uncertain in the report


@dataclass(frozen=True)
class Batch:
    """The studies of one step or pass: images float (B, V, 1, H, H) 0..1, tokens (B, T), finding labels (B, R + 1, F).

    V is 1, the frontal film, or more: a place for a lateral one, and for that of the last study. `is_film` (B, V) then
    tells, on the host, which are there. What stands in the place of a missing film is not read.
    Lengths are those of the reports, known on the host: asking a GPU for them would wait for all its pending work.
    """

    images: Tensor
    tokens: Tensor
    finding_labels: Tensor
    studies: Sequence[int] = ()  # their indices in the ready studies: the requested ones without lost images
    lengths: Sequence[int] = ()  # counted where they are not given
    is_film: Tensor | None = None  # None: all are there
    state_draws: Tensor | None = None  # (B, 2, F) in 0..1: how wrong the decoder is told; None: it is told the truth
    texts: Texts = NO_TEXTS
    features: Tensor | None = None  # (B, V, N, C) FP16: what a frozen encoder sees in the images, where it is cached
    change_labels: Tensor | None = None  # (B, F) as `ReadyPriors.changes`, IGNORED where no last film is shown

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
            labels, studies, texts = self.finding_labels[part], self.studies[part], self.texts.part(part)
            features = None if self.features is None else self.features[part]
            changes = None if self.change_labels is None else self.change_labels[part]
            yield Batch(self.images[part], tokens, labels, studies, lengths, is_film, drawn, texts, features, changes)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a model sees, as its keyword arguments."""
        films = {"pixel_values": self.images, "film_mask": self.is_film, "features": self.features}
        return {**films, **self.texts.inputs}

    def films(self) -> Tensor:
        """The films that are there, (F, 1, H, H)."""
        films = self.images.flatten(0, 1)
        return films if self.is_film is None else films[_places(self.is_film).to(films.device)]


@dataclass(frozen=True)
class BatchMaker:
    """Builds batches from ready studies; the augmentation of a study follows from (seed, epoch, study) alone.

    An image is lost when its cached pixels are damaged and its file can no longer be read either. A batch skips
    that study, so it may be shorter or even empty, and `take_lost` names the image once. It is not replaced.
    Any other film that is lost is missing.
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
        hidden = self._hidden(indices, epoch)
        lengths = np.array([len(self._report(index, hidden)) for index in indices], dtype=np.int64)
        indices = [indices[place] for place in np.argsort(-lengths, kind="stable")]
        if self.tokens is None:
            batch = self._batch(indices, lambda films, keys: augment(films, self._draws(keys, epoch)), hidden)
        else:
            batch = self._with_tokens(self._batch(indices, lambda films, _: to_float(films), hidden), self.tokens)
        size = (len(batch), 2, len(FINDINGS))
        drawn = [
            state_draws(self.seed, epoch, self.studies.study_ids[index], size[1] * size[2]) for index in batch.studies
        ]
        return replace(batch, state_draws=torch.from_numpy(np.array(drawn, np.float32).reshape(size)).to(self.device))

    def _with_tokens(self, batch: Batch, cache: TokenCache) -> Batch:
        placed = [[True]] * len(batch) if batch.is_film is None else batch.is_film.tolist()
        of_studies = [self.studies.images[index] for index in batch.studies]
        films = [film for films, there in zip(of_studies, placed, strict=True) for film in compress(films, there)]
        read = torch.from_numpy(cache.tokens(films)).to(self.device)
        return replace(batch, features=by_study(read, placed, len(self.keys))[0])

    def plain(self, indices: Sequence[int]) -> Batch:
        """A batch without augmentation, for validation."""
        return self._batch(indices, lambda films, _: to_float(films))

    @property
    def num_films(self) -> int:
        """Places for the films of a study itself."""
        return 2 if self.views == "all" else 1

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all places in a batch: each film is augmented by itself."""
        beside = (LATERAL,) if self.views == "all" else ()
        return ("", *beside, *(() if self.studies.priors is None else (PRIOR,)))

    def take_lost(self) -> list[str]:
        """The file names of images that were lost since this was last asked; each is named once."""
        new = [name for name, is_named in self._lost.items() if not is_named]
        self._lost.update(dict.fromkeys(new, True))
        return [Path(name).name for name in new]

    def _batch(
        self,
        indices: Sequence[int],
        as_floats: Callable[[Tensor, Sequence[str]], Tensor],
        hidden: Hidden | None = None,
    ) -> Batch:
        """`as_floats` makes floats of films (F, H, H) and of the key to the draws of each. `hidden`: in training,
        where a report compares with a last study only if that is seen; None shows all.
        """
        studies, pixels = self._read(indices, hidden or NOTHING)
        indices = [index for index, _ in studies]
        keys = [
            f"{self.studies.study_ids[index]}{key}"
            for index, films in studies
            for film, key in zip(films, self.keys, strict=False)
            if film
        ]
        films = as_floats(torch.from_numpy(pixels).to(self.device), keys)
        images, is_film = by_study(films, [list(map(bool, each)) for _, each in studies], len(self.keys))
        targets = np.zeros((len(indices), len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
        for target, index in zip(targets, indices, strict=True):
            target[:] = finding_targets(self.studies.labels[index])
        reports = [self._report(index, hidden) for index in indices]
        return Batch(
            images,
            padded(reports).to(self.device),
            torch.from_numpy(targets).to(self.device),
            indices,
            [len(report) for report in reports],
            is_film,
            texts=texts_of(self.studies, indices, hidden or NOTHING).to(self.device),
            change_labels=self._changes(indices, is_film),
        )

    def _changes(self, indices: Sequence[int], is_film: Tensor | None) -> Tensor | None:
        if self.studies.priors is None or is_film is None:
            return None
        labels = torch.from_numpy(self.studies.priors.changes[list(indices)]).long()
        return labels.masked_fill(~is_film[:, -1:], IGNORED).to(self.device)

    def _hidden(self, indices: Sequence[int], epoch: int) -> Hidden:
        drawn = {index: desk_draws(self.seed, epoch, self.studies.study_ids[index]) for index in indices}
        return Hidden(*({index for index, each in drawn.items() if each[which] < HIDDEN} for which in (0, 1)))

    def _report(self, index: int, hidden: Hidden | None) -> list[int]:
        priors = self.studies.priors
        if hidden is None or priors is None or (priors.is_there[index] and index not in hidden.priors):
            return self.studies.tokens[index]
        return priors.alone_tokens[index]

    def _films(self, index: int, hidden: Hidden) -> tuple[str, ...]:
        films = self.studies.images[index]
        return films[: self.num_films] if index in hidden.priors else films

    def _read(self, indices: Sequence[int], hidden: Hidden) -> tuple[list[tuple[int, tuple[str, ...]]], Pixels]:
        """The studies whose frontal film is not lost, each with its films, and the pixels of all these films."""
        studies = [(index, self._films(index, hidden)) for index in indices]
        try:
            return studies, self._pixels(studies)
        except ImageError:
            lost = {film for _, films in studies for film in films if film and self._is_lost(film)}
        kept = [
            (index, tuple("" if film in lost else film for film in films))
            for index, films in studies
            if films[0] not in lost
        ]
        return kept, self._pixels(kept)

    def _pixels(self, studies: Sequence[tuple[int, tuple[str, ...]]]) -> Pixels:
        return self.cache.images([film for _, films in studies for film in films if film])

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


def by_study(films: Tensor, placed: Sequence[Sequence[bool]], num_places: int) -> tuple[Tensor, Tensor | None]:
    """Films (F, 1, H, H), or their tokens (F, N, C), study by study, as `images` and `is_film` of a Batch.

    `placed`: at which of the first places each study has one.
    """
    if num_places == 1:
        return films[:, None], None
    rows = [[*each, *[False] * (num_places - len(each))] for each in placed]
    is_film = torch.tensor(rows, dtype=torch.bool).view(-1, num_places)
    images = films.new_zeros(is_film.numel(), *films.shape[1:])
    images[_places(is_film).to(films.device)] = films
    return images.view(*is_film.shape, *films.shape[1:]), is_film


def _places(is_film: Tensor) -> Tensor:
    """Where there are films among the flattened places of all films; on the host, so that nothing waits for a GPU."""
    return is_film.flatten().nonzero()[:, 0]


def finding_targets(labels: ReportLabels) -> NDArray[np.float32]:
    """The targets of the finding head, (R + 1, F) in 0..1: per region, and in the last row for the whole image."""
    targets = np.zeros((len(REGIONS) + 1, len(FINDINGS)), dtype=np.float32)
    for mention in labels.mentions:
        value = {"present": 1.0, "uncertain": UNCERTAIN, "absent": 0.0}[mention.status]
        column = FINDINGS.index(mention.finding)
        for row in [*(REGIONS.index(region) for region in mention.regions), len(REGIONS)]:
            targets[row, column] = max(targets[row, column], value)
    return targets
