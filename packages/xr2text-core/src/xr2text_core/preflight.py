"""Looks at everything that could spoil a night of training, and says what to do about it. Changes nothing.

    python -m xr2text_core.preflight [the flags of train] [--quick] [--json]

Exit codes: 0 ready, perhaps with warnings; 1 at least one check failed; 2 unusable flags.
"""

import argparse
import json
import logging
import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from xr2text_core.checks.hardware import (
    Card,
    Check,
    TorchGpu,
    ask_torch,
    check_power,
    gpu_checks,
    reading_of,
    without_gpu,
)
from xr2text_core.machine.nvml import GpuReading, driver_versions, read_gpus
from xr2text_core.machine.power import read_power
from xr2text_core.run.folder import RunError
from xr2text_core.settings.arguments import add_run_flags, settings_of
from xr2text_core.settings.settings import Settings

if TYPE_CHECKING:
    from xr2text_core.checks.estimates import MemoryEstimate, TimeEstimate
    from xr2text_core.checks.speed import Sample, Speed
    from xr2text_core.model.config import XR2TextConfig

EXIT_READY, EXIT_NOT_READY, EXIT_UNUSABLE = 0, 1, 2
NUM_STAGES = 8  # how often `show` is called
NARROWEST, WIDEST = 60, 110
COLOURS = {"pass": "32", "warning": "33", "fail": "31"}
Show = Callable[[str], None]


@dataclass(frozen=True)
class Device:
    """Where the run would compute. `reading` was taken before this process itself used the GPU."""

    gpu: TorchGpu
    reading: GpuReading | None
    checks: list[Check]

    @property
    def is_gpu(self) -> bool:
        return not self.gpu.problem

    @property
    def card(self) -> Card:
        from xr2text_core.training.memory import driver_spills

        used_mib = self.reading.memory_used_mib if self.reading else None
        return Card(
            self.gpu.memory_bytes, int((used_mib or 0.0) * 2**20), driver_spills(sys.platform, platform.release())
        )


@dataclass
class Findings:
    """The checks in the order of the table, and the estimates behind them, in bytes and seconds."""

    checks: list[Check]
    memory: "MemoryEstimate | None" = None
    speed: "Speed | None" = None
    time: "TimeEstimate | None" = None

    def names(self, outcome: str) -> list[str]:
        return [check.name for check in self.checks if check.outcome == outcome]


# -- looking


def look_at_device(settings: Settings) -> Device:
    is_needed = settings.preset != "phantom"
    if settings.device == "cpu":
        why = "not used (--device cpu)"
        return Device(TorchGpu("", problem=why), None, [without_gpu(why, is_needed)])
    readings = read_gpus()
    gpu = ask_torch()
    checks = gpu_checks(
        gpu,
        readings,
        driver_versions(),
        is_needed=is_needed,
        wants_bf16=settings.precision == "bf16",
        own_pid=os.getpid(),
    )
    return Device(gpu, reading_of(readings, gpu), checks)


def quick_checks(settings: Settings, resumes: bool = False, fresh: bool = False) -> list[Check]:
    """What takes no second: `train` runs it first. Neither the data set nor other runs are looked at."""
    from xr2text_core.checks.estimates import checkpoint_bytes, planned_config
    from xr2text_core.checks.run import check_disk_of, check_settings, check_weights
    from xr2text_core.model.build import WeightsError

    checks = [check_settings(settings), *look_at_device(settings).checks, check_power(read_power())]
    with suppress(WeightsError):  # an encoder that nobody knows; the check of the weights says so
        checks.append(check_disk_of(settings, checkpoint_bytes(planned_config(settings)), 0, fresh))
    return [*checks, check_weights(settings, resumes)]


def all_checks(settings: Settings, resume: Path | None, fresh: bool, show: Show) -> Findings:
    """Everything; `show` is told what comes next, because it takes a minute."""
    show("looking at the computer")
    from xr2text_core.checks.run import check_run, check_settings, check_weights, continues
    from xr2text_core.data.study import DatasetError
    from xr2text_core.model.build import WeightsError

    run = check_run(settings, resume, fresh)
    device = look_at_device(settings)
    weights = check_weights(settings, continues(settings, resume, fresh))
    findings = Findings([run, check_settings(settings), *device.checks, check_power(read_power()), weights])
    try:
        with suppress(WeightsError):  # an encoder that nobody knows; the check of the weights says so
            _look_ahead(findings, settings, device, fresh, show)
    except DatasetError as error:
        findings.checks.append(Check("data", "fail", str(error)))
    return findings


