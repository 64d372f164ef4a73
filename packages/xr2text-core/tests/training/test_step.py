"""A step is one update over all its studies, however many pieces the memory asks for."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from xr2text_core.data.batches import Batch, BatchMaker
from xr2text_core.machine.memory import OutOfMemory, is_out_of_memory
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.training.optimizer import allocate_state
from xr2text_core.training.step import Stepper, StepResult

Weights = dict[str, torch.Tensor]


class Small(torch.nn.Module):
    """The model on a device that holds at most `most` studies at once."""

    def __init__(self, model: XR2TextModel, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most
        self.encoder = model.encoder
        self.sizes: list[int] = []

    def forward(self, pixel_values: torch.Tensor, **arguments: Any) -> Any:
        self.sizes.append(len(pixel_values))
        output = self.model(pixel_values=pixel_values, **arguments)
        if len(pixel_values) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (made up)")
        return output


@pytest.fixture
def batch(batches: BatchMaker) -> Batch:
    """Seven studies with reports of different lengths."""
    batch = batches.training(range(7), epoch=1)
    lengths = (batch.tokens >= 0).sum(1)
    assert len(set(lengths.tolist())) > 2
    return batch


def without_dropout(model: XR2TextModel) -> XR2TextModel:
    return model.eval()


def in_doubles(batch: Batch) -> Batch:
    return replace(batch, images=batch.images.double(), finding_labels=batch.finding_labels.double())


def step(model: torch.nn.Module, batch: Batch, micro_batch: int, number: int = 3) -> tuple[StepResult, Weights]:
    """Take one step of plain gradient descent; return its result and the weights after it."""
    accelerator = Accelerator(cpu=True)
    optimizer = accelerator.prepare(torch.optim.SGD(model.parameters(), lr=0.1))
    result = Stepper(accelerator, model, optimizer, finding_weight=1.0, seed=0).take_step(batch, micro_batch, number)
    return result, {name: tensor.clone() for name, tensor in getattr(model, "model", model).state_dict().items()}


def assert_close(found: Weights, expected: Weights, tolerance: float) -> None:
    for name in expected:
        torch.testing.assert_close(
            found[name], expected[name], rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


def gradients_by_hand(model: XR2TextModel, batch: Batch) -> Weights:
    """The gradient of the mean over all tokens of the step and over all its studies, in one piece."""
    output = model(
        **batch.inputs, labels=batch.tokens, finding_labels=batch.finding_labels, state_draws=batch.state_draws,
        change_labels=batch.change_labels,
    )  # fmt: skip
    (output.loss + output.finding_loss_sum / len(batch)).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("micro_batch", [7, 4, 2, 1])
def test_two_micro_batches_give_the_gradient_of_one_batch(
    tiny_model: XR2TextModel, batch: Batch, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = without_dropout(tiny_model.double()), in_doubles(batch)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    expected = gradients_by_hand(deepcopy(model), batch)
    monkeypatch.setattr("xr2text_core.training.step.MAX_GRAD_NORM", 1e9)
    _, after = step(model, batch, micro_batch)
    found = {name: (before[name] - after[name]) / 0.1 for name in before}
    assert_close(found, expected, tolerance=1e-9)


@pytest.mark.parametrize("micro_batch", [7, 4, 2, 1])
def test_halving_is_exact_where_some_studies_lack_their_lateral_film(
    two_film_model: XR2TextModel, two_films: BatchMaker, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = without_dropout(two_film_model.double()), in_doubles(two_films.training(range(7), epoch=1))
    assert batch.is_film is not None
    batch.images[~batch.is_film] = float("nan")  # nobody reads what stands there
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    expected = gradients_by_hand(deepcopy(model), batch)
    assert expected["encoder.lateral"].norm() > 0
    monkeypatch.setattr("xr2text_core.training.step.MAX_GRAD_NORM", 1e9)
    _, after = step(model, batch, micro_batch)
    found = {name: (before[name] - after[name]) / 0.1 for name in before}
    assert_close(found, expected, tolerance=1e-9)


@pytest.mark.parametrize("micro_batch", [7, 4, 2, 1])
def test_halving_is_exact_where_some_studies_lack_their_question(
    asked_model: XR2TextModel, asked: BatchMaker, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = without_dropout(asked_model.double()), in_doubles(asked.training(range(7), epoch=1))
    assert batch.texts.question is not None
    lacking = (batch.texts.question < 0).all(1)
    assert lacking.any() and not lacking.all()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    expected = gradients_by_hand(deepcopy(model), batch)
    assert all(expected[name].norm() > 0 for name in expected if name.startswith("encoder.texts."))
    monkeypatch.setattr("xr2text_core.training.step.MAX_GRAD_NORM", 1e9)
    _, after = step(model, batch, micro_batch)
    found = {name: (before[name] - after[name]) / 0.1 for name in before}
    assert_close(found, expected, tolerance=1e-9)


@pytest.mark.parametrize("micro_batch", [7, 4, 1])
def test_halving_is_exact_where_some_studies_lack_their_last_study(
    desk_model: XR2TextModel, desk: BatchMaker, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = in_doubles(desk.training(range(7), epoch=1))
    model = without_dropout(desk_model.double())
    assert 0 < batch.is_film[:, 2].sum() < 7
    batch.images[~batch.is_film] = float("nan")  # nobody reads what stands there
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    expected = gradients_by_hand(deepcopy(model), batch)
    assert all(gradient.norm() > 0 for name, gradient in expected.items() if "last_study" in name)
    monkeypatch.setattr("xr2text_core.training.step.MAX_GRAD_NORM", 1e9)
    _, after = step(model, batch, micro_batch)
    found = {name: (before[name] - after[name]) / 0.1 for name in before}
    assert_close(found, expected, tolerance=1e-9)


def test_a_step_without_any_question_still_gives_every_weight_a_gradient(
    asked_model: XR2TextModel, asked: BatchMaker
) -> None:
    gradients = gradients_by_hand(asked_model, asked.plain([1, 5]))  # nobody asks anything of either
    of_texts = [gradient for name, gradient in gradients.items() if name.startswith("encoder.texts.")]
    assert of_texts and all(gradient.norm() == 0 for gradient in of_texts)


def test_a_step_without_any_lateral_film_still_gives_every_weight_a_gradient(
    two_film_model: XR2TextModel, two_films: BatchMaker
) -> None:
    gradients = gradients_by_hand(two_film_model, two_films.training([0, 3], epoch=1))  # of neither has one
    assert gradients["encoder.lateral"].norm() == 0


def test_the_loss_of_a_step_is_its_sum_over_all_tokens(tiny_model: XR2TextModel, batch: Batch) -> None:
    model = without_dropout(tiny_model)
    whole = model(pixel_values=batch.images, labels=batch.tokens)
    result, _ = step(model, batch, micro_batch=3)
    assert result.num_tokens == int((batch.tokens >= 0).sum()) == int(whole.num_tokens)
    assert result.token_loss == pytest.approx(float(whole.token_loss_sum.detach()), rel=1e-4)
    assert (result.was_skipped, result.micro_batch, result.oom_retries) == (False, 3, 0)


def flat(model: XR2TextModel) -> torch.Tensor:
    """All parameters in one vector, a copy."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


