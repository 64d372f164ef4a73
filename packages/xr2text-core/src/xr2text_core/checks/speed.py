"""How fast this computer trains: a few real steps and reports of a model with random weights, on a sample."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from xr2text_core.data.augment import to_float
from xr2text_core.data.batches import Batch, by_study, finding_targets
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.data.images.tokens import AT_ONCE
from xr2text_core.data.ready import ReadyStudies, check_asked_for, make_ready
from xr2text_core.data.study import Dataset, DatasetError, Study
from xr2text_core.data.texts import Texts, padded, texts_of
from xr2text_core.inference.evaluation import EVALUATION_BATCH, evaluate_batch
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import PRIOR_TOKENS, QUESTION_TOKENS, ReportTokenizer
from xr2text_core.settings.settings import Settings
from xr2text_core.training.device import open_device
from xr2text_core.training.optimizer import allocate_state, build_optimizer
from xr2text_core.training.step import Stepper

SAMPLE_STUDIES = 4000
MOST_STEPS, ENOUGH_S = 5, 5.0  # timed steps, at most; no further one after this many seconds
SLOW_S = 1.0  # where one micro-batch takes longer on a CPU, whole steps would take minutes


@dataclass(frozen=True)
class Sample:
    """Studies that represent the whole data set, which has `num_train` and `num_val` of them."""

    train: ReadyStudies
    val: ReadyStudies
    tokenizer: ReportTokenizer
    num_train: int
    num_val: int


def draw_sample(dataset: Dataset, settings: Settings) -> Sample:
    """Evenly spread over the data set, its reports tokenized and labelled. DatasetError where a split is empty."""
    if why := dataset.why_not_trainable:
        raise DatasetError(why)
    train, val = _usable(dataset, "train", settings), _usable(dataset, "val", settings)[: settings.val_studies]
    if not train or not val:
        raise DatasetError(
            f"{len(train)} training and {len(val)} validation studies have a {settings.section} section, "
            "but a run needs at least one of each"
        )
    check_asked_for(train, settings.inputs)
    few = train[:: -(-len(train) // SAMPLE_STUDIES)]
    tokenizer = ReportTokenizer.learn([study.report.section(settings.section) for study in few])
    sizes = (settings.section, tokenizer, settings.max_tokens)
    ready = [make_ready(each, *sizes, inputs=settings.inputs) for each in (few, val)]
    return Sample(ready[0], ready[1], tokenizer, len(train), len(val))


def _usable(dataset: Dataset, split: str, settings: Settings) -> list[Study]:
    return [study for study in dataset.split(split) if study.report.section(settings.section)]


@dataclass(frozen=True)
class Speed:
    """Seconds of a training study, a validation report, decoding and encoding a film, and how they were measured."""

    study_s: float
    report_s: float
    image_s: float
    num_steps: int
    studies_in_step: int
    micro_batch: int  # smaller than requested if memory ran out
    peak_bytes: int | None  # allocated on the GPU, with reports of full length
    film_s: float = 0.0  # to encode a film; measured where that is done once


def measure_speed(
    settings: Settings, config: XR2TextConfig, sample: Sample, show: Callable[[str], None] = lambda _: None
) -> Speed:
    """Train a few steps and write a few reports; `show` gets the name of each stage. OutOfMemory when no study fits.

    Where whole steps would take minutes, single micro-batches are timed instead.
    """
    show("reading images")
    started = time.perf_counter()
    train = _first_images(sample.train, settings.effective_batch, settings.image_size)
    val = _first_images(sample.val, EVALUATION_BATCH, settings.image_size)
    image_s = (time.perf_counter() - started) / sum(
        film is not None for films in (*train.values(), *val.values()) for film in films
    )
    show("building the model")
    bench = _Bench(settings, config)
    show("warming up")
    longest = bench.batch(sample.train, train, bench.warm_up_studies(settings), settings.max_tokens)
    warm_up_s, micro_batch = bench.step_s(longest, settings.micro_batch, 0)
    peak = torch.cuda.max_memory_allocated() if bench.on_gpu else None
    show("timing steps")
    is_slow = not bench.on_gpu and warm_up_s > SLOW_S  # a GPU loads kernels during warm-up
    batch = bench.batch(sample.train, train, micro_batch if is_slow else settings.effective_batch)
    seconds = [bench.step_s(batch, micro_batch, 1)[0]]
    while len(seconds) < MOST_STEPS and sum(seconds) < ENOUGH_S:
        seconds.append(bench.step_s(batch, micro_batch, 1 + len(seconds))[0])
    show("writing reports")
    reports = bench.batch(sample.val, val, settings.micro_batch if is_slow else EVALUATION_BATCH)
    return Speed(
        study_s=sum(seconds) / len(seconds) / len(batch),
        report_s=bench.reports_s(reports, sample.tokenizer) / len(reports),
        image_s=image_s,
        num_steps=len(seconds),
        studies_in_step=len(batch),
        micro_batch=micro_batch,
        peak_bytes=peak,
        film_s=bench.film_s(reports) if settings.cache_tokens else 0.0,
    )


def longest_texts(config: XR2TextConfig, num_studies: int) -> Texts:
    """As much beside the films as the model reads at most."""
    question = torch.zeros(num_studies, QUESTION_TOKENS, dtype=torch.long) if config.indication else None
    if not config.prior:
        return Texts(question)
    report = torch.zeros(num_studies, PRIOR_TOKENS, dtype=torch.long)
    findings = torch.zeros(num_studies, len(config.findings), dtype=torch.long)
    return Texts(question, report, torch.zeros(num_studies), findings)


def _first_images(studies: ReadyStudies, most: int, size: int) -> dict[int, list[Pixels | None]]:
    """The films of the first studies whose films can be read, by index. DatasetError when none of the first can."""
    found: dict[int, list[Pixels | None]] = {}
    for index in range(min(2 * most, len(studies))):
        with suppress(ImageError):
            found[index] = [read_image(film, size) if film else None for film in studies.images[index]]
        if len(found) == most:
            break
    if not found:
        raise DatasetError(f"none of the first images of the data set can be read, such as {studies.frontal[0]}")
    return found


class _Bench:
    """A model with random weights and what its steps need."""

    def __init__(self, settings: Settings, config: XR2TextConfig) -> None:
        self.accelerator = open_device(settings)
        self.device = self.accelerator.device
        self.on_gpu = self.device.type == "cuda"
        model = XR2TextModel(config)
        self.caches_tokens = settings.cache_tokens
        model.freeze(settings.freeze_stages, settings.freeze_encoder, settings.cache_tokens)
        self.model, optimizer = self.accelerator.prepare(model, build_optimizer(model, settings, self.device))
        self.stepper = Stepper(self.accelerator, self.model, optimizer, settings.finding_weight, settings.seed)
        allocate_state(optimizer)

    def warm_up_studies(self, settings: Settings) -> int:
        """Memory peaks in the second micro-batch, when the gradients of the first exist."""
        return settings.micro_batch * min(2 if self.on_gpu else 1, settings.accumulation)

    def batch(
        self, studies: ReadyStudies, films: dict[int, list[Pixels | None]], most: int, num_tokens: int = 0
    ) -> Batch:
        """At most `most` of these studies; with `num_tokens` as large as any can be: their reports are repeated to that
        length, and the frontal film stands in every place.
        """
        indices, places = list(films)[:most], self.model.config.num_places
        if num_tokens:
            films = {index: [*each, *[None] * (places - len(each))] for index, each in films.items()}
            films = {index: [each[0] if film is None else film for film in each] for index, each in films.items()}
        tokens = [studies.tokens[index] for index in indices]
        if num_tokens:
            tokens = [(each * num_tokens)[:num_tokens] for each in tokens]
        targets = np.stack([finding_targets(studies.labels[index]) for index in indices])
        pixels = np.stack([film for index in indices for film in films[index] if film is not None])
        placed = [[film is not None for film in films[index]] for index in indices]
        seen = to_float(torch.from_numpy(pixels).to(self.device))
        images, is_film = by_study(seen, placed, places)
        labels = torch.from_numpy(targets).to(self.device)
        texts = longest_texts(self.model.config, len(indices)) if num_tokens else texts_of(studies, indices)
        reports = padded(tokens).to(self.device)
        batch = Batch(images, reports, labels, is_film=is_film, texts=texts.to(self.device))
        return replace(batch, features=self._features(batch)) if self.caches_tokens else batch

    def _features(self, batch: Batch) -> torch.Tensor:
        """In place of tokens from the disk."""
        size = batch.images.shape[-1]
        with torch.no_grad(), self.accelerator.autocast():
            shape = self.model.encoder.images(batch.images.new_zeros(1, 1, size, size)).shape[1:]
        return batch.images.new_zeros(*batch.images.shape[:2], *shape, dtype=torch.half)

    def step_s(self, batch: Batch, micro_batch: int, step: int) -> tuple[float, int]:
        """Seconds of one step, and the micro-batch that fitted."""
        self.model.train()
        started = self._now()
        result = self.stepper.take_step(batch, micro_batch, step)
        return self._now() - started, result.micro_batch

    def reports_s(self, batch: Batch, tokenizer: ReportTokenizer) -> float:
        """Seconds of a batch in evaluate: the loss, and reports as long as the longest reference."""
        self.model.eval()
        batch = replace(batch, features=None)  # validation asks the encoder
        started = self._now()
        with self.accelerator.autocast():
            evaluate_batch(self.model, tokenizer, batch, batch.tokens.shape[1], num_beams=1)
        return self._now() - started

    def film_s(self, batch: Batch) -> float:
        """Seconds that the encoder takes for a film."""
        films = batch.films()
        started = self._now()
        with torch.no_grad(), self.accelerator.autocast():
            for start in range(0, len(films), AT_ONCE):
                self.model.encoder.images(films[start : start + AT_ONCE])
        return (self._now() - started) / len(films)

    def _now(self) -> float:
        if self.on_gpu:
            torch.cuda.synchronize()  # wait for the GPU
        return time.perf_counter()
