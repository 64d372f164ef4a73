"""All checks of preflight, in the order of its table; the quick ones run before every training run."""

import logging
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from xr2text_core.checks import estimates, hardware
from xr2text_core.checks import run as run_checks
from xr2text_core.checks.speed import Sample, Speed, draw_sample, measure_speed
from xr2text_core.data.images.tokens import row_type
from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.study import Dataset, DatasetError
from xr2text_core.machine.memory import OutOfMemory
from xr2text_core.machine.nvml import GpuReading, driver_versions, read_gpus
from xr2text_core.machine.power import read_power
from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.weights import WeightsError
from xr2text_core.settings.presets import WITHOUT_GPU
from xr2text_core.settings.settings import Settings
from xr2text_core.training.device import driver_spills

Show = Callable[[str], None]
log = logging.getLogger("xr2text_core.train")


@dataclass(frozen=True)
class Device:
    """Where the run would compute. `reading` was taken before this process used the GPU."""

    gpu: hardware.TorchGpu
    reading: GpuReading | None
    checks: list[hardware.Check]

    @property
    def is_gpu(self) -> bool:
        return not self.gpu.problem

    @property
    def card(self) -> hardware.Card:
        used_mib = self.reading.memory_used_mib if self.reading else None
        return hardware.Card(
            self.gpu.memory_bytes, int((used_mib or 0.0) * 2**20), driver_spills(sys.platform, platform.release())
        )


@dataclass
class Findings:
    """The checks in the order of the table, and the estimates behind them, in bytes and seconds."""

    checks: list[hardware.Check]
    memory: estimates.MemoryEstimate | None = None
    speed: Speed | None = None
    time: estimates.TimeEstimate | None = None

    def names(self, outcome: str) -> list[str]:
        return [check.name for check in self.checks if check.outcome == outcome]


def probe_device(settings: Settings) -> Device:
    is_needed = settings.preset not in WITHOUT_GPU
    if settings.device == "cpu":
        why = "not used (--device cpu)"
        return Device(hardware.TorchGpu("", problem=why), None, [hardware.without_gpu(why, is_needed)])
    readings = read_gpus()
    gpu = hardware.ask_torch()
    checks = hardware.gpu_checks(
        gpu,
        readings,
        driver_versions(),
        is_needed=is_needed,
        wants_bf16=settings.precision == "bf16",
        own_pid=os.getpid(),
    )
    return Device(gpu, hardware.reading_of(readings, gpu), checks)


def quick_checks(settings: Settings, resumes: bool = False, fresh: bool = False) -> list[hardware.Check]:
    """Under a second: `train` runs them first. They read neither the data set nor other runs."""
    checks = [run_checks.check_settings(settings), *probe_device(settings).checks, hardware.check_power(read_power())]
    with suppress(WeightsError):  # an unknown encoder; the check of the weights reports it
        num_bytes = estimates.checkpoint_bytes(estimates.planned_config(settings), settings)
        checks.append(run_checks.check_disk_of(settings, num_bytes, 0, fresh))
    return [*checks, run_checks.check_weights(settings, resumes)]


def all_checks(settings: Settings, resume: Path | None, fresh: bool, show: Show) -> Findings:
    """All checks; `show` gets the name of each stage, because they take a minute."""
    show("checking the computer")
    run = run_checks.check_run(settings, resume, fresh)
    device = probe_device(settings)
    weights = run_checks.check_weights(settings, run_checks.continues(settings, resume, fresh))
    findings = Findings(
        [run, run_checks.check_settings(settings), *device.checks, hardware.check_power(read_power()), weights]
    )
    try:
        with suppress(WeightsError):  # an unknown encoder; the check of the weights reports it
            _look_ahead(findings, settings, device, fresh, show)
    except DatasetError as error:
        findings.checks.append(hardware.Check("data", "fail", str(error)))
    return findings


