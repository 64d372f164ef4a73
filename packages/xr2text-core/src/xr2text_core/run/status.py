"""status.json, the current state of a run, and events.jsonl, its log. Neither aborts training; failures are logged."""

import json
import logging
import math
import os
import socket
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from xr2text_core.run.atomic import append_line, replace_text

FORMAT = 1
RECENT = 240
OVER = frozenset({"finished", "interrupted", "failed"})
WARNINGS = frozenset(
    {
        "out_of_memory",
        "skipped_step",
        "checkpoint_failed",
        "history_failed",
        "checkpoint_damaged",
        "collapsed",
        "failed",
        "image_lost",
        "restarted",
        "gave_up",
        "hot",
        "paused",
        "power_unplugged",
        "battery_low",
        "clock_jumped",
        "labels_changed",
    }
)
log = logging.getLogger(__name__)


def now() -> str:
    """The time in UTC, ISO 8601 with offset, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def running_trainer(path: Path) -> int | None:
    """The process id of the trainer in a status.json, if it is alive on this host and is not this process."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(fields["pid"])
        is_the_same = abs(process.create_time() - fields["process_started_s"]) < 2
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    is_elsewhere = fields.get("host") != socket.gethostname()
    if is_elsewhere or not is_the_same or process.pid == os.getpid() or fields.get("state") in OVER:
        return None
    return process.pid


class Status:
    """Holds the fields of status.json and writes them at most once a second, or immediately when the state changes."""

    def __init__(self, path: Path, run: str, checkpoints: Path) -> None:
        self.path = path
        self.recent_losses: deque[float] = deque(maxlen=RECENT)
        self.fields: dict[str, Any] = {
            "format": FORMAT,
            "state": "starting",
            "run": run,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process_started_s": psutil.Process().create_time(),
            "started_at": now(),
            "checkpoints_dir": str(checkpoints),
        }
        self._written = 0.0
        self._failed = False

    def update(self, **fields: Any) -> None:
        """Set fields; write when a second has passed since the last write, or when the state changed."""
        changed = fields.get("state", self.fields["state"]) != self.fields["state"]
        self.fields.update(fields)
        if changed or time.monotonic() - self._written >= 1.0:
            self.write()

    def write(self) -> None:
        """Write now. A failure is logged once and otherwise ignored."""
        self._written = time.monotonic()
        fields = {name: None if _is_not_finite(value) else value for name, value in self.fields.items()}
        losses = [loss for loss in self.recent_losses if math.isfinite(loss)]
        contents = {**fields, "recent_losses": losses, "updated_at": now()}
        try:
            replace_text(self.path, json.dumps(contents, indent=1) + "\n", durably=False)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("status.json cannot be written, training continues: %s", error)
            self._failed = True


def _is_not_finite(value: Any) -> bool:
    """NaN and infinity are not JSON: a skipped step has no loss to show."""
    return isinstance(value, float) and not math.isfinite(value)


class Events:
    """Appends to events.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, kind: str, message: str, **fields: Any) -> None:
        """Log an event to the console and the file. `message` is one sentence and never contains report text."""
        log.log(logging.WARNING if kind in WARNINGS else logging.INFO, "%s", message)
        try:
            append_line(self.path, json.dumps({"at": now(), "kind": kind, "message": message, **fields}))
        except OSError as error:
            log.warning("event not recorded (%s): %s", error, message)


class NullStatus(Status):
    """Keeps its fields in memory."""

    def write(self) -> None: ...


class NullEvents(Events):
    """Logs and writes nothing."""

    def add(self, kind: str, message: str, **fields: Any) -> None: ...
