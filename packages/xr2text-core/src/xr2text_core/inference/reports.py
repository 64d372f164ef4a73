"""The output of a trained model for images: reports, attention of regions, and suspected findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import to_float
from xr2text_core.data.batches import by_study
from xr2text_core.data.texts import NO_TEXTS, Texts
from xr2text_core.inference.reading import Reading, pen_of, write_as
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.model.decision import NOT_PRESENT, PRESENT
from xr2text_core.model.writing.generation import write_reports


@dataclass(frozen=True)
class WrittenReports:
    """One report per study; attention (N, R, G, G), each map sums to 1; suspected (N, R + 1, F), 0..1, the last row for
    the whole study; `reading` is None for a model that decides no findings first."""

    reports: list[str]
    attention: NDArray[np.float32]
    suspected: NDArray[np.float32]
    reading: Reading | None = None


def reports_for(
    trained: TrainedModel,
    studies: Sequence[Sequence[NDArray[Any] | None]],
    num_beams: int,
    corrections: Mapping[str, bool] | None = None,
    texts: Texts = NO_TEXTS,
) -> WrittenReports:
    """Reports of studies, each with its films, uint8 (H, H), at the places that the model has for them, None for none:
    the frontal one, a lateral one, that of the last study.
    """
    pixels = np.stack([film for films in studies for film in films if film is not None])
    placed = [[film is not None for film in films] for films in studies]
    images, is_film = by_study(
        to_float(torch.from_numpy(pixels).to(trained.device)), placed, trained.model.config.num_places
    )
    return reports_of(trained, images, is_film, num_beams, corrections, texts)


def reports_of(
    trained: TrainedModel,
    images: Tensor,
    film_mask: Tensor | None,
    num_beams: int,
    corrections: Mapping[str, bool] | None = None,
    texts: Texts = NO_TEXTS,
) -> WrittenReports:
    """Reports of studies; `images` and `film_mask` as the model takes them, and `texts` that it reads.

    `corrections`: findings that somebody knows to be there, or not to be; the reports say so.
    """
    model, read = trained.model, texts.to(trained.device).inputs
    with torch.no_grad(), trained.autocast():
        seen = model.get_encoder()(images, film_mask, **read)
        reading = Reading.of(model, seen)
        if reading is not None and corrections:
            reading = reading.corrected(corrections)
            decided = torch.from_numpy(reading.decided).to(trained.device)
            seen = model.get_encoder()(images, film_mask, torch.where(decided, PRESENT, NOT_PRESENT), **read)
        pen = pen_of(model) if trained.composer is not None else "decoder"
        reports = [""] * len(images)  # a composed report needs no draft
        if pen != "composed":
            reports = write_reports(model, trained.tokenizer, seen, trained.settings.max_tokens, num_beams)
    maps = seen.region_attention[:, : len(model.config.regions)].float().cpu().numpy()
    side = round(maps.shape[-1] ** 0.5)
    suspected = seen.finding_logits.float().sigmoid().cpu().numpy()
    if reading is not None and trained.composer is not None:
        suspected[:, -1] = reading.probabilities
        reports = write_as("edited" if corrections and pen == "decoder" else pen, reports, reading, trained.composer)
    return WrittenReports(reports, maps.reshape(*maps.shape[:2], side, side), suspected, reading)
