"""Starts a trainer and starts it again after a crash, a poisoned CUDA context or a hang: `train --supervise`.

The same command resumes from disk, so a restart repeats it. This process imports nothing heavy and only reads
status.json. Killed with SIGKILL, it leaves a trainer that continues unsupervised; a second one beside that is refused.
"""

import argparse
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xr2text_core.run.folder import RunFolder
from xr2text_core.run.status import Events
from xr2text_core.supervisor.heartbeat import LIMITS, Heartbeat, Limits
from xr2text_core.supervisor.signals import NUMBERS, StopBoth

TRAINER = (sys.executable, "-m", "xr2text_core.train")
EXIT_FINISHED, EXIT_FAILED, EXIT_UNUSABLE = 0, 1, 2
EXIT_NOT_STARTED = 126  # as shells report it
SAVED_AND_LEFT = frozenset(128 + number for number in NUMBERS)
MOST_IDLE = 3  # restarts in a row without a new step
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pauses:
    """How long the supervisor waits, in seconds."""

    look_s: float = 0.5  # between two polls of the trainer
    restart_s: tuple[float, ...] = (5.0, 20.0, 60.0)  # before a restart; longer after a restart without progress
    save_s: float = 30.0  # after SIGTERM, before SIGKILL
    death_s: float = 60.0  # after SIGKILL; what outlives it is stuck in a driver or on a disk


PAUSES = Pauses()


@dataclass(frozen=True)
class Ending:
    """How a trainer ended: its code as `subprocess` gives it (None: it cannot be killed), and how long it had hung."""

    code: int | None
    hung_s: float | None = None

    @property
    def signal_name(self) -> str:
        number = -(self.code or 0)
        return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"

    def fields(self) -> dict[str, Any]:
        """Its fields in events.jsonl."""
        hung = {} if self.hung_s is None else {"hung_s": round(self.hung_s)}
        if self.code is not None and self.code < 0:
            return {"signal": self.signal_name, **hung}
        return {"exit_code": self.code, **hung}

    def __str__(self) -> str:
        if self.code is None:
            return "hangs in a driver or on a disk and cannot be killed; restart the computer"
        if self.hung_s is not None:
            return f"gave no sign of life for {self.hung_s:.0f} s and was ended"
        if self.code < 0:
            hint = " (as systems do when memory runs out)" if self.signal_name == "SIGKILL" else ""
            return f"was killed by {self.signal_name}{hint}"
        return f"ended with exit code {self.code if self.code < 256 else hex(self.code)}"  # Windows: 0xc0000005


def supervise(
    flags: Sequence[str],
    folder: RunFolder,
    open_log: Callable[[Path | None], None],
    command: Sequence[str] = TRAINER,
    limits: Limits = LIMITS,
    pauses: Pauses = PAUSES,
) -> int:
    """Train with `flags` until the run is finished, stopped or hopeless; return the exit code.

    `open_log` sends messages to the log of the run too, or with None to the console only: the log is open only while
    a message is logged, because the trainer may have to move it aside.
    """
    with StopBoth() as stop:
        return Supervisor(flags, folder, open_log, command, Heartbeat(folder.status, limits), pauses, stop).run()


