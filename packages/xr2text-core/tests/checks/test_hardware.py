"""What each check says of readings that this computer may not have."""

from dataclasses import replace
from pathlib import Path

import pytest

from xr2text_core.checks.hardware import (
    GB,
    INSTALL_CUDA,
    Check,
    TorchGpu,
    ask_torch,
    check_cuda,
    check_disk,
    check_driver,
    check_gpu,
    check_other_programs,
    check_power,
    check_temperature,
    gpu_checks,
    reading_of,
    size,
    without_gpu,
)
from xr2text_core.machine.nvml import DriverVersions, GpuProcess, GpuReading
from xr2text_core.machine.power import Power

LAPTOP = GpuReading(
    index=0,
    name="NVIDIA GeForce RTX 4060 Laptop GPU",
    uuid="GPU-1234",
    temperature_c=46.0,
    slowdown_c=87.0,
    memory_used_mib=120.0,
    memory_total_mib=8188.0,
    utilization_percent=0.0,
    processes=(),
)
SILENT = GpuReading(*[None] * 9)
WORKING = TorchGpu("12.8", name="NVIDIA GeForce RTX 4060 Laptop GPU", uuid="1234", memory_bytes=8 * 2**30)
BROKEN = TorchGpu("12.8", problem="CUDA driver initialization failed")
CPU_ONLY = TorchGpu("", problem="Torch not compiled with CUDA enabled")
DRIVER = DriverVersions("570.86.15", "12.8")


def look(gpu: TorchGpu, *readings: GpuReading, is_needed: bool = True, wants_bf16: bool = False) -> dict[str, Check]:
    driver = DRIVER if readings else None
    checks = gpu_checks(gpu, readings, driver, is_needed=is_needed, wants_bf16=wants_bf16, own_pid=1)
    return {check.name: check for check in checks}


def outcomes(gpu: TorchGpu, *readings: GpuReading, is_needed: bool = True) -> dict[str, str]:
    return {name: check.outcome for name, check in look(gpu, *readings, is_needed=is_needed).items()}


def test_a_healthy_laptop_passes_everything() -> None:
    names = {"GPU", "CUDA", "driver", "temperature", "other programs"}
    assert outcomes(WORKING, LAPTOP) == dict.fromkeys(names, "pass")


def test_without_a_gpu_phantoms_pass_and_a_real_run_is_warned() -> None:
    assert outcomes(BROKEN, is_needed=False) == {"GPU": "pass"}
    assert outcomes(BROKEN) == {"GPU": "warning"}
    assert "weeks" in without_gpu("none", is_needed=True).advice


@pytest.mark.parametrize("gpu", [BROKEN, CPU_ONLY])
def test_a_gpu_that_pytorch_cannot_use_fails_where_it_is_needed_only(gpu: TorchGpu) -> None:
    assert outcomes(gpu, LAPTOP)["CUDA"] == "fail"
    assert outcomes(gpu, LAPTOP, is_needed=False)["CUDA"] == "warning"


def test_the_advice_for_a_pytorch_without_cuda_is_to_install_another() -> None:
    checks = look(CPU_ONLY, LAPTOP)
    assert "Install PyTorch with CUDA" in checks["CUDA"].advice
    assert "driver" not in checks, "its CUDA version says nothing here"


def test_bf16_on_a_card_without_it_is_a_warning() -> None:
    assert look(WORKING, LAPTOP, wants_bf16=True)["CUDA"].advice == "Use --precision fp16"
    assert look(replace(WORKING, has_bf16=True), LAPTOP, wants_bf16=True)["CUDA"].outcome == "pass"


def test_a_gpu_that_tells_nothing_is_no_problem() -> None:
    assert set(outcomes(WORKING, SILENT).values()) == {"pass"}
    assert "8.0 GiB" in check_gpu(WORKING, SILENT).found
    assert check_gpu(TorchGpu("12.8"), SILENT).found == "a GPU without a name"


def test_a_gpu_without_nvml_is_checked_by_pytorch_alone() -> None:
    assert outcomes(WORKING) == {"GPU": "pass", "CUDA": "pass"}


def test_free_memory_is_what_others_leave() -> None:
    busy = replace(LAPTOP, memory_used_mib=2044.0)
    assert check_gpu(WORKING, busy).found.endswith("8.0 GiB, 6.0 GiB of it free")


def test_the_reading_is_that_of_the_gpu_that_pytorch_uses() -> None:
    other = replace(LAPTOP, index=1, uuid="GPU-5678")
    assert reading_of([other, LAPTOP], WORKING) is LAPTOP
    assert reading_of([other], WORKING) is other, "MIG parts and old drivers name themselves differently"
    assert reading_of([], WORKING) is None


