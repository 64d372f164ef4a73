"""The laptop preset fits a card of 8 GB, and a card that is too small costs time, not results."""

import math
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from xr2text_core.checks.estimates import BART_VOCABULARY, planned_config
from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.settings import Settings
from xr2text_core.training.optimizer import allocate_state, build_optimizer
from xr2text_core.training.step import Stepper, StepResult

pytestmark = pytest.mark.gpu
GIB = 2**30


def laptop(*flags: str) -> Settings:
    return settings_of(parse_arguments(["--preset", "laptop", *flags]))


def laptop_model(settings: Settings) -> XR2TextModel:
    """Of random weights, with the vocabulary that the pretrained decoder brings."""
    model = XR2TextModel(planned_config(settings, BART_VOCABULARY))
    model.freeze(settings.freeze_stages)
    return model


def full_batch(settings: Settings) -> Batch:
    """The studies of one update, whose reports are all as long as --max-tokens: the worst there can be."""
    num, size, num_films = settings.effective_batch, settings.image_size, 2 if settings.views == "all" else 1
    return Batch(
        torch.rand(num, num_films, 1, size, size, device="cuda"),
        torch.randint(5, 1000, (num, settings.max_tokens), device="cuda"),
        torch.rand(num, len(REGIONS) + 1, len(FINDINGS), device="cuda"),
        is_film=torch.ones(num, num_films, dtype=torch.bool) if num_films > 1 else None,
    )


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_the_laptop_preset_fits_a_card_of_8_gb(precision: str) -> None:
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this CUDA device has no BF16")
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 8 * GIB / total))
    settings = laptop("--precision", precision)
    accelerator = Accelerator(mixed_precision=precision)
    model = laptop_model(settings)
    optimizer = build_optimizer(model, settings, accelerator.device)
    model, optimizer = accelerator.prepare_model(model, evaluation_mode=True), accelerator.prepare(optimizer)
    allocate_state(optimizer)
    stepper = Stepper(accelerator, model.train(), optimizer, settings.finding_weight, settings.seed)
    batch = full_batch(settings)
    results = [stepper.take_step(batch, settings.micro_batch, number) for number in range(3)]
    peak = torch.cuda.max_memory_reserved()
    print(
        f"laptop, {precision}: peak {peak / GIB:.2f} GiB reserved, {torch.cuda.max_memory_allocated() / GIB:.2f} used"
    )
    assert all(math.isfinite(each.token_loss) and each.oom_retries == 0 for each in results)
    assert peak <= 7.0 * GIB


def one_step(model: XR2TextModel, batch: Batch, micro_batch: int) -> tuple[StepResult, int]:
    """The result of a step in fp32 without dropout, and what the allocator had reserved at its peak."""
    accelerator = Accelerator()
    optimizer = accelerator.prepare(torch.optim.SGD(model.parameters(), lr=0.0))  # weights stay as they are
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    result = Stepper(accelerator, model, optimizer, finding_weight=1.0, seed=0).take_step(batch, micro_batch, 0)
    return result, torch.cuda.max_memory_reserved()


def test_real_out_of_memory_repeats_the_step_in_smaller_pieces(tmp_path: Path) -> None:
    size = ("--encoder", "convnext_atto", "--image-size", "256", "--max-tokens", "64")
    settings = laptop(*size, "--batch", "16", "--accumulation", "1")
    model = laptop_model(settings).cuda().eval()
    batch = full_batch(settings)
    one_step(model, batch, 1)  # the libraries take their workspaces
    single, least = one_step(model, batch, 1)
    whole, most = one_step(model, batch, 16)
    assert whole.oom_retries == 0 and most > 1.2 * least
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((least + 0.4 * (most - least)) / total)
    small, _ = one_step(model, batch, 16)
    assert small.oom_retries > 0 and small.micro_batch < 16
    assert (small.num_tokens, small.was_skipped) == (single.num_tokens, False)
    assert small.token_loss == pytest.approx(whole.token_loss, rel=1e-3)
    assert small.grad_norm == pytest.approx(whole.grad_norm, rel=1e-2)
    assert torch.cuda.max_memory_reserved() <= least + 0.4 * (most - least)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_mixed_precision_takes_steps_with_a_finite_loss(
    precision: str, tiny_model: XR2TextModel, cuda_batches: BatchMaker
) -> None:
    accelerator = Accelerator(mixed_precision=precision)
    settings = settings_of(parse_arguments([]))
    optimizer = build_optimizer(tiny_model, settings, accelerator.device)
    model, optimizer = accelerator.prepare_model(tiny_model, evaluation_mode=True), accelerator.prepare(optimizer)
    allocate_state(optimizer)
    stepper = Stepper(accelerator, model.train(), optimizer, finding_weight=1.0, seed=0)
    batch = cuda_batches.training(range(8), epoch=1)
    results = [stepper.take_step(batch, 4, number) for number in range(8)]
    assert all(math.isfinite(each.token_loss) for each in results)
    assert not results[-1].was_skipped  # FP16 may lower its scale a few times first