@dataclass
class Supervisor:
    flags: Sequence[str]
    folder: RunFolder
    open_log: Callable[[Path | None], None]
    command: Sequence[str]
    heartbeat: Heartbeat
    pauses: Pauses
    stop: StopBoth

    def __post_init__(self) -> None:
        self.latest_before = _stamp(self.folder.latest)

    def run(self) -> int:
        restarts = idle = 0
        while True:
            furthest = self.heartbeat.furthest
            ending = self._train()
            if (code := self._final_code(ending)) is not None:
                return code
            has_new_step = self.heartbeat.furthest > furthest
            idle = 0 if has_new_step or restarts == 0 else idle + 1
            if idle == MOST_IDLE or ending.code is None:
                return self._give_up(ending, restarts)
            restarts += 1
            delay_s = self.pauses.restart_s[idle]
            self._add_event(
                "restarted", f"The trainer {self._describe(ending)}. Starting it again in {delay_s:g} s",
                **ending.fields(), restarts=restarts, delay_s=delay_s,
            )  # fmt: skip
            if not self._wait(delay_s):
                log.info("Stopped while no trainer was running; the same command continues from the newest checkpoint.")
                return self.stop.exit_code

    def _train(self) -> Ending:
        """Run one trainer to its end, or end it when it hangs."""
        self.heartbeat.begin()
        try:
            child = subprocess.Popen([*self.command, *self._flags_now()])
        except OSError as error:
            log.warning("The trainer cannot be started: %s", error)
            return Ending(EXIT_NOT_STARTED)
        while child.poll() is None:
            time.sleep(self.pauses.look_s)
            self.stop.pass_on(child)
            self.heartbeat.look()
            if self.heartbeat.is_hanging():
                return self._end(child)
        self.heartbeat.look()
        return Ending(child.returncode)

    def _end(self, child: "subprocess.Popen[bytes]") -> Ending:
        """Let a hanging trainer save if it still can, and kill it if it cannot."""
        hung_s = self.heartbeat.silence_s()
        for end, patience_s in ((child.terminate, self.pauses.save_s), (child.kill, self.pauses.death_s)):
            end()
            with suppress(subprocess.TimeoutExpired):
                return Ending(child.wait(patience_s), hung_s)
        return Ending(None, hung_s)

    def _flags_now(self) -> list[str]:
        """The flags of the next start: a restart must neither move this run aside again nor go back to where it began.

        `--fresh` is dropped once a trainer has written its own status, `--resume FILE` once one has saved latest.pt;
        a trainer that dies earlier has changed nothing, and without the flag the next would continue the older run.
        """
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--supervise", action="store_true")
        parser.add_argument("--fresh", action="store_true")
        parser.add_argument("--resume")
        start, others = parser.parse_known_args(self.flags)
        if start.fresh and not self.heartbeat.has_reported:
            others.append("--fresh")
        if start.resume is not None and _stamp(self.folder.latest) == self.latest_before:
            others.append(f"--resume={start.resume}")
        return others

    def _final_code(self, ending: Ending) -> int | None:
        """The code to end with; None when the trainer has to be started again."""
        if ending.code in (EXIT_FINISHED, EXIT_UNUSABLE):
            return ending.code
        has_left = ending.code in SAVED_AND_LEFT
        if self.stop:
            is_own_failure = ending.code is not None and ending.code > 0 and not has_left
            return ending.code if is_own_failure else self.stop.exit_code
        return ending.code if has_left and ending.hung_s is None else None

    def _give_up(self, ending: Ending, restarts: int) -> int:
        tries = f"{MOST_IDLE} restarts in a row made no new step. " if ending.code is not None else ""
        message = f"{tries}Giving up: the trainer {self._describe(ending)}. See {self.folder.log}"
        self._add_event("gave_up", message, **ending.fields(), restarts=restarts)
        return EXIT_FAILED

    def _describe(self, ending: Ending) -> str:
        """What happened, where, and the last message of the trainer."""
        fields = self.heartbeat.fields
        if not fields:
            return f"{ending} before it wrote its status"
        where = f" in epoch {fields['epoch']} after {fields.get('step')} steps" if fields.get("epoch") else ""
        message = str(fields.get("message")).partition("\n")[0]
        return f"{ending}{where} (its last status: {fields.get('state')}, {message})"

    def _wait(self, seconds: float) -> bool:
        """Whether the time passed without a signal."""
        until = time.monotonic() + seconds
        while not self.stop and (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, self.pauses.look_s))
        return not self.stop

    def _add_event(self, kind: str, message: str, **fields: Any) -> None:
        """Write an event to events.jsonl, console and log. A full disk is no reason to stop."""
        with suppress(OSError):
            if sys.stderr.isatty():
                print(file=sys.stderr)  # a trainer that was killed leaves its bar in the middle of a line
            self.folder.create()
            self.open_log(self.folder.log)
        Events(self.folder.events).add(kind, message, **fields)
        self.open_log(None)


def _stamp(path: Path) -> tuple[int, ...]:
    """Differs when a file was replaced; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