def test_a_pytorch_for_the_cpu_beside_a_gpu_gets_the_command_of_the_page_that_replaces_it() -> None:
    found = check_cuda(TorchGpu("", problem="not compiled with CUDA"), is_needed=True, wants_bf16=False)
    page = (Path(__file__).parents[4] / "docs" / "install.md").read_text(encoding="utf-8")
    assert found.outcome == "fail" and f"`{INSTALL_CUDA}`" in found.advice and f"`{INSTALL_CUDA}`" in page


@pytest.mark.parametrize(
    ("serves", "built_for", "outcome"),
    [
        ("12.8", "12.8", "pass"),
        ("13.0", "12.8", "pass"),
        ("12.10", "12.9", "pass"),
        ("12.4", "12.8", "warning"),
        ("11.8", "12.1", "fail"),
        (None, "12.8", "pass"),
        ("unknown", "12.8", "pass"),
    ],
)
def test_a_driver_serves_its_own_cuda_and_older_ones(serves: str | None, built_for: str, outcome: str) -> None:
    assert check_driver(DriverVersions("1", serves), built_for).outcome == outcome


def test_an_older_driver_is_told_what_to_install() -> None:
    check = check_driver(DriverVersions("470.1", "11.4"), "12.8")
    assert "470.1" in check.found and "12.8" in check.found and "CUDA 11" in check.advice


@pytest.mark.parametrize(
    ("now", "slowdown", "outcome"),
    [
        (46.0, 87.0, "pass"),
        (78.0, 87.0, "warning"),
        (84.0, None, "warning"),
        (None, 87.0, "pass"),
        (70.0, None, "pass"),
    ],
)
def test_a_gpu_that_is_hot_before_it_begins_is_a_warning(
    now: float | None, slowdown: float | None, outcome: str
) -> None:
    assert check_temperature(replace(LAPTOP, temperature_c=now, slowdown_c=slowdown)).outcome == outcome


def test_other_programs_are_named_largest_first_and_this_one_is_not() -> None:
    processes = (GpuProcess(1, "python", 300.0), GpuProcess(2, "chrome", 210.0), GpuProcess(3, "game", 1500.0))
    check = check_other_programs(replace(LAPTOP, processes=processes, memory_used_mib=2010.0), own_pid=1)
    assert check.outcome == "warning"
    assert check.found.startswith("game 1500 MiB, chrome 210 MiB (2.0 GiB in use")


def test_small_users_of_the_gpu_pass() -> None:
    desktop = replace(LAPTOP, processes=(GpuProcess(7, "Xorg", 90.0), GpuProcess(8, None, None)))
    check = check_other_programs(desktop, own_pid=1)
    assert (check.outcome, check.found) == ("pass", "Xorg 90 MiB, process 8 (120 MiB in use)")


def test_a_busy_gpu_is_a_warning_even_where_the_driver_names_nobody() -> None:
    check = check_other_programs(replace(LAPTOP, processes=None, utilization_percent=95.0), own_pid=1)
    assert check.outcome == "warning" and "95 % busy" in check.found


@pytest.mark.parametrize(("free", "outcome"), [(50 * GB, "pass"), (30 * GB, "warning"), (4 * GB, "fail")])
def test_the_disk_must_hold_something_and_should_hold_everything(free: float, outcome: str) -> None:
    check = check_disk(int(free), needed_bytes=50 * GB, least_bytes=5 * GB, what_for="checkpoints")
    assert check.outcome == outcome
    assert bool(check.advice) == (outcome != "pass")


def test_sizes_are_told_in_the_unit_that_fits() -> None:
    assert [size(10), size(14_690_000), size(2.27e9)] == ["1 MB", "15 MB", "2.3 GB"]


def test_only_a_battery_that_empties_is_a_warning() -> None:
    assert check_power(None).outcome == "pass"
    assert check_power(Power(80.0, True)).outcome == "pass"
    assert check_power(Power(80.0, None)).outcome == "pass"
    assert check_power(Power(80.0, False)).outcome == "warning"


def test_pytorch_is_asked_for_its_gpu_and_never_raises() -> None:
    import torch

    gpu = ask_torch()
    assert bool(gpu.problem) == (not torch.cuda.is_available())
    assert "\n" not in gpu.problem


def test_a_sentence_holds_what_was_found_and_what_to_do() -> None:
    assert without_gpu("none", is_needed=False).sentence == "GPU: none; a CPU is enough for this preset"
    assert without_gpu("none", is_needed=True).sentence.startswith("GPU: none. A CPU needs weeks")
