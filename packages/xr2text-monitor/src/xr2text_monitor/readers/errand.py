"""Work that may hang, such as reading from a dead network drive: done in its own thread, awaited with a deadline."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """Does `work` once per `result`, in one daemon thread. One that hangs is waited for again, not started twice."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work, self._name = work, name
        self._begin, self._done = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._started_at: float | None = None
        self._outcome: T | BaseException | None = None
        self._is_over = False

    @property
    def late_s(self) -> float:
        """How long the present run has been under way; 0 when none is."""
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    def start(self) -> None:
        """Begin, unless a run is still under way."""
        if self._started_at is not None:
            return
        self._started_at = time.monotonic()
        self._done.clear()
        self._begin.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()

    def result(self, wait_s: float) -> T | None:
        """What `work` returns, or None when it is not done within `wait_s`. A defect of `work` is raised here."""
        self.start()
        if not self._done.wait(wait_s):
            return None
        self._started_at = None
        outcome = self._outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def stop(self) -> None:
        """Let the thread end after its present run; nothing can be asked for any more."""
        self._is_over = True
        self._begin.set()

    def _serve(self) -> None:
        while True:
            self._begin.wait()
            self._begin.clear()
            if self._is_over:
                return
            try:
                self._outcome = self._work()
            except BaseException as error:
                self._outcome = error
            self._done.set()
