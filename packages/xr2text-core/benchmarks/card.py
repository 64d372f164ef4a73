"""What a CUDA GPU does with the presets: speed, memory beside the estimate, heat; one table.

    nox -s gpu -- [--quick] [--write]

Each row trains a few steps of the trainer (preflight's own measurement, random weights, reports of full length first)
and writes a few greedy reports. --write puts the table, and that of choices.py, into docs/performance.md.
Does nothing without a card.
"""

import argparse
import gc
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from run import PAGE, machine, put_between_markers

from xr2text_core.checks.estimates import estimate_memory, planned_config
from xr2text_core.checks.speed import draw_sample, measure_speed
from xr2text_core.data.readers import phantom
from xr2text_core.machine.nvml import GpuReader
from xr2text_core.settings.arguments import parse_arguments as parse_flags
from xr2text_core.settings.arguments import settings_of

GIB = 2**30
CHOICES = Path(__file__).with_name("choices.py")
ROWS = {
    "laptop": [],
    "laptop, one film, all stages trained": ["--views", "frontal", "--freeze-stages", "0"],
    "laptop, BF16": ["--precision", "bf16"],
    "laptop, FP32": ["--precision", "fp32"],
    "laptop, 8 x 4": ["--batch", "8", "--accumulation", "4"],
    "laptop, frozen encoder": ["--freeze-encoder"],
    "workstation": ["--preset", "workstation"],
    "cpu, FP16": ["--preset", "cpu", "--precision", "fp16"],
    "phantom, FP32": ["--preset", "phantom"],
}
QUICK = ("laptop", "laptop, one film, all stages trained", "laptop, BF16")


@dataclass(frozen=True)
class Row:
    """What was measured with one set of flags."""

    name: str
    micro_batch: int
    studies_s: float
    reports_s: float
    allocated: int
    reserved: int
    estimate: int

    def __str__(self) -> str:
        memory = " | ".join(f"{each / GIB:.2f}" for each in (self.allocated, self.reserved, self.estimate))
        return f"| {self.name} | {self.micro_batch} | {self.studies_s:.1f} | {self.reports_s:.1f} | {memory} |"


def measured(name: str, flags: list[str]) -> Row:
    """One row; the allocator starts empty."""
    gc.collect()  # the model of the row before
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    settings = settings_of(parse_flags(["--preset", "laptop", *flags]))
    sample = draw_sample(phantom.read(num_train=64, num_val=64, num_test=0), settings)
    config = planned_config(settings, len(sample.tokenizer))
    speed = measure_speed(settings, config, sample)
    reserved, allocated = torch.cuda.max_memory_reserved(), speed.peak_bytes or 0
    estimate = estimate_memory(config, settings).total
    return Row(name, speed.micro_batch, 1 / speed.study_s, 1 / speed.report_s, allocated, reserved, estimate)


def heat() -> str:
    """What the driver and nvidia-smi say of the card after the measurements."""
    reading = GpuReader(str(torch.cuda.get_device_properties(0).uuid)).read()
    query = ["nvidia-smi", "--query-gpu=temperature.gpu,memory.used,power.draw", "--format=csv,noheader"]
    told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    if reading is None:
        return f"The driver does not answer through NVML; nvidia-smi: {told}."
    ours = f"{reading.temperature_c:.0f} C, {reading.memory_used_mib:.0f} MiB in use"
    return f"At the end, by NVML: {ours}; by nvidia-smi (temperature, memory, power): {told}."


def table(names: tuple[str, ...]) -> str:
    lines = [
        f"{torch.cuda.get_device_name()}, {machine()}.",
        "",
        "| flags | micro-batch | studies/s | reports/s | allocated GiB | reserved GiB | estimate GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        lines.append(str(measured(name, ROWS[name])))
        print(lines[-1], flush=True)
    return "\n".join([*lines, "", heat()])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rows, and fewer steps of each choice")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("skipped: no CUDA device, so nothing of a GPU was measured")
        return 0
    found = table(QUICK if options.quick else tuple(ROWS))
    command = [sys.executable, str(CHOICES), "--device", "cuda", *(["--quick"] if options.quick else [])]
    choices = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    print(choices)
    if options.write:
        text = f"{found}\n\n{choices.replace(chr(10) + '| default', chr(10) * 2 + '| default')}"
        PAGE.write_text(put_between_markers(PAGE.read_text("utf-8"), "card", text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
