"""From the name of a data set to studies that can be trained on: read, decoded once, tokenized, labelled."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xr2text_core.data.checked_file import load_checked, save_checked
from xr2text_core.data.images.cache import ImageCache, build_cache
from xr2text_core.data.read_reports import reading_code, reports_key
from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.ready import ReadyStudies, check_asked_for, make_ready, usable
from xr2text_core.data.study import Dataset, DatasetError, film_names
from xr2text_core.machine.garbage import paused_garbage_collection
from xr2text_core.model.build import load_tokenizer
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.settings.fingerprint import fingerprint
from xr2text_core.settings.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """The training and validation studies of a run, their image cache and the tokenizer."""

    dataset: Dataset
    train: ReadyStudies
    val: ReadyStudies
    cache: ImageCache
    tokenizer: ReportTokenizer
    fingerprint: str  # of all studies that the data set has for this run, readable or not


def prepare_data(
    settings: Settings, tokenizer: ReportTokenizer | None, is_alive: Callable[[], None] = lambda: None
) -> PreparedData:
    """Raises DatasetError when nothing usable is found. `tokenizer` is that of a resumed run, if it is one.

    `is_alive` is called regularly: decoding a large data set takes an hour.
    """
    with paused_garbage_collection():
        return _prepared(settings, tokenizer, is_alive)


def _prepared(settings: Settings, tokenizer: ReportTokenizer | None, is_alive: Callable[[], None]) -> PreparedData:
    dataset = read_dataset(settings.data, settings.root, settings.num_studies, settings.phantom_seed, settings.desk)
    for line in dataset.warnings:  # before an hour of decoding
        log.warning("%s: %s", settings.data, line)
    if why := dataset.why_not_trainable:
        raise DatasetError(f"--root {settings.root}: {why}")
    train, val = dataset.split("train"), dataset.split("val")[: settings.val_studies]
    of_all = fingerprint_of(dataset, settings.val_studies)
    folder, section = settings.cache_folder, settings.section
    names = film_names(train + val, settings.views, settings.prior)
    cache = build_cache(folder, names, settings.image_size, settings.workers, is_alive)
    for study in train + val:
        if not study.report.section(section):
            dataset.left_out.add(f"the report has no {section} section", study.study_id)
    for name, reason in cache.unreadable.items():
        dataset.left_out.add(f"image cannot be read ({reason})", Path(name).name)
    for line in [*dataset.notes, *dataset.left_out.lines()]:
        log.info("%s: %s", settings.data, line)
    train, val = usable(train, cache, section), usable(val, cache, section)
    if not train or not val:
        raise DatasetError(
            f"--root {settings.root}: {len(train)} training and {len(val)} validation studies are usable, but a run "
            "needs at least one of each; the lines above tell what was left out and why"
        )
    check_asked_for(train, settings.inputs)
    if tokenizer is None:
        reports = [study.report.section(section) for study in train]
        questions = [study.indication for study in train if study.indication] if settings.indication else []
        tokenizer = _tokenizer(settings, [*reports, *questions])
    sizes = (section, tokenizer, settings.max_tokens)
    ready = make_ready(train, *sizes, folder, settings.inputs, cache.unreadable)
    if num_cut := int((ready.tokens.last != tokenizer.eos_id).sum()):
        log.info(
            "%d of %d training reports exceed --max-tokens %d and are truncated; scores use whole reports.",
            num_cut, len(ready), settings.max_tokens,
        )  # fmt: skip
    val_ready = make_ready(val, *sizes, None, settings.inputs, cache.unreadable)
    if settings.views == "all":
        for split, each in (("training", ready), ("validation", val_ready)):
            num_lateral = sum(any(films[1:2]) for films in each.images)
            log.info("%d of %d %s studies have a lateral film beside the frontal one.", num_lateral, len(each), split)
    if ready.questions is not None:
        log.info("%d of %d training studies have an indication.", int((ready.questions.lengths > 0).sum()), len(ready))
    if ready.priors is not None:
        log.info("%d of %d training studies have an earlier one.", int(ready.priors.is_there.sum()), len(ready))
    return PreparedData(dataset, ready, val_ready, cache, tokenizer, of_all)


def fingerprint_of(dataset: Dataset, val_studies: int) -> str:
    """Of the studies that a run on this data set uses, whatever of them can be read."""
    return fingerprint(study.study_id for study in dataset.split("train") + dataset.split("val")[:val_studies])


def _tokenizer(settings: Settings, reports: list[str]) -> ReportTokenizer:
    """The pretrained decoder's; else one trained on the reports and questions, now or at an earlier start."""
    if settings.is_decoder_pretrained:
        return load_tokenizer(settings.decoder, True, reports)
    path = settings.cache_folder / f"tokenizer-{reports_key(reports, reading_code())}.bin"
    if (learned := load_checked(path)) is not None:
        return ReportTokenizer.from_json(learned.decode())
    tokenizer = load_tokenizer(settings.decoder, False, reports)
    save_checked(path, tokenizer.to_json().encode())
    return tokenizer
