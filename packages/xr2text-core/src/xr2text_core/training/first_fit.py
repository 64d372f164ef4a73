"""What is computed from the training studies once, before the first step of a run: all that needs no gradients."""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from xr2text_core.data.augment import to_float
from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.images.formats import Pixels
from xr2text_core.data.images.tokens import AT_ONCE as FILMS_AT_ONCE
from xr2text_core.data.images.tokens import TokenCache, Tokens
from xr2text_core.inference.reading import present
from xr2text_core.machine.memory import ADVICE, OutOfMemory, if_it_fits
from xr2text_core.model.encoder import ImageEncoder
from xr2text_core.model.film_head import telling_words
from xr2text_core.model.study_head import StudyHead
from xr2text_core.model.thumbnails import SIDE
from xr2text_core.model.xr2text import XR2TextModel

log = logging.getLogger("xr2text_core.train")
MOST_STUDIES = 20_000  # whose thumbnails are fitted: bounds the memory to a GiB
AT_ONCE = 64
MEASURED, MEASURED_AT_ONCE = 640, 64  # studies that the statistics of batch normalisation are those of
MEASURED_PIXELS = 64 * 144**2  # of one view at once, at most: large images need the memory of small ones


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of the first `count` numbers, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def fit_before_training(model: XR2TextModel, batches: BatchMaker, bank: Sequence[int]) -> None:
    """Statistics of batch normalisation, how common findings are, the words, and what thumbnails tell.

    `bank`: the studies whose reports are in the bank, as indices of the training studies.
    """
    if not model.encoder.images.is_frozen:
        model.encoder.images.measure_statistics(_measured(batches, model.config.image_size))
    study = model.encoder.study
    assert study is not None  # every new model has one
    truth = present(batches.studies)
    words = telling_words(batches.studies.tokens, model.config.vocab_size)
    study.films.begin_with(torch.from_numpy(truth.mean(0)).float(), words)
    fit_thumbnails(study, batches, bank)


def fit_thumbnails(study: StudyHead, batches: BatchMaker, bank: Sequence[int]) -> None:
    """The part that depends on the training studies alone, and not on any weight."""
    truth = present(batches.studies)
    study.decision.prevalence.copy_(torch.from_numpy(truth.mean(0)))
    studies = np.union1d(spread(len(truth), MOST_STUDIES), np.asarray(bank))
    films, is_film = _thumbnails(batches, studies.tolist())
    study.thumbnails.fit(films, is_film, truth[studies].astype(np.float64), np.searchsorted(studies, bank))


def _measured(batches: BatchMaker, image_size: int) -> Iterator[Tensor]:
    """Films of studies from all over the data set, in batches that no setting changes."""
    studies = spread(len(batches.studies), MEASURED).tolist()
    at_once = min(MEASURED_AT_ONCE, max(1, MEASURED_PIXELS // image_size**2))
    num_batches = -(-len(studies) // at_once)
    for first in range(num_batches):
        if len(films := batches.plain(studies[first::num_batches]).films()):  # none where all of them were lost
            yield films


def _thumbnails(batches: BatchMaker, studies: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Thumbnails (N, V, 24 * 24) of studies, and which films there are, (N, V)."""
    row_of = {study: row for row, study in enumerate(studies)}
    num_films = batches.num_films
    films, is_film = np.zeros((len(studies), num_films, SIDE**2)), np.zeros((len(studies), num_films), dtype=bool)
    for start in tqdm(range(0, len(studies), AT_ONCE), "Fitting thumbnails", unit="batch", disable=None, leave=False):
        batch = batches.plain(studies[start : start + AT_ONCE])
        if len(batch):
            rows = [row_of[study] for study in batch.studies]
            small = functional.adaptive_avg_pool2d(batch.images[:, :num_films].flatten(0, 1), SIDE)
            films[rows] = small.view(len(batch), num_films, -1).double().cpu().numpy()
            is_film[rows] = True if batch.is_film is None else batch.is_film[:, :num_films].numpy()
    return films, is_film


def encode_films(
    model: XR2TextModel, accelerator: Accelerator, batches: BatchMaker, is_alive: Callable[[], None]
) -> TokenCache:
    """What the frozen encoder sees in all films of these studies: from the disk; those that lack are encoded.

    DatasetError where there is no room for them.
    """
    encoder, size = model.encoder.images, model.config.image_size

    def encode(pixels: Pixels) -> Tokens:
        films = to_float(torch.from_numpy(pixels).to(accelerator.device))
        # always as many: rounding may depend on their number
        same = functional.pad(films, (0, 0, 0, 0, 0, 0, 0, FILMS_AT_ONCE - len(films)))
        with torch.no_grad(), accelerator.autocast():
            found: Tokens = _encoded(encoder, same)[: len(films)].cpu().numpy()
        return found

    with torch.no_grad(), accelerator.autocast():
        num_tokens, width = encoder(torch.zeros(1, 1, size, size, device=accelerator.device)).shape[1:]
    key = encoder.fingerprint(f"{size} {accelerator.mixed_precision}")
    cache = TokenCache(batches.cache, (num_tokens, width), key, encode)
    cache.fill((film for films in batches.studies.images for film in films), is_alive)
    log.info("The frozen encoder's tokens are read from %s: training augments nothing.", cache.path)
    return cache


def _encoded(encoder: ImageEncoder, films: Tensor) -> Tensor:
    """Tokens in FP16; half of the films at a time where all do not fit into memory."""
    found: Tensor | None = if_it_fits(lambda: encoder(films).half())
    if found is not None:
        return found
    if len(films) == 1:
        raise OutOfMemory(f"out of memory with one film: {ADVICE}")
    torch.cuda.empty_cache()
    return torch.cat([_encoded(encoder, part) for part in films.chunk(2)])
