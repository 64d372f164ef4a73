"""The signals that ask a supervisor to stop, and how it passes them on to the trainer.

Both share a process group, so the terminal reaches both: Ctrl-Z, fg, hang-ups and output need nothing from us. A signal
to the supervisor alone has to be passed on, and nobody can tell which of the two a Ctrl-C was. So the first SIGINT is
passed on as SIGTERM: a trainer that has had its Ctrl-C takes that for a repetition, whereas at a second SIGINT it would
leave without saving. On Windows the console always reaches both, and there is nothing else to pass on.
"""

import os
import signal
import subprocess
import time
from types import FrameType, TracebackType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
NUMBERS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
SETTLE_S = 0.5  # by then a Ctrl-C of the terminal has reached the trainer, and comes before what we send


class StopSignals:
    """A context that collects them. One that is ignored when it is entered stays ignored, as after nohup."""

    def __init__(self) -> None:
        self.first = 0
        self._new: list[int] = []
        self._has_passed_on = False

    def __enter__(self) -> "StopSignals":
        numbers = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.first != 0

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.first

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
        self.first = self.first or number
        self._new.append(number)
