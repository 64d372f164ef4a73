"""The signals that ask a program to stop: Ctrl-C, SIGTERM, a closed terminal, and those of schedulers, which announce
that the time is nearly up (SIGUSR1, SIGUSR2, SIGXCPU). One context for trainer and supervisor.

Both share a process group, so the terminal reaches both: Ctrl-Z, fg, hang-ups and output need nothing from us. A signal
to the supervisor only has to be passed on, and the two kinds of Ctrl-C look the same. So the first SIGINT is
passed on as SIGTERM: a trainer that already got Ctrl-C takes that for a repetition, whereas at a second SIGINT it would
leave without saving. On Windows the console always reaches both, and there is nothing else to pass on.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Self

# SIGHUP: the terminal was closed; SIGBREAK: Ctrl-Break on Windows; SIGXCPU: a limit of CPU time is reached
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", "SIGUSR1", "SIGUSR2", "SIGXCPU")
NUMBERS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
AT_ONCE = ("SIGINT", "SIGBREAK")
log = logging.getLogger(__name__)
SETTLE_S = 0.5  # by then a Ctrl-C of the terminal has reached the trainer, and comes before what we send


class StopRequest:
    """A context that notes signals instead of letting them end the process. An ignored one (nohup) stays ignored.

    Python handles signals in its main thread alone: in another one nothing is noted, and the log says so.
    """

    def __init__(self) -> None:
        self.number = 0  # of the first signal

    def __enter__(self) -> Self:
        numbers = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
        if threading.current_thread() is not threading.main_thread():
            log.warning("Not in the main thread: Ctrl-C and other signals end this process without saving.")
            numbers = []
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.number != 0

    @property
    def name(self) -> str:
        return signal.Signals(self.number).name if self.number else ""

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 after Ctrl-C, 143 after SIGTERM, 138 after SIGUSR1."""
        return 128 + self.number

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number


class StopAfterStep(StopRequest):
    """For the trainer, which saves and leaves after the step under way.

    A second Ctrl-C exits at once. A repeated SIGTERM or SIGHUP does not: systems may send those twice.
    """

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            if signal.Signals(number).name in AT_ONCE:
                os._exit(128 + number)
            return
        self.number = number
        note = f"\n{self.name}: finishing this step, then saving and leaving. Ctrl-C now leaves without saving.\n"
        with suppress(OSError, ValueError):  # after a SIGHUP there is no terminal to write to
            if sys.__stderr__ is not None:  # else 2 may be the descriptor of any file
                os.write(sys.__stderr__.fileno(), note.encode())  # not print: a signal may interrupt another write


class StopBoth(StopRequest):
    """For the supervisor, which passes on what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[int] = []
        self._has_passed_on = False

    def pass_on(self, child: "subprocess.Popen[bytes]") -> None:
        """Send the child what has arrived since the last call."""
        if not self._new or os.name == "nt":
            return
        time.sleep(SETTLE_S)
        number, self._new = self._new[0], []
        is_request = number == signal.SIGINT and not self._has_passed_on
        self._has_passed_on = True
        child.send_signal(signal.SIGTERM if is_request else number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        super()._on_signal(number, frame)
        self._new.append(number)