def test_gradients_are_clipped_and_their_norm_before_is_reported(tiny_model: XR2TextModel, batch: Batch) -> None:
    before = flat(tiny_model)
    result, _ = step(tiny_model, batch, micro_batch=7)
    moved = (flat(tiny_model) - before).norm() / 0.1
    assert result.grad_norm > 1.0
    assert float(moved) == pytest.approx(1.0, rel=1e-3)


def test_out_of_memory_repeats_the_very_same_step_in_smaller_pieces(tiny_model: XR2TextModel, batch: Batch) -> None:
    model = without_dropout(tiny_model.double())
    _, expected = step(deepcopy(model), in_doubles(batch), micro_batch=2)
    small = Small(model, most=2)
    result, found = step(small, in_doubles(batch), micro_batch=7)
    assert small.sizes == [7, 4, 2, 2, 2, 1]
    assert (result.micro_batch, result.oom_retries) == (2, 2)
    assert_close(found, expected, tolerance=1e-12)


def test_out_of_memory_in_the_middle_of_a_step_leaves_no_gradients_of_the_failed_try(
    tiny_model: XR2TextModel, batch: Batch
) -> None:
    model = without_dropout(tiny_model.double())
    _, expected = step(deepcopy(model), in_doubles(batch), micro_batch=2)
    small = Small(model, most=4)
    whole_forward = small.forward

    def fail_on_the_second(**arguments: Any) -> Any:
        small.most = 4 if len(small.sizes) == 0 else 2
        return whole_forward(**arguments)

    small.forward = fail_on_the_second  # type: ignore[method-assign]
    result, found = step(small, in_doubles(batch), micro_batch=4)
    assert small.sizes == [4, 3, 2, 2, 2, 1]
    assert result.oom_retries == 1
    assert_close(found, expected, tolerance=1e-12)


