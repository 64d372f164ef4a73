"""What is written down of a run: its description in run.json, and the history row of an epoch."""

import platform
import sys
from dataclasses import asdict
from importlib import metadata
from typing import Any

from xr2text_core import __version__
from xr2text_core.data.study import SPLITS
from xr2text_core.metrics.protocols import reference_lengths
from xr2text_core.metrics.scores import Scores
from xr2text_core.run.history import EpochRow
from xr2text_core.run.status import FORMAT, now
from xr2text_core.settings.settings import Settings
from xr2text_core.training.plan import Plan
from xr2text_core.training.prepared import PreparedData
from xr2text_core.training.progress import Progress


def describe_run(
    settings: Settings, data: PreparedData, plan: Plan, protocol: str, device: str, num_parameters: int
) -> dict[str, Any]:
    """The contents of run.json (docs/run-files.md)."""
    return {
        "format": FORMAT,
        "version": __version__,
        "command": sys.argv,
        "settings": asdict(settings),
        "data": {
            "name": data.dataset.name,
            "root": data.dataset.root,
            "splits": split_sizes(data),
            "classes": plan.class_sizes(),
            "left_out": dict(data.dataset.left_out.counts),
            "notes": list(data.dataset.notes),
        },
        "protocol": {
            "text": protocol,
            "section": settings.section,
            "decoding": "greedy",
            "reference_tokens": asdict(reference_lengths(data.val.references, protocol)),
        },
        "versions": versions(),
        "device": device,
        "num_parameters": num_parameters,
        "started_at": now(),
    }


def split_sizes(data: PreparedData) -> dict[str, int]:
    """How many studies each split of the data set has, before unusable ones are left out."""
    return {split: len(data.dataset.split(split)) for split in SPLITS}


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    names = ("torch", "timm", "transformers", "accelerate", "tokenizers")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def epoch_row(
    progress: Progress,
    scores: Scores,
    val_loss: float,
    *,
    learning_rate: float,
    micro_batch: int,
    accumulation: int,
    gpu_peak_mib: float | None,
    gpu_max_c: float | None,
    is_best: bool,
) -> EpochRow:
    """The history row of the epoch that `progress` has just been through."""
    sums = progress.sums
    return EpochRow(
        epoch=progress.epoch,
        stage=progress.stage,
        step=progress.step,
        train_loss=sums.token_loss / sums.num_tokens if sums.num_tokens else None,
        val_loss=val_loss,
        bleu_1=scores.bleu_1,
        bleu_2=scores.bleu_2,
        bleu_3=scores.bleu_3,
        bleu_4=scores.bleu_4,
        rouge_l=scores.rouge_l,
        cider=scores.cider,
        clinical_f1=scores.clinical_f1,
        distinct_reports=scores.distinct_reports,
        learning_rate=learning_rate,
        grad_norm=sums.grad_norm / sums.num_updates if sums.num_updates else None,
        studies_per_s=sums.num_studies / sums.train_s,
        train_s=sums.train_s,
        validation_s=progress.validation_s,
        epoch_s=sums.train_s + sums.paused_s + progress.validation_s,
        gpu_peak_mib=gpu_peak_mib,
        gpu_max_c=gpu_max_c,
        micro_batch=micro_batch,
        accumulation=accumulation,
        skipped_steps=sums.skipped_steps,
        oom_retries=sums.oom_retries,
        is_best=int(is_best),
        finished_at=now(),
    )
