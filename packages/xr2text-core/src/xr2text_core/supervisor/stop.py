"""Ctrl-C, SIGTERM and SIGHUP ask the loop to stop: it saves and leaves after the step under way.

A second Ctrl-C leaves at once. A repeated SIGTERM or SIGHUP does not: systems send those twice by themselves.
"""

import os
import signal
from contextlib import suppress
from types import FrameType, TracebackType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # SIGHUP: the terminal was closed; SIGBREAK: Ctrl-Break on Windows
AT_ONCE = ("SIGINT", "SIGBREAK")


class StopRequest:
    """A context in which signals set `signal_name` instead of ending the process."""

    def __init__(self) -> None:
        self.number: int = 0

    def __enter__(self) -> "StopRequest":
        numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
        numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup stays nohup
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.number != 0

    @property
    def name(self) -> str:
        return signal.Signals(self.number).name if self.number else ""

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.number

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            if signal.Signals(number).name in AT_ONCE:
                os._exit(128 + number)
            return
        self.number = number
        note = f"\n{self.name}: finishing this step, then saving and leaving. Ctrl-C now leaves without saving.\n"
        with suppress(OSError):  # after a SIGHUP there is no terminal to write to
            os.write(2, note.encode())  # not print: a signal may arrive in the middle of another write
