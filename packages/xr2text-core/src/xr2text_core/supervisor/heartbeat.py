"""Tells a hanging trainer from a slow one by how its status.json changes, never by the timestamps in it."""

import json
import statistics
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOT_YET_WORKING = frozenset({"starting", "caching"})
NUM_INTERVALS = 51  # the newest ones, whose median is the usual time between two changes
PROBE = b"\0" * 8192  # more than a status needs


@dataclass(frozen=True)
class Limits:
    """How long a status may stay the same, in seconds."""

    starting_s: float = 3600.0  # decoding a large data set; also until it is known how long a step takes
    working_s: float = 300.0  # never less than this
    factor: float = 20.0  # times the usual time between two changes
    asleep_s: float = 30.0  # a longer gap between two polls means that we were suspended: sleep, or Ctrl-Z


LIMITS = Limits()


class Heartbeat:
    """Follows the status of one trainer after another in the same run."""

    def __init__(self, path: Path, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.limits = limits
        self.clock = clock
        self.furthest = (0, 0)  # epoch, and steps done in it
        self.has_reported = False  # whether any trainer that we follow wrote a status
        self.intervals: deque[float] = deque(maxlen=NUM_INTERVALS)
        self.begin()

    def begin(self) -> None:
        """A trainer is about to start: the present status is that of an earlier one."""
        self.earlier = _process(self._read())
        self.fields: dict[str, Any] = {}
        self.changed_at = self.polled_at = self.clock()

    def look(self) -> None:
        """Read the status; to be called often."""
        now = self.clock()
        if now - self.polled_at > self.limits.asleep_s:
            self.changed_at = now
        self.polled_at = now
        fields = self._read()
        if not fields or fields == self.fields or _process(fields) == self.earlier:
            return
        if self._is_working() and fields.get("state") not in NOT_YET_WORKING:
            self.intervals.append(now - self.changed_at)
        self.fields, self.changed_at, self.has_reported = fields, now, True
        self.furthest = max(self.furthest, _position(fields))

    def limit_s(self) -> float:
        """How long the status may stay unchanged."""
        if not self._is_working() or not self.intervals:
            return self.limits.starting_s
        return max(self.limits.working_s, self.limits.factor * statistics.median(self.intervals))

    def silence_s(self) -> float:
        return self.polled_at - self.changed_at

    def is_hanging(self) -> bool:
        """Whether the trainer hangs. On a full disk this is unknown: it trains on without a status."""
        if self.silence_s() <= self.limit_s():
            return False
        if not self._can_be_written():
            self.changed_at = self.polled_at
            return False
        return True

    def _is_working(self) -> bool:
        return bool(self.fields) and self.fields.get("state") not in NOT_YET_WORKING

    def _read(self) -> dict[str, Any]:
        try:
            fields = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return fields if isinstance(fields, dict) else {}

    def _can_be_written(self) -> bool:
        probe = self.path.with_name("supervisor.tmp")
        try:
            probe.write_bytes(PROBE)
            return True
        except OSError:
            return False
        finally:
            with suppress(OSError):
                probe.unlink()


def _process(fields: dict[str, Any]) -> tuple[Any, ...]:
    """Who wrote a status. Not compared with the child's pid: on Windows that is the launcher of the environment."""
    return fields.get("host"), fields.get("pid"), fields.get("process_started_s")


def _position(fields: dict[str, Any]) -> tuple[int, int]:
    epoch, step = fields.get("epoch"), fields.get("step")
    return (epoch, step) if isinstance(epoch, int) and isinstance(step, int) else (0, 0)
