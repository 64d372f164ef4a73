"""The cases that run on the null GPU, each in a process of its own: `python child.py CASE [FLAGS OF TRAIN]`.

The last line it prints is JSON.
"""

import json
import logging
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import stand_ins
import torch

from xr2text_core.checks.estimates import BART_VOCABULARY, estimate_memory, planned_config, tokens_of_film
from xr2text_core.checks.speed import longest_texts
from xr2text_core.data.augment import augment
from xr2text_core.data.batches import Batch, by_study
from xr2text_core.data.randomness import NUM_DRAWS
from xr2text_core.inference.evaluation import EVALUATION_BATCH, eval_mode, write_all
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.run.checkpoint import Checkpoint
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.settings import Settings
from xr2text_core.training.checkpoints import CheckpointWriter
from xr2text_core.training.device import open_device
from xr2text_core.training.optimizer import allocate_state, build_optimizer
from xr2text_core.training.step import Stepper
from xr2text_core.training.trainer import Trainer

GIB = 2**30


class Bench:
    """A model with the sizes of the pretrained one, in training on the null GPU."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.accelerator = open_device(settings)
        self.config = planned_config(settings, BART_VOCABULARY)
        with torch.device("meta"):
            model = XR2TextModel(self.config)
        model.to_empty(device="cuda").tie_weights()
        model.encoder.images.backbone.to(memory_format=torch.channels_last)
        model.freeze(settings.freeze_stages, settings.freeze_encoder, settings.cache_tokens)
        self.optimizer = self.accelerator.prepare(build_optimizer(model, settings, self.accelerator.device))
        self.model = self.accelerator.prepare_model(model, evaluation_mode=True).train()
        allocate_state(self.optimizer)
        self.stepper = Stepper(self.accelerator, self.model, self.optimizer, 1.0, 0)

    def batch(self, lengths: Sequence[int]) -> Batch:
        """Studies whose reports have these lengths."""
        num, size, places = len(lengths), self.settings.image_size, self.config.num_places
        pixels = torch.zeros(num * places, size, size, dtype=torch.uint8, device="cuda")
        films = augment(pixels, torch.zeros(len(pixels), NUM_DRAWS, dtype=torch.float64, device="cuda"))
        images, is_film = by_study(films, [[True] * places] * num, places)
        del films
        tokens = torch.zeros(num, max(lengths), dtype=torch.long, device="cuda")
        targets = images.new_zeros(num, len(REGIONS) + 1, len(FINDINGS))
        states = images.new_zeros(num, 2, len(FINDINGS))
        features = None
        if self.settings.cache_tokens:
            shape = tokens_of_film(self.config, self.settings)
            features = images.new_zeros(*images.shape[:2], *shape, dtype=torch.half)
        texts = longest_texts(self.config, num).to(images.device)
        return Batch(images, tokens, targets, range(num), lengths, is_film, states, texts, features)

    def step(self, lengths: Sequence[int]) -> dict[str, Any]:
        """One step, and what it took."""
        batch = self.batch(lengths)
        torch.cuda.reset_peak_memory_stats()
        before = {name: stand_ins.count(name) for name in ("launches", "synchronisations")}
        result = self.stepper.take_step(batch, self.settings.micro_batch, 0)
        is_lax = torch.is_deterministic_algorithms_warn_only_enabled()
        return {
            "is_strict": torch.are_deterministic_algorithms_enabled() and not is_lax,
            **{name: stand_ins.count(name) - number for name, number in before.items()},
            "micro_batch": result.micro_batch,
            "oom_retries": result.oom_retries,
            "allocated": torch.cuda.max_memory_allocated() / GIB,
            "reserved": torch.cuda.max_memory_reserved() / GIB,
        }


def full_step(settings: Settings) -> dict[str, Any]:
    """A step whose reports all have the full length, and the estimate of preflight."""
    bench = Bench(settings)
    estimate = estimate_memory(bench.config, settings)
    found = bench.step([settings.max_tokens] * settings.effective_batch)
    return found | {"estimate": estimate.total / GIB, "allowance": estimate.allowance / GIB}


def short_step(settings: Settings) -> dict[str, Any]:
    """A step whose last micro-batch is a single study, and the report of one study."""
    bench, tokenizer = Bench(settings), ReportTokenizer.learn(["clear"])
    found = bench.step([60] * (settings.effective_batch - settings.micro_batch + 1))
    studies: Any = SimpleNamespace(plain=lambda indices: bench.batch([60] * len(indices)))
    with eval_mode(bench.model), bench.accelerator.autocast():
        written = write_all(bench.model, tokenizer, studies, [[0]], settings.max_tokens, 3, False, lambda: False)
    return found | {"reports": len(written.reports) if written else 0}


def epochs(settings: Settings, num_epochs: int = 2, num_steps: int = 6, num_batches: int = 3) -> dict[str, Any]:
    """The memory that is reserved in training and in validation, with reports as long as real ones."""
    bench, lots = Bench(settings), np.random.default_rng(0)
    tokenizer = ReportTokenizer.learn(["clear"])

    def lengths(num: int) -> list[int]:
        drawn = lots.lognormal(np.log(62), 0.45, num).astype(int).clip(8, settings.max_tokens)
        return sorted(drawn.tolist(), reverse=True)

    studies: Any = SimpleNamespace(plain=lambda indices: bench.batch(lengths(len(indices))))
    groups = [range(EVALUATION_BATCH)] * num_batches
    found: dict[str, Any] = {"training": [], "validation": []}
    for _ in range(num_epochs):
        found["training"].append(
            max(bench.step(lengths(settings.effective_batch))["reserved"] for _ in range(num_steps))
        )
        torch.cuda.reset_peak_memory_stats()
        with eval_mode(bench.model), bench.accelerator.autocast():
            write_all(bench.model, tokenizer, studies, groups, settings.max_tokens, 1, False, lambda: False)
        found["validation"].append(torch.cuda.max_memory_reserved() / GIB)
        torch.cuda.empty_cache()  # as the trainer does after every epoch
    return found | {"alloc_retries": torch.cuda.memory_stats()["num_alloc_retries"]}


def checkpoint(settings: Settings) -> dict[str, Any]:
    """The host memory that the copy of a checkpoint takes."""
    bench = Bench(settings)
    before = stand_ins.count("pinned_bytes"), stand_ins.count("unpinned_copies")
    state = Checkpoint({}, "", "{}", "", {}, bench.model.state_dict(), bench.optimizer.state_dict())
    tensors = [
        *state.model.values(),
        *(each for moments in state.optimizer["state"].values() for each in moments.values()),
    ]
    sizes = {tensor.data_ptr(): tensor.nbytes for tensor in tensors}
    CheckpointWriter().reserve(state)
    return {
        "contents": sum(sizes.values()) / GIB,
        "pinned": (stand_ins.count("pinned_bytes") - before[0]) / GIB,
        "unpinned_copies": stand_ins.count("unpinned_copies") - before[1],
    }


def train(settings: Settings) -> dict[str, Any]:
    """The trainer itself, from its start to its end; and its scores once more, as a notebook asks for them."""
    dtypes = set()
    trainer = Trainer(settings)
    trainer.model.lm_head.register_forward_hook(lambda _, inputs, logits: dtypes.add(str(logits.dtype)))
    code = trainer.fit()
    dtypes.clear()
    trainer.evaluate()
    return {
        "code": code,
        "epoch": trainer.progress.epoch,
        "resumed": bool(trainer.resumed_from),
        "dtypes": list(dtypes),
    }


CASES = {"full_step": full_step, "short_step": short_step, "epochs": epochs, "checkpoint": checkpoint, "train": train}

if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    print(json.dumps(CASES[sys.argv[1]](settings_of(parse_arguments(sys.argv[2:])))))