def test_a_device_that_does_not_hold_one_study_is_an_error_with_advice(tiny_model: XR2TextModel, batch: Batch) -> None:
    small = Small(tiny_model, most=0)
    with pytest.raises(OutOfMemory, match="--image-size"):
        step(small, batch, micro_batch=4)
    assert small.sizes[:3] == [4, 2, 1]


def test_before_it_gives_up_the_encoder_computes_its_activations_twice(tiny_model: XR2TextModel, batch: Batch) -> None:
    model = without_dropout(tiny_model.double())
    _, expected = step(deepcopy(model), in_doubles(batch), micro_batch=1)
    small = Small(model, most=0)
    whole_forward = small.forward

    def fits_when_checkpointing(**arguments: Any) -> Any:
        small.most = int(model.encoder.images.is_checkpointing)
        return whole_forward(**arguments)

    small.forward = fits_when_checkpointing  # type: ignore[method-assign]
    result, found = step(small, in_doubles(batch), micro_batch=1)
    assert (result.micro_batch, result.oom_retries, small.sizes) == (1, 1, [1] * 8)
    assert_close(found, expected, tolerance=1e-12)


class GivesOut(torch.optim.AdamW):
    """Moves the first groups of parameters, then finds no memory for the rest, `times` times."""

    times = 1

    def step(self, closure: Any = None) -> None:
        if not self.times:
            return super().step(closure)
        self.times -= 1
        groups, self.param_groups = self.param_groups, self.param_groups[:1]
        super().step(closure)
        self.param_groups = groups
        raise torch.OutOfMemoryError("CUDA out of memory (made up)")


def adam_step(model: XR2TextModel, batch: Batch, kind: type[torch.optim.AdamW]) -> Weights:
    accelerator = Accelerator(cpu=True)
    halves = [{"params": list(model.encoder.parameters())}, {"params": list(model.decoder.parameters())}]
    optimizer = accelerator.prepare(kind(halves, lr=0.1, fused=True))
    allocate_state(optimizer)
    Stepper(accelerator, model, optimizer, finding_weight=1.0, seed=0).take_step(batch, 7, 3)
    return model.state_dict()


def test_an_update_that_breaks_off_half_way_is_finished_and_moves_no_weight_twice(
    tiny_model: XR2TextModel, batch: Batch
) -> None:
    expected = adam_step(deepcopy(tiny_model), batch, torch.optim.AdamW)
    found = adam_step(tiny_model, batch, GivesOut)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_an_optimizer_that_never_finds_memory_is_an_error_with_advice(
    tiny_model: XR2TextModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GivesOut, "times", 2)
    with pytest.raises(OutOfMemory, match=r"in the optimizer.*--image-size"):
        adam_step(tiny_model, batch, GivesOut)


