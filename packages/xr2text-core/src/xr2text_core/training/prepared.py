"""From the name of a data set to studies that can be trained on: read, decoded once, tokenized, labelled."""

import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xr2text_core.data.batches import ReadyStudies, make_ready
from xr2text_core.data.cache import ImageCache, build_cache
from xr2text_core.data.sources import read_dataset
from xr2text_core.data.study import Dataset, DatasetError, Study
from xr2text_core.model.build import load_tokenizer
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.training.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """The training and validation studies of a run, their image cache and the tokenizer."""

    dataset: Dataset
    train: ReadyStudies
    val: ReadyStudies
    cache: ImageCache
    tokenizer: ReportTokenizer

    @cached_property
    def fingerprint(self) -> str:
        """The same for the same studies in any order: a run resumes only on what it was trained on."""
        study_ids = sorted([*self.train.study_ids, *self.val.study_ids])
        return hashlib.sha256("\n".join(study_ids).encode()).hexdigest()


def prepare_data(settings: Settings, tokenizer: ReportTokenizer | None) -> PreparedData:
    """Raises DatasetError when nothing usable is found. `tokenizer` is that of a resumed run, if it is one."""
    dataset = read_dataset(settings.data, settings.root, settings.num_studies, settings.seed)
    train, val = dataset.split("train"), dataset.split("val")[: settings.val_studies]
    cache = build_cache(
        cache_folder(settings), [study.images[0] for study in train + val], settings.image_size, settings.workers
    )
    for study in train + val:
        if not study.report.section(settings.section):
            dataset.left_out.add(f"the report has no {settings.section} section", study.study_id)
    for name, reason in cache.unreadable.items():
        dataset.left_out.add(f"image cannot be read ({reason})", Path(name).name)
    for line in [*dataset.notes, *dataset.left_out.lines()]:
        log.info("%s: %s", settings.data, line)
    train, val = usable(train, cache, settings.section), usable(val, cache, settings.section)
    if not train or not val:
        raise DatasetError(
            f"--root {settings.root}: {len(train)} training and {len(val)} validation studies are usable, but a run "
            "needs at least one of each; see the lines above for what was left out and why"
        )
    if tokenizer is None:
        reports = [study.report.section(settings.section) for study in train]
        tokenizer = load_tokenizer(settings.decoder, settings.pretrained == "yes", reports)
    ready = make_ready(train, settings.section, tokenizer, settings.max_tokens)
    if num_cut := sum(len(tokens) == settings.max_tokens for tokens in ready.tokens):
        log.info(
            "%d of %d training reports fill --max-tokens %d and are learned only so far; scores use whole reports.",
            num_cut, len(ready), settings.max_tokens,
        )  # fmt: skip
    val_ready = make_ready(val, settings.section, tokenizer, settings.max_tokens)
    return PreparedData(dataset, ready, val_ready, cache, tokenizer)


def usable(studies: list[Study], cache: ImageCache, section: str) -> list[Study]:
    """The studies whose first image could be read and whose report says something in this section."""
    return [study for study in studies if study.images[0] not in cache.unreadable and study.report.section(section)]


def cache_folder(settings: Settings) -> Path:
    """Decoded images lie below the output folder, shared by all its runs."""
    return Path(settings.out) / "data" / "cache"
