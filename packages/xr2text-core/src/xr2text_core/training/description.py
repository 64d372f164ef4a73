"""Descriptions of a run: run.json, its first log lines, and the history row of an epoch."""

import logging
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from typing import Any

from xr2text_core import __version__
from xr2text_core.data.study import SPLITS
from xr2text_core.metrics.protocols import describe, reference_lengths
from xr2text_core.metrics.scores import Scores
from xr2text_core.report.labeler import LABELER_VERSION
from xr2text_core.run.history import HEADER, EpochRow
from xr2text_core.run.status import FORMAT, now
from xr2text_core.settings.settings import Settings
from xr2text_core.training.device import device_name
from xr2text_core.training.parts import Parts
from xr2text_core.training.prepared import PreparedData
from xr2text_core.training.progress import Progress

log = logging.getLogger("xr2text_core.train")


def describe_run(settings: Settings, parts: Parts, protocol: str) -> dict[str, Any]:
    """The contents of run.json (docs/run-files.md)."""
    data = parts.data
    return {
        "format": FORMAT,
        "version": __version__,
        "command": sys.argv,
        "settings": asdict(settings),
        "data": {
            "name": data.dataset.name,
            "root": data.dataset.root,
            "splits": split_sizes(data),
            "classes": parts.plan.class_sizes(),
            "left_out": dict(data.dataset.left_out.counts),
            "notes": [*data.dataset.warnings, *data.dataset.notes],
        },
        "labeler": LABELER_VERSION,
        "protocol": {
            "text": protocol,
            "section": settings.section,
            "decoding": "greedy",
            "reference_tokens": asdict(reference_lengths(data.val.references, protocol)),
        },
        "versions": versions(),
        "device": device_name(parts.accelerator.device),
        "num_parameters": parts.num_parameters,
        "started_at": now(),
    }


def announce(settings: Settings, parts: Parts, batches: str, protocol: str) -> None:
    """Log what will be trained; `batches` says how an update is made up, like `4 x 8`."""
    if settings.data == "phantom":
        log.info("Training on the built-in phantom set (synthetic X-rays); --data and --root train on real images.")
    classes = parts.plan.class_sizes()
    log.info("Studies: %s | training classes: %s", _counts(split_sizes(parts.data)), _counts(classes))
    for stage in [stage for stage, count in classes.items() if settings.curriculum and not count]:
        log.warning("No training study is of the class %s: that stage adds nothing new.", stage)
    log.info(
        "Model: %.1f M parameters on %s | %s studies per update | %d updates | scores: %s",
        parts.num_parameters / 1e6, _where(parts), batches,
        parts.plan.total_steps, describe(protocol),
    )  # fmt: skip


def _where(parts: Parts) -> str:
    """The device, and its precision where that is not FP32."""
    precision = parts.accelerator.mixed_precision
    return device_name(parts.accelerator.device) + (f" in {precision}" if precision != "no" else "")


def _counts(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sizes.items())


def split_sizes(data: PreparedData) -> dict[str, int]:
    """How many studies each split of the data set has, before unusable ones are excluded."""
    return {split: len(data.dataset.split(split)) for split in SPLITS}


def versions() -> dict[str, str]:
    """Versions of the packages that a result depends on."""
    names = ("torch", "timm", "transformers", "accelerate", "tokenizers")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def epoch_row(progress: Progress, scores: Scores, val_loss: float, **others: Any) -> EpochRow:
    """The history row of the epoch that `progress` has just completed; `others` are its further columns."""
    sums = progress.sums
    return EpochRow(
        epoch=progress.epoch,
        stage=progress.stage,
        step=progress.step,
        train_loss=sums.token_loss / sums.num_tokens if sums.num_tokens else None,
        val_loss=val_loss,
        **{name: value for name, value in asdict(scores).items() if name in HEADER},
        grad_norm=sums.grad_norm / sums.num_updates if sums.num_updates else None,
        studies_per_s=sums.num_studies / sums.train_s,
        train_s=sums.train_s,
        validation_s=progress.validation_s,
        epoch_s=sums.train_s + sums.paused_s + progress.validation_s,
        skipped_steps=sums.skipped_steps,
        oom_retries=sums.oom_retries,
        finished_at=now(),
        **others,
    )
