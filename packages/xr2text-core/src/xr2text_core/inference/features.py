"""Image features from the encoder of a trained model, for the nearest-neighbour baseline."""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.study import DatasetError
from xr2text_core.inference.trained import TrainedModel

BATCH = 64


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
