"""A full card is reported rather than spilled, and a run computes where its results can be repeated."""

import os
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from xr2text_core.settings.settings import Settings
from xr2text_core.training import device
from xr2text_core.training.device import RESERVE, driver_spills, limit_gpu_memory, open_device, share_of_card

GIB = 2**30


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


def test_cublas_is_deterministic_however_a_run_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is restored afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    open_device(Settings(device="cpu"))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