def _look_ahead(findings: Findings, settings: Settings, device: Device, fresh: bool, show: Show) -> None:
    """Add what needs the data set and the sizes of the model: data, disk, memory and time."""
    from xr2text_core.checks import run as checks
    from xr2text_core.checks.estimates import checkpoint_bytes, estimate_memory, estimate_time, planned_config
    from xr2text_core.checks.speed import draw_sample
    from xr2text_core.data.sources import read_dataset

    show("reading the data set")
    dataset = read_dataset(settings.data, settings.root, settings.num_studies, settings.seed)
    sample = draw_sample(dataset, settings)
    num_images = checks.num_new_images(dataset, settings)
    config = planned_config(settings, len(sample.tokenizer))
    findings.checks.append(checks.check_data(dataset, settings))
    findings.checks.append(checks.check_disk_of(settings, checkpoint_bytes(config), num_images, fresh))
    show("counting memory")
    findings.memory = memory = estimate_memory(config, settings)
    if not device.is_gpu:  # there the trainer computes in fp32
        memory = estimate_memory(config, replace(settings, precision="fp32"))
    available = int(psutil.virtual_memory().available)  # before the steps take some of it
    reason = _reason_not_to_measure(settings, device, memory, available)
    timing = Check("time", "warning", f"not measured: {reason}") if reason else _measure(settings, config, sample, show)
    if not isinstance(timing, Check):
        findings.speed, findings.time = timing, estimate_time(settings, sample, timing, num_images)
        timing = checks.check_time(findings.time, timing, settings)
    on_host = checkpoint_bytes(config) + (checks.HOST_ALLOWANCE if device.is_gpu else memory.total)
    findings.checks.append(checks.check_memory(on_host, available))
    if device.is_gpu:
        peak = findings.speed.peak_bytes if findings.speed else None
        findings.checks.append(checks.check_gpu_memory(memory, device.card, peak))
    elif settings.preset != "phantom":
        findings.checks.append(checks.without_card(findings.memory, settings.precision))
    findings.checks.append(timing)


def _reason_not_to_measure(settings: Settings, device: Device, memory: "MemoryEstimate", available_bytes: int) -> str:
    """Why no step is taken: it would fail, or disturb what is at work. Empty when there is no reason."""
    from xr2text_core.checks.run import trainer_of

    if trainer_of(settings):
        return "a training is at work in this folder"
    if any(check.outcome == "fail" for check in device.checks):
        return "the GPU does not work"
    free = device.card.free_bytes if device.is_gpu else available_bytes
    if memory.total > free and (device.card.others_bytes or not device.is_gpu):
        return f"a step would take {memory.total / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free"
    return ""


def _measure(settings: Settings, config: "XR2TextConfig", sample: "Sample", show: Show) -> "Speed | Check":
    """Take a few steps; the check says why there is no speed."""
    from xr2text_core.checks.speed import measure_speed
    from xr2text_core.data.study import DatasetError
    from xr2text_core.training.step import OutOfMemory

    try:
        return measure_speed(settings, config, sample, show)
    except DatasetError as error:
        return Check("time", "warning", f"not measured: {error}")
    except OutOfMemory as error:
        return Check("time", "fail", str(error))
    except RuntimeError as error:  # what CUDA and its libraries raise
        first_line = str(error).partition("\n")[0]
        return Check("time", "fail", f"a training step failed: {first_line}")


# -- telling


def table(checks: Sequence[Check], width: int, in_colour: bool) -> str:
    """One row a check: what was found is folded into the last column, and below it stands what to do."""
    name_width = max(len(check.name) for check in checks)
    indent = " " * (name_width + len("  warning  "))
    lines = []
    for check in checks:
        word = f"{check.outcome:<7}"
        if in_colour:
            word = f"\033[{COLOURS[check.outcome]}m{word}\033[0m"
        found, *more = _folded(check.found, width - len(indent))
        lines.append(f"{check.name:<{name_width}}  {word}  {found}")
        lines += [indent + line for line in more]
        lines += [f"{indent}{mark}{line}" for mark, line in _marked(_folded(check.advice, width - len(indent) - 3))]
    return "\n".join(lines)


def _folded(text: str, width: int) -> list[str]:
    """Lines of at most this width; a number and its unit stay on one line."""
    text = re.sub(r"(?<=\d) (?=(?:s|min|h|days|GiB|GB|MB)\b)", "\xa0", text)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def _marked(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "   " if number else "-> ", line


def conclusion(findings: Findings) -> str:
    """The last line."""
    failed, warned = findings.names("fail"), findings.names("warning")
    if failed:
        return f"Not ready: {len(failed)} of {len(findings.checks)} checks failed ({', '.join(failed)})."
    if warned:
        return f"Ready, with {len(warned)} warning{'s' if len(warned) > 1 else ''} ({', '.join(warned)})."
    return f"Ready: all {len(findings.checks)} checks passed."


def to_json(findings: Findings) -> str:
    """The same for programs: estimates in bytes and seconds; null where something could not be had."""
    contents = asdict(findings)
    if findings.memory:
        contents["memory"]["total"] = findings.memory.total
    return json.dumps({"is_ready": not findings.names("fail"), **contents}, indent=1)


@contextmanager
def _bar() -> Iterator[Show]:
    """A bar on the terminal that says what is being done; nothing where no terminal is."""
    from tqdm import tqdm

    with tqdm(total=NUM_STAGES, bar_format="{bar:20} {desc}", mininterval=0, disable=None, leave=False) as bar:

        def show(text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update()

        yield show


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.preflight", description=f"{__doc__.splitlines()[0]} Takes the flags of train."
    )
    own = parser.add_argument_group("preflight")
    own.add_argument("--quick", action="store_true", help="only what takes no second, as train does at its start")
    own.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_run_flags(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    logging.getLogger("xr2text_core").addHandler(logging.NullHandler())  # the table says all
    try:
        settings = settings_of(options)
        if options.quick:
            findings = Findings(quick_checks(settings, bool(options.resume), options.fresh))
        else:
            with _bar() as show:
                findings = all_checks(settings, options.resume, options.fresh, show)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    if options.json:
        print(to_json(findings))
    else:
        width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
        print(table(findings.checks, width, sys.stdout.isatty() and "NO_COLOR" not in os.environ))
        print(f"\n{conclusion(findings)}")
    return EXIT_NOT_READY if findings.names("fail") else EXIT_READY


if __name__ == "__main__":
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as train does: what is measured is what will run
    sys.exit(main())
