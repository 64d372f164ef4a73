"""What a run will need: memory by calculation, time from measured speed.

Nothing is downloaded: a model with random weights is as large and as fast as the pretrained one.
"""

import math
import os
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode  # private, but runs a model without computing or its memory
from torch.nn import functional

from xr2text_core.checks.speed import Sample, Speed, longest_texts
from xr2text_core.checks.weights import cached_folder
from xr2text_core.data.images.cache import MOST_WORKERS
from xr2text_core.model.build import model_config
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import MAX_VOCABULARY, ReportTokenizer
from xr2text_core.settings.settings import Settings
from xr2text_core.training.plan import Plan

GIB = 2**30
STATE_BYTES = 16  # a parameter in fp32: weight 4, gradient 4, two moments of AdamW 8
CHECKPOINT_BYTES = 12  # of that, what a checkpoint holds
FROZEN_BYTES = 4  # the weight alone
LOGIT_BYTES = 8  # a logit in the backward pass of the loss, beside what is kept of it: two gradients in fp32
WORKSPACES = round(0.12 * GIB)  # of cuBLAS, in the forward and in the backward thread, as PyTorch allocates them
ALLOWANCE = round(0.6 * GIB)  # assumed: CUDA context, workspaces of cuDNN, gaps between blocks
BART_VOCABULARY = 50265


def planned_config(settings: Settings, vocabulary: int = MAX_VOCABULARY) -> XR2TextConfig:
    """The sizes of the model of a run, without asking the hub: a decoder that is not local counts as a BART base.

    `vocabulary` is that of a tokenizer learned from the reports. WeightsError for an unknown encoder.
    """
    decoder = cached_folder(settings.decoder)
    is_pretrained, is_here = settings.is_decoder_pretrained, Path(decoder).is_dir()
    sizes = (settings.image_size, settings.max_tokens, ReportTokenizer.learn([]))
    config = model_config(settings.encoder, decoder, is_pretrained and is_here, *sizes, **asdict(settings.inputs))
    if not (is_pretrained and is_here):
        bart = config.bart | {"vocab_size": BART_VOCABULARY if is_pretrained else vocabulary}
        config = XR2TextConfig.from_dict({**config.to_dict(), "bart": bart, "vocab_size": bart["vocab_size"]})
    config.update({"findings_first": True, "teach_encoder": settings.teach_encoder})
    return config


def tokens_of_film(config: XR2TextConfig, settings: Settings) -> tuple[int, int]:
    """How many tokens the encoder makes of a film, and how many values each has."""
    encoder = _sizes(config, settings).encoder.images
    with FakeTensorMode(allow_non_fake_inputs=True):
        encoder.to_empty(device="cpu")
        num_tokens, width = encoder(torch.zeros(1, 1, config.image_size, config.image_size)).shape[1:]
    return int(num_tokens), int(width)


def checkpoint_bytes(config: XR2TextConfig, settings: Settings) -> int:
    """A checkpoint, in a file and in the copy in memory from which it is written: weights and moments of AdamW."""
    return _bytes(config, settings, CHECKPOINT_BYTES)


def _bytes(config: XR2TextConfig, settings: Settings, trained: int) -> int:
    """Of all parameters, at so many bytes for a trained one."""
    parameters = _sizes(config, settings).parameters()
    return sum(each.numel() * (trained if each.requires_grad else FROZEN_BYTES) for each in parameters)


def _sizes(config: XR2TextConfig, settings: Settings) -> XR2TextModel:
    """The model in train mode, without its numbers, as far frozen as a run with these settings freezes it."""
    with torch.device("meta"):
        model = XR2TextModel(config)
    model.train()
    model.freeze(settings.freeze_stages, settings.freeze_encoder, settings.cache_tokens)
    return model


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the peak of a step: the start of a backward pass, when AdamW and gradients exist already."""

    state: int
    images: int
    activations: int
    logits: int
    texts: int = 0  # each text that is read makes a gradient of all word embeddings
    workspaces: int = WORKSPACES
    allowance: int = ALLOWANCE

    @property
    def total(self) -> int:
        return sum(astuple(self))


def estimate_memory(config: XR2TextConfig, settings: Settings) -> MemoryEstimate:
    """For a micro-batch whose reports all have --max-tokens tokens, and whose studies have all films: the maximum."""
    tokens = settings.micro_batch * settings.max_tokens
    cached = 2 * math.prod(tokens_of_film(config, settings)) if settings.cache_tokens else 0
    return MemoryEstimate(
        state=_bytes(config, settings, STATE_BYTES),
        images=(4 * settings.image_size**2 + cached) * settings.effective_batch * config.num_places,
        activations=_kept_bytes(config, settings),
        logits=LOGIT_BYTES * tokens * config.vocab_size,
        texts=4 * config.vocab_size * config.bart["d_model"] * (settings.indication + settings.prior),
    )


def _kept_bytes(config: XR2TextConfig, settings: Settings) -> int:
    """What a forward pass keeps for the backward pass, weights cast to 16 bits included: each storage once.

    The model runs on fake tensors, under the CPU's autocast, corrected for one difference to CUDA's.
    """
    num_studies, num_tokens, in_16_bits = settings.micro_batch, settings.max_tokens, settings.precision != "fp32"
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    model = _sizes(config, settings)
    shape = tokens_of_film(config, settings) if settings.cache_tokens else None
    with FakeTensorMode(allow_non_fake_inputs=True), torch.autocast("cpu", torch.bfloat16, enabled=in_16_bits):
        model.to_empty(device="cpu")
        model.decoder.training = False  # not its layers: transformers may draw which of them to skip
        if in_16_bits:
            for module in model.modules():
                # CUDA computes these in fp32, the CPU does not; those of the encoder are `_fast_norms`
                if type(module) is nn.LayerNorm:
                    module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
        images = torch.zeros(num_studies, config.num_places, 1, config.image_size, config.image_size)
        tokens = torch.zeros(num_studies, num_tokens, dtype=torch.long)
        texts = longest_texts(config, num_studies).inputs
        cached = images.new_zeros(*images.shape[:2], *shape, dtype=torch.half) if shape else None
        seen = {"pixel_values": images, "features": cached, **texts}
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = model(decoder_input_ids=tokens, use_cache=False, **seen).logits
            functional.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())
        weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        return sum(storage.nbytes() for key, storage in kept.items() if key not in weights)


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds: an epoch of each stage, validation included; the whole run; before it, once, decoding all images, and
    encoding films for --cache-tokens."""

    epoch_s: dict[str, float]
    run_s: float
    decoding_s: float
    encoding_s: float = 0.0


def estimate_time(
    settings: Settings, sample: Sample, speed: Speed, num_new_images: int, num_new_films: int = 0
) -> TimeEstimate:
    """Stages admit different numbers of studies, so their epochs differ; saving checkpoints is not included."""
    plan = Plan.of(settings, sample.train)
    study_s = speed.study_s * sample.num_train / len(sample.train)
    validation_s = speed.report_s * sample.num_val
    each = {epoch: plan.num_studies(epoch) * study_s + validation_s for epoch in range(1, settings.epochs + 1)}
    return TimeEstimate(
        epoch_s={plan.stage(epoch): seconds for epoch, seconds in each.items()},
        run_s=sum(each.values()),
        decoding_s=speed.image_s * num_new_images / min(os.cpu_count() or 1, MOST_WORKERS),
        encoding_s=speed.film_s * num_new_films,
    )
