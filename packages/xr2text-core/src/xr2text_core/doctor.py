"""Prints the state of this computer and its last run, to paste into a request for help.

    python -m xr2text_core.doctor [--run NAME] [--out DIR]

It holds nothing of the data set: no report text, ids, image names or folders (run/redact.py).
"""

import argparse
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from xr2text_core.checks.hardware import ask_torch, size
from xr2text_core.data.images.cache_files import caches
from xr2text_core.data.study import SPLITS
from xr2text_core.machine.nvml import driver_versions, read_gpus
from xr2text_core.machine.power import read_power
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.redact import error_kinds, known_fields
from xr2text_core.settings.settings import Settings

DISTRIBUTIONS = (
    "xr2text-core", "xr2text-monitor", "torch", "torchvision", "timm", "transformers", "tokenizers", "accelerate",
    "huggingface-hub", "numpy", "pillow", "nvidia-ml-py", "wakepy",
)  # fmt: skip
ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES", "PYTORCH_CUDA_ALLOC_CONF", "OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TIMM_FUSED_ATTN",
    "WORLD_SIZE",
)  # fmt: skip
NUM_EVENTS = 20
SETTINGS = frozenset(each.name for each in fields(Settings)) - {"root", "out", "run"}


# -- the computer


def versions() -> list[str]:
    lines = [f"python {platform.python_version()} ({platform.architecture()[0]})"]
    for name in DISTRIBUTIONS:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} -")
    return lines


def computer(out: Path) -> list[str]:
    memory, power = psutil.virtual_memory(), read_power()
    existing = next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())
    disk = shutil.disk_usage(existing)
    plugged = {True: "plugged in", False: "not plugged in", None: "unknown"}
    return [
        platform.platform(),
        f"{_processor()}, {psutil.cpu_count(logical=False)} cores, {psutil.cpu_count()} threads",
        f"memory {memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} available",
        f"disk {size(disk.free)} free of {size(disk.total)}",
        f"power {plugged[power.is_plugged]}, battery {power.battery_percent:.0f} %" if power else "power: no battery",
        *(f"{name}={os.environ[name]}" for name in ENVIRONMENT if re.fullmatch(r"[\w:,.-]+", os.environ.get(name, ""))),
    ]


def image_caches(out: Path) -> list[str]:
    """Decoded images of all data sets so far; nothing else tells which of them nobody uses any more."""
    found = []
    for name, count, num_bytes, tokens in caches(out / "data" / "cache"):
        found.append(f"{name}: {count} images, {size(num_bytes)}")
        found += [f"{name}/{file}: tokens of a frozen encoder, {size(num)}" for file, num in tokens]
    advice = "any may be deleted while nothing trains: what is still used is decoded again"
    return [*found, advice] if found else ["none"]


def _processor() -> str:
    """The CPU's model name; Linux has it only in a file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.+)", text)
    return found.group(1) if found else platform.processor() or platform.machine()


def gpus() -> list[str]:
    """GPUs as the driver reports them. Programs on a GPU are counted, not named."""
    driver = driver_versions()
    lines = [f"driver {driver.driver}, CUDA {driver.cuda}" if driver else "no NVIDIA driver found"]
    for gpu in read_gpus():
        lines.append(
            f"{gpu.index}: {gpu.name}, {_number(gpu.memory_used_mib)} of {_number(gpu.memory_total_mib)} MiB in use by "
            f"{len(gpu.processes or ())} programs, {_number(gpu.temperature_c)} degrees C, "
            f"{_number(gpu.utilization_percent)} % busy"
        )
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def torch_gpu() -> list[str]:
    gpu = ask_torch()
    built = f"built for CUDA {gpu.built_for}" if gpu.built_for else "built for the CPU only"
    return [built, f"GPU: {gpu.name}, a small kernel ran" if not gpu.problem else f"no GPU: {gpu.problem}"]


# -- the last run


def status(folder: RunFolder) -> list[str]:
    values = _read_json(folder.status)
    return [*known_fields(values), *error_kinds(values)] or ["no status.json"]


def settings(folder: RunFolder) -> list[str]:
    """Settings of the last start, without folders and run name."""
    contents = _read_json(folder.run_json)
    data = _mapping(contents.get("data"))
    splits = _mapping(data.get("splits"))
    counts = [f"{split}={splits[split]}" for split in SPLITS if isinstance(splits.get(split), int)]
    left_out = sum(count for count in _mapping(data.get("left_out")).values() if isinstance(count, int))
    known = known_fields(_mapping(contents.get("settings")), SETTINGS)
    return [*known, *counts, f"left_out={left_out}"] if contents else ["no run.json"]


def events(folder: RunFolder) -> list[str]:
    """The last events, one per line."""
    try:
        lines = folder.events.read_text(encoding="utf-8", errors="replace").splitlines()[-NUM_EVENTS:]
    except OSError:
        return ["no events.jsonl"]
    return [" ".join([*known_fields(event), *error_kinds(event)]) for event in map(_parsed, lines)]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def _parsed(text: str) -> dict[str, Any]:
    """Empty for a truncated line or anything else than JSON."""
    try:
        return _mapping(json.loads(text))
    except ValueError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# -- the report


def sections(out: Path, folder: RunFolder) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each part. A part that fails shows its error: this command must work when others do not."""
    parts: dict[str, Callable[[], list[str]]] = {
        "versions": versions,
        "computer": lambda: computer(out),
        "image caches": lambda: image_caches(out),
        "GPUs, as the driver sees them": gpus,
        "GPU, as PyTorch sees it": torch_gpu,
        "last run: status": lambda: status(folder),
        "last run: settings": lambda: settings(folder),
        f"last run: last {NUM_EVENTS} events": lambda: events(folder),
    }
    for title, part in parts.items():
        try:
            yield title, part()
        except Exception as error:
            yield title, [f"not available: {type(error).__name__}"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.doctor", usage="%(prog)s [flags]", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--run", default="", metavar="NAME", help="name of the run (default: the one without a name)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that holds checkpoints/ and data/ (default: here)",
    )
    options = parser.parse_args(arguments)
    try:
        folder = RunFolder.under(options.out, options.run)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("XR2Text, for a request for help. It contains no images, report text, ids or folders.")
    for title, lines in sections(options.out, folder):
        print(f"\n{title}\n" + "\n".join(f"  {line}" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
