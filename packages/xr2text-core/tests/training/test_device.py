"""A full card is reported rather than spilled, and a run computes where its results can be repeated."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from xr2text_core.settings.settings import Settings
from xr2text_core.training import device
from xr2text_core.training.device import (
    RESERVE,
    driver_spills,
    limit_gpu_memory,
    open_device,
    precision_in_use,
    share_of_card,
)

GIB = 2**30


@pytest.fixture
def determinism_as_before() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True


@pytest.mark.parametrize(
    ("system", "release", "expected"),
    [
        ("win32", "11", True),
        ("linux", "6.6.87.2-microsoft-standard-WSL2", True),
        ("linux", "6.8.0-45-generic", False),
        ("darwin", "24.1.0", False),
    ],
)
def test_only_the_driver_of_windows_spills(system: str, release: str, expected: bool) -> None:
    assert driver_spills(system, release) is expected


def test_what_others_hold_and_a_reserve_stay_free() -> None:
    assert share_of_card(7 * GIB, 8 * GIB) * 8 * GIB == pytest.approx(7 * GIB - RESERVE)


def test_a_card_that_others_fill_leaves_nothing() -> None:
    assert share_of_card(RESERVE // 2, 8 * GIB) == 0.0


def test_a_computer_without_a_card_needs_no_limit() -> None:
    limit_gpu_memory(torch.device("cpu"))


def test_a_computer_without_cuda_computes_on_its_cpu_even_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Apple:
        device = torch.device("cpu")

        def __init__(self, **arguments: Any) -> None:
            asked.update(arguments)  # left to itself, accelerate would take "mps"

    monkeypatch.setattr(device, "Accelerator", Apple)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    open_device(Settings(device="auto", precision="fp16"))
    assert asked == {"mixed_precision": "no", "cpu": True}


def test_a_second_run_in_the_same_process_has_its_own_precision() -> None:
    Accelerator(mixed_precision="bf16", cpu=True)  # what an earlier run of a notebook left
    assert open_device(Settings(device="cpu")).mixed_precision == "no"


@pytest.mark.parametrize(
    ("asked", "capability", "expected"),
    [
        ("bf16", "avx512_bf16", "bf16"),
        ("bf16", "amx_bf16", "bf16"),
        ("bf16", "avx512_f", "no"),  # emulated: several times slower
        ("fp16", "avx512_bf16", "no"),
        ("fp32", "avx512_bf16", "no"),
    ],
)
def test_a_cpu_computes_in_bf16_where_it_is_asked_to_and_can(
    asked: str, capability: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    assert precision_in_use(Settings(device="cpu", precision=asked)) == expected


def test_a_run_on_a_gpu_is_strictly_deterministic(monkeypatch: pytest.MonkeyPatch, determinism_as_before: None) -> None:
    gpu = SimpleNamespace(device=torch.device("cuda"))
    monkeypatch.setattr(device, "Accelerator", lambda **arguments: gpu)
    monkeypatch.setattr(device, "limit_gpu_memory", lambda _: None)
    torch.use_deterministic_algorithms(False)
    open_device(Settings())
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))


def test_cublas_is_deterministic_however_a_run_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is restored afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    open_device(Settings(device="cpu"))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
