"""The output of a trained model for images: reports, attention of regions, and suspected findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xr2text_core.data.augment import to_float
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.model.generation import write_reports


@dataclass(frozen=True)
class WrittenReports:
    """One report per study; attention (N, R, G, G), each map sums to 1; suspected (N, R + 1, F), 0..1, the last row for
    the whole image."""

    reports: list[str]
    attention: NDArray[np.float32]
    suspected: NDArray[np.float32]


def reports_for(trained: TrainedModel, images: Sequence[NDArray[Any]], num_beams: int) -> WrittenReports:
    """Reports of uint8 images, each (H, H) and the only film of its study."""
    return reports_of(trained, to_float(torch.from_numpy(np.stack(images)).to(trained.device)), None, num_beams)


def reports_of(trained: TrainedModel, images: Tensor, is_film: Tensor | None, num_beams: int) -> WrittenReports:
    """Reports of studies; `images` and `is_film` as the model takes them."""
    with torch.no_grad(), trained.autocast():
        seen = trained.model.get_encoder()(images, is_film)
        reports = write_reports(trained.model, trained.tokenizer, seen, trained.settings.max_tokens, num_beams)
    maps = seen.region_attention[:, : len(trained.model.config.regions)].float().cpu().numpy()
    side = round(maps.shape[-1] ** 0.5)
    suspected = seen.finding_logits.float().sigmoid().cpu().numpy()
    return WrittenReports(reports, maps.reshape(*maps.shape[:2], side, side), suspected)
