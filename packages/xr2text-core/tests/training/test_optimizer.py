"""Every parameter has its learning rate, and the rate is a function of the step."""

from copy import deepcopy
from itertools import pairwise

import pytest
import torch

from xr2text_core.settings.settings import Settings
from xr2text_core.training.optimizer import (
    FLOOR,
    allocate_state,
    build_optimizer,
    decoder_learning_rate,
    drop_applied_gradients,
    learning_rate_factor,
    part_of,
    set_learning_rate,
)

SETTINGS = Settings(encoder_rate=1e-5, decoder_rate=2e-5, new_rate=3e-5, weight_decay=0.05)


@pytest.fixture
def optimizer(tiny_model: torch.nn.Module) -> torch.optim.Optimizer:
    return build_optimizer(tiny_model, SETTINGS, torch.device("cpu"))


def test_every_parameter_is_in_exactly_one_group(tiny_model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    grouped = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in tiny_model.parameters()}


def test_each_part_of_the_model_has_its_peak_rate(
    tiny_model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    peaks = {"encoder": 1e-5, "decoder": 2e-5, "new": 3e-5}
    rate_of = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in tiny_model.named_parameters():
        assert rate_of[id(parameter)] == peaks[part_of(name)], name


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("encoder.images.backbone.stem.conv.weight", "encoder"),
        ("encoder.project.weight", "new"),
        ("encoder.regions.queries", "new"),
        ("encoder.head.findings.bias", "new"),
        ("decoder.layers.0.fc1.weight", "decoder"),
        ("decoder.embed_tokens.weight", "decoder"),
    ],
)
def test_the_name_of_a_parameter_says_its_part(tiny_model: torch.nn.Module, name: str, part: str) -> None:
    assert name in dict(tiny_model.named_parameters())
    assert part_of(name) == part


def test_matrices_decay_and_biases_and_norms_do_not(
    tiny_model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    decay_of = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    names = dict(tiny_model.named_parameters())
    assert decay_of[id(names["encoder.project.weight"])] == 0.05
    assert decay_of[id(names["encoder.project.bias"])] == 0.0
    assert decay_of[id(names["encoder.norm.weight"])] == 0.0


def rates(num_steps: int) -> list[float]:
    """Of a run of steps of one size."""
    return [learning_rate_factor(step / num_steps, (step + 1) / num_steps) for step in range(num_steps)]


@pytest.mark.parametrize("num_steps", [1, 2, 10, 1000])
def test_the_rate_rises_to_its_peak_and_falls_to_the_floor(num_steps: int) -> None:
    factors = rates(num_steps)
    peak = factors.index(max(factors))
    assert max(factors) == 1.0
    assert min(factors) > 0.0
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_the_warm_up_is_a_twentieth_of_the_run_and_nothing_jumps() -> None:
    factors = rates(1000)
    assert factors[:3] == pytest.approx([0.02, 0.04, 0.06])
    assert factors.index(1.0) == 49
    assert max(abs(after - before) for before, after in pairwise(factors)) < 0.021
    assert factors[-1] == pytest.approx(FLOOR, abs=1e-4)


def test_steps_beyond_the_plan_stay_at_the_floor() -> None:
    assert learning_rate_factor(1.0, 1.0) == learning_rate_factor(5.0, 5.1) == pytest.approx(FLOOR)


def test_setting_the_rate_scales_every_group_from_its_peak(optimizer: torch.optim.Optimizer) -> None:
    set_learning_rate(optimizer, 0.1)
    set_learning_rate(optimizer, 0.5)
    assert decoder_learning_rate(optimizer) == pytest.approx(1e-5)
    assert {group["part"]: group["lr"] for group in optimizer.param_groups} == pytest.approx(
        {"encoder": 0.5e-5, "decoder": 1e-5, "new": 1.5e-5}
    )


def test_a_state_made_beforehand_is_the_one_that_the_first_update_makes(tiny_model: torch.nn.Module) -> None:
    copies = [tiny_model, deepcopy(tiny_model)]
    optimizers = [build_optimizer(model, SETTINGS, torch.device("cpu")) for model in copies]
    allocate_state(optimizers[0])
    for model, optimizer in zip(copies, optimizers, strict=True):
        sum(parameter.square().sum() for parameter in model.parameters()).backward()
        optimizer.step()
    ours, theirs = (optimizer.state_dict()["state"] for optimizer in optimizers)
    assert ours.keys() == theirs.keys()
    for index, state in theirs.items():
        assert all(torch.equal(ours[index][name], tensor) for name, tensor in state.items())


def test_a_state_that_is_there_is_kept(optimizer: torch.optim.Optimizer) -> None:
    allocate_state(optimizer)
    parameter = optimizer.param_groups[0]["params"][0]
    optimizer.state[parameter]["step"] += 7
    allocate_state(optimizer)
    assert float(optimizer.state[parameter]["step"]) == 7


def test_parameters_that_an_unfinished_update_moved_lose_their_gradients(
    tiny_model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    allocate_state(optimizer)
    sum(parameter.sum() for parameter in tiny_model.parameters()).backward()
    moved = optimizer.param_groups[0]["params"]
    for parameter in moved:
        optimizer.state[parameter]["step"] += 1
    drop_applied_gradients(optimizer)
    assert all((parameter.grad is None) == any(parameter is m for m in moved) for parameter in tiny_model.parameters())
