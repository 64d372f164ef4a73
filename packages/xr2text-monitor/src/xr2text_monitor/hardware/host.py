"""The machine and the trainer's process, through psutil. Looks only: no signal, no priority, no open file."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Process = Literal["alive", "stopped", "gone", "reused", "elsewhere", "unknown"]
START_TOLERANCE_S = 30.0  # the start of a process is derived from the boot time, which moves when the clock is set


@dataclass(frozen=True)
class Host:
    """Percent of all cores, bytes of memory, bytes free where the checkpoints go. None: could not be read."""

    cpu_percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    disk_free: int | None = None
    disk_total: int | None = None
    trainer_memory: int | None = None


def read_host(disk: tuple[int | None, int | None], trainer: int | None) -> Host:
    """`disk` as `disk_space` gives it; `trainer` is the pid when it is known to be the trainer's.

    CPU is the share since the last call.
    """
    try:
        memory = psutil.virtual_memory()
        cpu = psutil.cpu_percent(None)
    except (OSError, psutil.Error, RuntimeError):
        return Host(disk_free=disk[0], disk_total=disk[1])
    return Host(cpu, memory.total - memory.available, memory.total, *disk, _resident(trainer))


def look_at_process(pid: int | None, host: str, started_s: float | None) -> Process:
    """Is the process that wrote the status still there? A pid alone may have been given to another process since."""
    if host and host != socket.gethostname():
        return "elsewhere"
    if pid is None or pid <= 0:
        return "unknown"
    try:
        process = psutil.Process(pid)
        state = process.status()
        created = process.create_time()
    except psutil.NoSuchProcess:
        return "gone"
    except (psutil.Error, OSError, OverflowError):
        return "unknown"
    if state == psutil.STATUS_ZOMBIE:
        return "gone"
    if started_s is not None and abs(created - started_s) > START_TOLERANCE_S:
        return "reused"
    return "stopped" if state == psutil.STATUS_STOPPED else "alive"


def disk_space(path: Path) -> tuple[int | None, int | None]:
    """Free and total bytes of the file system that holds `path` or its nearest existing parent."""
    for folder in (path, *path.parents):
        try:
            usage = psutil.disk_usage(os.fspath(folder))
            return usage.free, usage.total
        except OSError:
            continue
    return None, None


def _resident(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return None
