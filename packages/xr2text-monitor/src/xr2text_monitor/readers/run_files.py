"""The other files of a run (docs/run-files.md): status.json, events.jsonl, run.json, and the list of checkpoints.

Everything is opened, read and closed at once; a checkpoint is never opened, only its name, size and time are looked at.
"""

import json
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from xr2text_monitor.readers.growing_file import GONE, GrowingFile, reason, regular
from xr2text_monitor.text import clean

FORMAT = 1
NUM_EVENTS = 500
NUM_KINDS = 64  # of which the newest event is remembered, however many followed
AGAIN_S = 0.05  # a file that is just being replaced is readable then
MAX_JSON_BYTES = 4 << 20  # a status has a few KiB; something this large is not one


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a run are. `name` is empty without --run."""

    statistics: Path
    checkpoints: Path
    name: str = ""
    out: Path | None = None  # what it lies below, where that is known

    @classmethod
    def under(cls, out: Path, name: str = "") -> "RunFolder":
        """The run `name` below `out`, the folder that holds checkpoints/ and data/statistics/."""
        if name and (Path(name).is_absolute() or ".." in Path(name).parts):
            raise ValueError(
                f"--run {name!r}: a name below data/statistics/ was expected, not a path that leads elsewhere"
            )
        return cls(out / "data" / "statistics" / name, out / "checkpoints" / name, name, out)

    def exists(self) -> bool:
        """Whether a trainer has written here."""
        return any(os.path.lexists(self.statistics / name) for name in ("status.json", "training_history.csv"))

    def named_runs(self) -> list[str]:
        """Runs with a name below the same --out, newest first: what to offer when nothing is here."""
        root = self.statistics if self.out is None else self.out / "data" / "statistics"
        found: list[tuple[float, str]] = []
        for path in _files_below(root, "status.json"):
            with suppress(OSError):
                found.append((-path.stat().st_mtime, path.parent.relative_to(root).as_posix()))
        return [name for _, name in sorted(found)]

    def similar(self, names: Sequence[str]) -> str:
        """The one of `names` that was probably meant; empty where none is near."""
        from difflib import get_close_matches  # rarely needed

        lowered = {name.lower(): name for name in names}
        return next((lowered[near] for near in get_close_matches(self.name.lower(), list(lowered), 1)), "")


@dataclass(frozen=True)
class Status:
    """status.json. None or an empty text: missing, or of another type. Times in Unix seconds."""

    state: str = ""
    run: str = ""
    pid: int | None = None
    host: str = ""
    process_started_s: float | None = None
    started_at: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    stage: str = ""
    step: int | None = None
    steps_in_epoch: int | None = None
    loss: float | None = None
    recent_losses: tuple[float, ...] = ()
    learning_rate: float | None = None
    studies_per_s: float | None = None
    eta_s: float | None = None
    best_score: float | None = None
    best_epoch: int | None = None
    select_by: str = ""
    last_checkpoint: str = ""
    last_checkpoint_at: float | None = None
    checkpoints_dir: str = ""
    micro_batch: int | None = None
    accumulation: int | None = None
    device: str = ""
    message: str = ""
    updated_at: float | None = None
    format: int | None = None


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl; `at` in Unix seconds."""

    at: float | None
    kind: str
    message: str
    epoch: int | None = None
    checkpoint: str = ""
    delay_s: float | None = None
    number: int = 0  # its place in the file, from 1


class Problem(NamedTuple):
    """A file that is there and cannot be read, and why."""

    name: str
    reason: str
    is_hanging: bool = False  # and so hides everything else

    def __str__(self) -> str:
        return f"cannot read {self.name}: {self.reason}"


@dataclass(frozen=True)
class RunInfo:
    """What the monitor shows of run.json."""

    data: str = ""
    protocol: str = ""
    version: str = ""
    num_parameters: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint by what the folder says of it; `epoch` is None where neither name nor status tells."""

    name: str
    size: int
    modified_at: float
    epoch: int | None = None


class JsonReader:
    """A small JSON file that is replaced as a whole. Keeps the last good contents while the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""  # why the file cannot be read, although it is there
        self._forget()

    def _forget(self) -> None:
        self.contents: dict[str, Any] | None = None
        self.modified_at: float | None = None
        self.stamp: tuple[int, int, int] | None = None

    def read(self) -> dict[str, Any] | None:
        """The contents; None when there is no such file, or it has never held a JSON object."""
        had_problem = self.problem
        self._try()
        if self.problem and not had_problem:
            time.sleep(AGAIN_S)
            self._try()
        return self.contents

    def _try(self) -> None:
        self.problem = ""
        try:
            found = regular(self.path)
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self.stamp:
                return
            if found.st_size > MAX_JSON_BYTES:
                raise ValueError("too large")
            contents = json.loads(self.path.read_bytes())
            if not isinstance(contents, dict):
                raise TypeError("another kind of JSON")
            self.contents, self.stamp, self.modified_at = contents, stamp, found.st_mtime
        except GONE:
            self._forget()
        except OSError as error:
            self.problem = reason(error)
        except (ValueError, TypeError, RecursionError):
            self.problem = "it is damaged (no JSON object)"


