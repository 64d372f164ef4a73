"""Redacts a run's files for public posts: numbers, times, and this program's own words stay.

Messages may quote images, ids and folders; only the kinds of errors are kept of them.
"""

import re
from collections.abc import Set
from pathlib import Path
from typing import Any

FIELDS = frozenset((
    "at", "kind", "state", "epoch", "epochs", "stage", "step", "steps_in_epoch", "total_step", "loss",
    "learning_rate", "studies_per_s", "eta_s", "best_score", "best_epoch", "select_by", "last_checkpoint",
    "last_checkpoint_at", "micro_batch", "accumulation", "device", "started_at", "updated_at", "checkpoint", "from",
    "to", "score", "distinct_reports", "temperature_c", "battery_percent", "jump_s", "exit_code", "signal",
    "hung_s", "restarts", "delay_s",
))  # fmt: skip
WORDS = frozenset((
    # states
    "starting", "caching", "training", "validating", "saving", "cooling", "stopping", "finished", "interrupted",
    "failed",
    # kinds of events
    "started", "resumed", "restarted", "gave_up", "stage_changed", "new_best", "checkpoint_saved",
    "checkpoint_failed", "checkpoint_damaged", "history_failed", "labels_changed", "image_lost", "out_of_memory",
    "skipped_step", "collapsed", "hot", "paused", "cooled", "power_unplugged", "power_plugged", "battery_low",
    "clock_jumped",
    # stages
    "normal_cases", "single_region", "multi_region", "complex_cases", "all_cases",
    # settings
    "phantom", "manifest", "iu-xray", "mimic-cxr", "findings", "impression", "both", "laptop", "workstation", "yes",
    "none", "fp16", "bf16", "fp32", "bleu_4+rouge_l", "clinical_f1", "cpu", "auto",
    # signals
    "SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL",
    "SIGUSR1", "SIGUSR2", "SIGXCPU",
))  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
CHECKPOINT = re.compile(r"(best_model|final_model|latest|checkpoint_epoch_\d+)\.pt")
MODEL = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?")  # of timm, or OWNER/NAME on the hub
ERROR_KINDS = re.compile(
    r"\b(?:[A-Z][a-z]+|OS|IO|EOF|NVML)+(?:Error|Exception)\b|\bOutOfMemory\b|\b(?:Errno|WinError) \d+|CUDA error|"
    r"cuDNN error|CUBLAS_STATUS_[A-Z_]+|out of memory|device-side assert|unspecified launch failure|"
    r"illegal memory access|no kernel image|disk is full|No space left on device|Permission denied|"
    r"Read-only file system|checksum|cut short|other settings|other studies|not finite|no finite loss"
)


def known_fields(values: dict[str, Any], known: Set[str] = FIELDS) -> list[str]:
    """NAME=VALUE of the known fields; the value of an unknown text is redacted."""
    present = {name: value for name, value in values.items() if name in known and value is not None}
    return [f"{name}={_redacted_value(name, value)}" for name, value in present.items()]


def error_kinds(values: dict[str, Any]) -> list[str]:
    """The kinds of errors that the message of a status or an event names."""
    text = f"{values.get('message', '')} {values.get('reason', '')}"
    found = dict.fromkeys(match.group() for match in ERROR_KINDS.finditer(text))
    return [f"errors: {', '.join(found)}"] if found else []


def _redacted_value(name: str, value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    is_model = name in ("encoder", "decoder") and MODEL.fullmatch(text) and not Path(text).exists()
    is_known = text in WORDS or is_model or TIME.fullmatch(text) or CHECKPOINT.fullmatch(text)
    return text if is_known else "(left out)"
