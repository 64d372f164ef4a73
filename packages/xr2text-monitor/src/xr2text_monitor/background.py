"""Reads again and again in a thread of its own: a file that hangs keeps nobody waiting but this thread."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(threading.Thread, Generic[T]):
    """Gives what `read` returns to `show`, every `every_s` seconds until `stop`; `show` is called in this thread."""

    def __init__(self, read: Callable[[], T], show: Callable[[T], object], every_s: float) -> None:
        super().__init__(name="background", daemon=True)
        self.read, self.show, self.every_s = read, show, every_s
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            found = self.read()
            if not self._stopping.is_set():
                self.show(found)
            self._stopping.wait(self.every_s)

    def stop(self) -> None:
        """End soon; does not wait."""
        self._stopping.set()