class EventsReader:
    """Follows events.jsonl and keeps the newest `NUM_EVENTS`; `num_read` counts all since the file began.

    `generation` rises when the file began anew.
    """

    def __init__(self, path: Path) -> None:
        self.file = GrowingFile(path)
        self.events: deque[Event] = deque(maxlen=NUM_EVENTS)
        self.num_read = 0
        self.generation = 0
        self._newest: dict[str, Event] = {}

    def read(self) -> deque[Event]:
        for block in self.file.read():
            if block.restarted:
                self.events.clear()
                self._newest.clear()
                self.num_read = 0
                self.generation += 1
            for line in block.lines:
                event = _event(line, self.num_read + 1)
                if event is not None:
                    self.events.append(event)
                    self.num_read += 1
                    if event.kind in self._newest or len(self._newest) < NUM_KINDS:
                        self._newest[event.kind] = event
        return self.events

    def remembered(self) -> tuple[Event, ...]:
        """The newest events, and before them the newest of every other kind, however long ago."""
        first = self.num_read - len(self.events) + 1
        older = [event for event in self._newest.values() if event.number < first]
        return (*sorted(older, key=lambda event: event.number), *self.events)


def _files_below(root: Path, name: str) -> Iterator[Path]:
    """Files of this name one or two folders below `root`; folders that may not be entered are left out."""
    with suppress(OSError):
        yield from root.glob(f"*/{name}")
    with suppress(OSError):
        yield from root.glob(f"*/*/{name}")


def status_from(contents: dict[str, Any]) -> Status:
    """The fields of status.json that have the expected type; the others stay missing."""
    losses = contents.get("recent_losses")
    return Status(
        recent_losses=tuple(float(x) for x in losses if _is_number(x)) if isinstance(losses, list) else (),
        **{name: _text(contents.get(name)) for name in _names(str)},  # type: ignore[arg-type]
        **{name: _float(contents.get(name)) for name in _names(float | None)},  # type: ignore[arg-type]
        **{name: _int(contents.get(name)) for name in _names(int | None)},  # type: ignore[arg-type]
        **{name: parse_time(contents.get(name)) for name in _TIMES},  # type: ignore[arg-type]
    )


def run_info_from(contents: dict[str, Any]) -> RunInfo:
    """The few fields of run.json that are shown."""
    data, protocol = contents.get("data"), contents.get("protocol")
    name = data.get("name") if isinstance(data, dict) else data
    if isinstance(protocol, dict):
        protocol = ", ".join(
            f"{key}: {value}" for key, value in protocol.items() if isinstance(value, str | int | float)
        )
    return RunInfo(_text(name), _text(protocol), _text(contents.get("version")), _int(contents.get("num_parameters")))


def list_checkpoints(folder: Path, status: Status | None) -> list[Checkpoint]:
    """Finished checkpoint files, newest first. Temporary names are left out; a folder that is not there is empty."""
    return look_for_checkpoints(folder, status)[0]


def look_for_checkpoints(folder: Path, status: Status | None) -> tuple[list[Checkpoint], str]:
    """The same, and why the folder cannot be read, where it is there."""
    found, problem = [], ""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".pt") and entry.is_file():
                    seen = entry.stat()
                    epoch = _epoch_of(entry.name, status)
                    found.append(Checkpoint(clean(entry.name, 80), seen.st_size, seen.st_mtime, epoch))
    except GONE:
        pass
    except OSError as error:
        problem = reason(error)
    return sorted(found, key=lambda checkpoint: (-checkpoint.modified_at, checkpoint.name)), problem


def parse_time(value: object) -> float | None:
    """ISO 8601 to Unix seconds; a time without offset counts as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _epoch_of(name: str, status: Status | None) -> int | None:
    numbered = re.fullmatch(r"checkpoint_epoch_(\d{1,9})\.pt", name)
    if numbered:
        return int(numbered.group(1))
    if status is None:
        return None
    # Of latest.pt only its age is known: the trainer may be epochs further, or have just begun another one.
    final = status.epoch if status.state == "finished" else None
    return {"best_model.pt": status.best_epoch, "final_model.pt": final}.get(name)


def _event(line: str, number: int) -> Event | None:
    try:
        contents = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(contents, dict):
        return None
    kind, message = _text(contents.get("kind")), _text(contents.get("message"))
    return Event(
        parse_time(contents.get("at")),
        kind,
        message,
        _int(contents.get("epoch")),
        _text(contents.get("checkpoint")),
        _float(contents.get("delay_s")),
        number,
    )


_TIMES = tuple(name for name in Status.__dataclass_fields__ if name.endswith("_at"))


def _names(kind: object) -> tuple[str, ...]:
    """The fields of Status of one type, times left out."""
    all_fields = Status.__dataclass_fields__.values()
    return tuple(one.name for one in all_fields if one.type == kind and not one.name.endswith("_at"))


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: object) -> float | None:
    try:
        return float(value) if _is_number(value) else None  # type: ignore[arg-type]
    except OverflowError:
        return None


def _int(value: object) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15 else None