def _look_ahead(findings: Findings, settings: Settings, device: Device, fresh: bool, show: Show) -> None:
    """Add what needs the data set and the sizes of the model: data, disk, memory and time."""
    show("reading the data set")
    dataset = read_dataset(settings.data, settings.root, settings.num_studies, settings.phantom_seed, settings.desk)
    sample = draw_sample(dataset, settings)
    num_images = run_checks.num_new_images(dataset, settings)
    config = estimates.planned_config(settings, len(sample.tokenizer))
    findings.checks.append(run_checks.check_data(dataset, settings))
    checkpoint_bytes = estimates.checkpoint_bytes(config, settings)
    num_films, token_bytes = _films_to_encode(dataset, settings, config)
    findings.checks.append(run_checks.check_disk_of(settings, checkpoint_bytes, num_images, fresh, token_bytes))
    show("counting memory")
    findings.memory = memory = estimates.estimate_memory(config, settings)
    if not device.is_gpu:  # on the CPU the trainer computes in fp32, or in less
        memory = estimates.estimate_memory(config, replace(settings, precision="fp32"))
    available = int(psutil.virtual_memory().available)  # before the measured steps use some of it
    reason = _reason_not_to_measure(settings, device, memory, available)
    timing = (
        hardware.Check("time", "warning", f"not measured: {reason}")
        if reason
        else _measure(settings, config, sample, show)
    )
    if not isinstance(timing, hardware.Check):
        findings.speed, findings.time = timing, estimates.estimate_time(settings, sample, timing, num_images, num_films)
        timing = run_checks.check_time(findings.time, timing, settings)
    on_host = checkpoint_bytes + (run_checks.HOST_ALLOWANCE if device.is_gpu else memory.total)
    findings.checks.append(run_checks.check_memory(on_host, available))
    if device.is_gpu:
        peak = findings.speed.peak_bytes if findings.speed else None
        findings.checks.append(run_checks.check_gpu_memory(memory, device.card, peak))
    elif settings.preset != "phantom":
        findings.checks.append(run_checks.without_card(findings.memory, settings.precision))
    findings.checks.append(timing)


def _films_to_encode(dataset: Dataset, settings: Settings, config: XR2TextConfig) -> tuple[int, int]:
    """How many films a start with --cache-tokens would encode first, and how many bytes it would write."""
    if not settings.cache_tokens:
        return 0, 0
    shape = estimates.tokens_of_film(config, settings)
    num_films = run_checks.num_new_films(dataset, settings, shape)
    return num_films, num_films * row_type(shape).itemsize


def _reason_not_to_measure(
    settings: Settings, device: Device, memory: estimates.MemoryEstimate, available_bytes: int
) -> str:
    """Why no step is measured: it would fail, or disturb a run. Empty when there is no reason."""
    if run_checks.trainer_of(settings):
        return "a run is training in this folder"
    if any(check.outcome == "fail" for check in device.checks):
        return "the GPU does not work"
    free = device.card.free_bytes if device.is_gpu else available_bytes
    if memory.total > free and (device.card.others_bytes or not device.is_gpu):
        return f"a step would take {memory.total / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free"
    return ""


def _measure(settings: Settings, config: XR2TextConfig, sample: Sample, show: Show) -> Speed | hardware.Check:
    """Measure a few steps; a Check says why that failed."""

    try:
        return measure_speed(settings, config, sample, show)
    except DatasetError as error:
        return hardware.Check("time", "warning", f"not measured: {error}")
    except OutOfMemory as error:
        return hardware.Check("time", "fail", str(error))
    except RuntimeError as error:  # what CUDA and its libraries raise
        first_line = str(error).partition("\n")[0]
        return hardware.Check("time", "fail", f"a training step failed: {first_line}")


def is_ready(settings: Settings, resumes: bool, fresh: bool) -> bool:
    """Log what the quick checks find. A failure keeps a new run from starting, but not a resume."""
    is_ready = True
    for each in quick_checks(settings, resumes, fresh):
        if each.outcome == "fail" and not resumes:
            log.error("%s", each.sentence)
            is_ready = False
        elif each.outcome != "pass":
            log.warning("%s", each.sentence)
    return is_ready
