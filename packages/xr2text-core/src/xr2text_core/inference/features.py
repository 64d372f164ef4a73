"""Image features from the encoder of a trained model, for the nearest-neighbour baseline."""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from xr2text_core.data.batches import BatchMaker
from xr2text_core.data.images.cache import build_cache
from xr2text_core.data.ready import make_ready, usable
from xr2text_core.data.study import Dataset, DatasetError
from xr2text_core.inference.trained import TrainedModel

BATCH = 64


@torch.inference_mode()
def mean_features(trained: TrainedModel, batches: BatchMaker) -> NDArray[np.float32]:
    """The mean of the encoder's visual tokens of every study, (N, C)."""
    rows = []
    everything = range(len(batches.studies))
    for start in tqdm(everything[::BATCH], "Encoding images", unit="batch", disable=None, leave=False):
        indices = everything[start : start + BATCH]
        batch = batches.plain(indices)
        if lost := batches.take_lost():
            raise DatasetError(f"{', '.join(lost)}: can no longer be read; the same command again skips it")
        tokens = trained.model.encoder.images(batch.images)  # (B, N, C)
        rows.append(tokens.mean(1).float().cpu().numpy())
    return np.concatenate(rows)


def training_batches(trained: TrainedModel, dataset: Dataset, most: int) -> BatchMaker:
    """At most `most` training studies, evenly spread, from the image cache that training filled.

    Raises DatasetError when none of their images can be read.
    """
    settings = trained.settings
    train, val = dataset.split("train"), dataset.split("val")[: settings.val_studies]
    names = [study.frontal for study in train + val]
    cache = build_cache(settings.cache_folder, names, settings.image_size, settings.workers)
    good = usable(train, cache, settings.section)
    if not good:
        raise DatasetError("no training image can be read; --neighbours 0 skips the baseline that needs them")
    kept = good[:: -(-len(good) // most)]
    ready = make_ready(kept, settings.section, trained.tokenizer, settings.max_tokens)
    return BatchMaker(ready, cache, trained.device, settings.seed)