def test_a_scaler_begins_the_repeated_step_anew(tiny_model: XR2TextModel, batch: Batch) -> None:
    """Memory runs out after the gradients were unscaled once: unscaling them again must be allowed."""
    model = without_dropout(tiny_model)
    accelerator = Accelerator(cpu=True)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    accelerator.native_amp = True
    optimizer = accelerator.prepare(torch.optim.SGD(model.parameters(), lr=0.1))
    clip, failures = accelerator.clip_grad_norm_, [1]

    def clip_and_fail(*arguments: Any) -> Any:
        norm = clip(*arguments)
        if failures:
            raise torch.OutOfMemoryError(f"made up {failures.pop()}")
        return norm

    accelerator.clip_grad_norm_ = clip_and_fail  # type: ignore[method-assign]
    result = Stepper(accelerator, model, optimizer, finding_weight=1.0, seed=0).take_step(batch, 4, 3)
    assert (result.oom_retries, result.micro_batch, result.was_skipped) == (1, 2, False)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("CUDA error: unspecified launch failure"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_a_broken_gpu_is_not_taken_for_a_full_one(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


class PutBack(torch.autograd.Function):
    """The identity, with a backward pass that is never deterministic: on any device, `put_` refuses strict mode."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (gradient,) = gradients
        return torch.zeros_like(gradient).put_(torch.arange(gradient.numel()), gradient)


@pytest.fixture
def strictly_deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True


@pytest.mark.filterwarnings("ignore:put_ does not have a deterministic implementation")
def test_an_encoder_that_cannot_be_deterministic_repeats_its_first_step_and_is_logged(
    tiny_model: XR2TextModel, batch: Batch, strictly_deterministic: None, caplog: pytest.LogCaptureFixture
) -> None:
    result, expected = step(deepcopy(tiny_model), batch, micro_batch=4)  # with dropout, whose draws must be the same
    images, sizes = tiny_model.encoder.images, []
    images.register_forward_hook(lambda _, inputs, tokens: sizes.append(len(inputs[0])) or PutBack.apply(tokens))
    again, found = step(tiny_model, batch, micro_batch=4)
    assert again == result
    assert_close(found, expected, tolerance=0)
    assert sizes == [4, 4, 3]  # the first micro-batch failed in its backward pass
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    step(tiny_model, batch, micro_batch=4)
    assert sizes == [4, 4, 3, 4, 3]
    (line,) = caplog.messages
    assert line == "A resumed run will differ in the last bits: put_ does not have a deterministic implementation"


def test_another_error_of_a_step_is_raised_as_it_was(
    tiny_model: XR2TextModel, batch: Batch, strictly_deterministic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(tiny_model.encoder.images, "forward", fail)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        step(tiny_model, batch, micro_batch=4)
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_changes_no_weight_and_is_reported(
    tiny_model: XR2TextModel, batch: Batch, value: float
) -> None:
    before = deepcopy(tiny_model.state_dict())
    images = batch.images.clone()
    images[5, 0, 0, 10, 10] = value
    result, after = step(tiny_model, Batch(images, batch.tokens, batch.finding_labels), micro_batch=4)
    assert result.was_skipped
    for name, weights in before.items():
        assert torch.equal(after[name], weights), name
    assert all(parameter.grad is None for parameter in tiny_model.parameters())


def test_a_step_whose_images_are_all_lost_is_skipped(tiny_model: XR2TextModel, batches: BatchMaker) -> None:
    before = flat(tiny_model)
    result, _ = step(tiny_model, batches.training([], epoch=1), micro_batch=4)
    assert result.was_skipped and torch.equal(flat(tiny_model), before)


def trained(model: XR2TextModel, batch: Batch) -> Callable[[int], Weights]:
    return lambda number: step(deepcopy(model).train(), batch, micro_batch=4, number=number)[1]


def test_the_same_step_has_the_same_dropout_and_another_step_another(tiny_model: XR2TextModel, batch: Batch) -> None:
    after = trained(tiny_model, batch)
    first = after(3)
    torch.rand(5)  # whatever else drew random numbers meanwhile
    again, other = after(3), after(4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
