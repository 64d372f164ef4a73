"""Under autocast a step casts each weight once, and what it computes does not depend on that."""

from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from casts import Casts

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.step import Stepper
from xr2text_core.training.trainer import Trainer

MICRO_BATCHES = 4


@pytest.fixture
def in_bf16(any_precision: None) -> Accelerator:
    return Accelerator(mixed_precision="bf16", cpu=True)


@pytest.fixture
def batch(batches: BatchMaker) -> Batch:
    return batches.training(range(2 * MICRO_BATCHES), epoch=1)


def gradients_and_casts(accelerator: Accelerator, model: XR2TextModel, batch: Batch) -> tuple[list[Any], int]:
    """The gradients of a step, and how often the decoder's first weight was cast in it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model = accelerator.prepare_model(model.train())
    stepper = Stepper(accelerator, model, accelerator.prepare(optimizer), finding_weight=1.0, seed=0)
    with Casts() as casts:
        loss = stepper._backward(batch, 2, 3, batch.num_tokens, len(batch))
    gradients = [parameter.grad for parameter in model.parameters()]
    return [loss, *gradients], casts.counts[model.decoder.layers[0].fc1.weight.data_ptr()]


def not_kept() -> AbstractContextManager[None]:
    return nullcontext()


def test_a_weight_is_cast_once_a_step_and_no_bit_of_a_gradient_depends_on_it(
    in_bf16: Accelerator, tiny_model: XR2TextModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, once = gradients_and_casts(in_bf16, deepcopy(tiny_model), batch)
    monkeypatch.setattr(in_bf16, "autocast", not_kept)
    cast_again, often = gradients_and_casts(in_bf16, tiny_model, batch)
    assert (once, often) == (1, MICRO_BATCHES)
    assert all(torch.equal(*pair) for pair in zip(kept, cast_again, strict=True))


def test_nothing_is_kept_when_weights_change(in_bf16: Accelerator, tiny_model: XR2TextModel, batch: Batch) -> None:
    assert [gradients_and_casts(in_bf16, deepcopy(tiny_model), batch)[1] for _ in range(2)] == [1, 1]
    assert not torch.is_autocast_enabled("cpu")


def test_a_cpu_that_has_bf16_trains_validates_and_scores_in_it(
    any_precision: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    flags = ["--num-studies", "8", "--val-studies", "2", "--image-size", "64", "--batch", "4", "--epochs", "1"]
    trainer = Trainer(settings_of(parse_arguments([*flags, "--precision", "bf16", "--out", str(tmp_path)])))
    dtypes = []
    trainer.model.lm_head.register_forward_hook(lambda _, inputs, logits: dtypes.append(logits.dtype))
    assert trainer.fit() == 0 and set(dtypes) == {torch.bfloat16}
    dtypes.clear()
    trainer.evaluate()
    assert set(dtypes) == {torch.bfloat16}
    assert all(weights.dtype == torch.float32 for weights in trainer.model.parameters())
