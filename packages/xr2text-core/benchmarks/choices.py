"""What each default of the trainer saves: a step with it and without it, in turns, and its peak memory on a GPU.

    python benchmarks/choices.py [--device auto] [--quick]

A GPU takes the laptop preset with reports of full length; a CPU takes ConvNeXt-atto with the phantom decoder and a
vocabulary of 8,000, so the numbers of a CPU say something of time only. `--device cuda` does nothing without a card.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the command does, before torch is imported

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from xr2text_core.model.build import build_model
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.settings.arguments import parse_arguments as parse_flags
from xr2text_core.settings.arguments import settings_of
from xr2text_core.settings.settings import Settings
from xr2text_core.training.optimizer import allocate_state, build_optimizer

LABELLED = 0.6  # share of the places of a padded batch that hold a label
ON_CPU = ["--preset", "phantom", "--encoder", "convnext_atto", "--image-size", "128", "--batch", "8"]
ON_GPU = ["--preset", "laptop", "--pretrained", "none"]


@dataclass(frozen=True)
class Way:
    """How a step is taken. The defaults are those of the trainer; the precision is that of the device."""

    attention: str = "sdpa"
    channels_last: bool = True
    fused: bool = True
    labelled_only: bool = True
    checkpointing: bool = False
    precision: torch.dtype | None = None


class Step:
    """A model with random weights that takes the same micro-batch again and again."""

    def __init__(self, way: Way, settings: Settings, vocabulary: int, device: torch.device) -> None:
        self.way, self.device = way, device
        sizes = (settings.image_size, settings.max_tokens, ReportTokenizer.learn(["clear"]))
        config = build_model(settings.encoder, settings.decoder, "none", *sizes).config
        bart = config.bart | {"vocab_size": vocabulary}
        config = XR2TextConfig(
            config.encoder, config.encoder_options, config.image_size, bart, attn_implementation=way.attention
        )
        torch.manual_seed(0)
        self.model = XR2TextModel(config).to(device).train()
        if not way.channels_last:
            self.model.encoder.images.backbone.to(memory_format=torch.contiguous_format)
        if way.checkpointing:
            self.model.encoder.images.enable_gradient_checkpointing()
        self.optimizer = build_optimizer(self.model, settings, device)
        allocate_state(self.optimizer)
        for group in self.optimizer.param_groups:
            group["fused"] = way.fused
        num, side, tokens = settings.micro_batch, settings.image_size, settings.max_tokens
        self.images = torch.rand(num, 1, side, side, device=device)
        self.labels = torch.randint(5, vocabulary, (num, tokens), device=device)
        self.labels[:, round(LABELLED * tokens) :] = -100
        self.findings = torch.rand(num, len(REGIONS) + 1, len(FINDINGS), device=device)

    def loss(self) -> Tensor:
        if self.way.labelled_only:
            output = self.model(self.images, self.labels, self.findings)
            return output.loss + output.finding_loss_sum / len(self.images)
        seen = self.model.get_encoder()(self.images)
        logits = self.model(encoder_outputs=seen, decoder_input_ids=self.labels.clamp_min(0), use_cache=False).logits
        findings = functional.binary_cross_entropy_with_logits(seen.finding_logits.float(), self.findings)
        return functional.cross_entropy(logits.float().flatten(0, 1), self.labels.flatten()) + findings

    def take(self) -> float:
        """Seconds of one step."""
        started = self._now()
        with torch.autocast(self.device.type, self.way.precision, enabled=self.way.precision is not None):
            loss = self.loss()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)  # they stay, as they do between the micro-batches of a step
        return self._now() - started

    def peak_gib(self) -> float | None:
        """Of one more step."""
        if self.device.type != "cuda":
            return None
        torch.cuda.reset_peak_memory_stats()
        self.take()
        return torch.cuda.max_memory_allocated() / 2**30

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def alternatives(device: torch.device) -> dict[str, tuple[Way, Way]]:
    """What each choice is compared with: name -> (the default, the other way)."""
    on_gpu = device.type == "cuda"
    usual = Way(precision=torch.float16 if on_gpu else None)

    def without(**changes: Any) -> tuple[Way, Way]:
        return usual, Way(**{"precision": usual.precision, **changes})

    ways = {
        "channels_last": without(channels_last=False),
        "fused AdamW": without(fused=False),
        "SDPA, not eager attention": without(attention="eager"),
        "logits only at labels": without(labelled_only=False),
        "no gradient checkpointing": without(checkpointing=True),
    }
    if on_gpu:
        ways["FP16, not FP32"] = without(precision=None)
        if torch.cuda.is_bf16_supported(including_emulation=False):
            ways["FP16, not BF16"] = without(precision=torch.bfloat16)
    return ways


def compare(
    make: Callable[[Way], Step], ways: tuple[Way, Way], repeats: int, on_gpu: bool
) -> list[tuple[float, float | None]]:
    """Median seconds of a step and its peak memory for both ways: in turns, or alone where one fills the card."""
    if on_gpu:
        return [_alone(make(way), repeats) for way in ways]
    steps = [make(way) for way in ways]
    seconds = [[step.take() for step in steps] for _ in range(repeats + 2)][2:]
    return [(statistics.median(column), None) for column in zip(*seconds, strict=True)]


def _alone(step: Step, repeats: int) -> tuple[float, float | None]:
    seconds = [step.take() for _ in range(repeats + 2)][2:]
    return statistics.median(seconds), step.peak_gib()


def row(name: str, found: list[tuple[float, float | None]]) -> str:
    """A line of the table: with, without, and how much longer it takes without."""
    (with_s, with_gib), (without_s, without_gib) = found
    memory = f"{with_gib:.2f} | {without_gib:.2f}" if with_gib and without_gib else "- | -"
    return f"| {name} | {1000 * with_s:.1f} | {1000 * without_s:.1f} | {without_s / with_s:.2f} x | {memory} |"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    has_gpu = torch.cuda.is_available() and options.device != "cpu"
    if options.device == "cuda" and not has_gpu:
        print("skipped: no CUDA device, so nothing of a GPU was measured")
        return 0
    device = torch.device("cuda" if has_gpu else "cpu")
    settings = settings_of(parse_flags(ON_GPU if has_gpu else ON_CPU))
    vocabulary = 50_265 if has_gpu else 8_000
    where = torch.cuda.get_device_name() if has_gpu else f"cpu, {torch.get_num_threads()} threads"
    print(f"{where}, torch {torch.__version__}: {settings.encoder}, {settings.image_size} px, "
          f"{settings.micro_batch} studies a step")  # fmt: skip
    print("| default | ms a step | ms without | without takes | GiB | GiB without |\n|---|---|---|---|---|---|")
    repeats = 3 if options.quick else options.repeats
    for name, ways in alternatives(device).items():
        found = compare(lambda way: Step(way, settings, vocabulary, device), ways, repeats, has_gpu)
        print(row(name, found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
