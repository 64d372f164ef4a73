"""Looks at a run once a second, and at once when the system reports a change. The poll always runs, so network drives,
WSL and folders that are removed and made again work; watchdog only makes it faster."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xr2text_monitor.readers.errand import Errand
from xr2text_monitor.sampler import Sampler
from xr2text_monitor.snapshot import Snapshot

POLL_S = 1.0
SETTLE_S = 0.03  # a row, a status and an event are written together: read them together
REST_S = 0.1  # shortest time between two looks, however often a file changes


Show = Callable[[Snapshot], None]
Fail = Callable[[Exception], None]


class Watcher(threading.Thread):
    """Calls `show` with a new snapshot after every look, from its own thread, until `stop`; `fail` on a defect."""

    def __init__(
        self,
        sampler: Sampler,
        show: Callable[[Snapshot], None],
        fail: Callable[[Exception], None],
        use_events: bool = True,
    ) -> None:
        super().__init__(name="watcher", daemon=True)
        self.sampler, self.show, self.fail = sampler, show, fail
        self._wake = threading.Event()
        self._stopping = False
        self._changes = FolderChanges(sampler.folder.statistics, self._wake.set) if use_events else None
        self._follow = Errand(self._changes.follow, "follow") if self._changes is not None else None

    def run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # a defect of ours: the screen must say so, not stand still
            self.fail(error)
        finally:
            self.sampler.stop()
            if self._changes is not None and self._follow is not None:
                self._changes.stop()
                self._follow.stop()

    def _watch(self) -> None:
        num_looks = 0
        while not self._stopping:
            self.show(self.sampler.sample())
            num_looks += 1
            if self._follow is not None:
                self._follow.result(0.0)  # it looks at the folder, which may hang
            time.sleep(REST_S)
            # The first answer of the driver comes soon after the start.
            if self._wake.wait(POLL_S - REST_S if num_looks > 3 else REST_S):
                time.sleep(SETTLE_S)
                self._wake.clear()

    def look_now(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """End soon; does not wait."""
        self._stopping = True
        self._wake.set()


class FolderChanges:
    """Reports changes in a folder as the system tells them. Where it cannot, nothing is reported and nothing fails."""

    def __init__(self, folder: Path, report: Callable[[], None]) -> None:
        self.folder, self.report = folder, report
        self._observer: Any = None
        self._followed: tuple[int, int] | None = None

    def follow(self) -> None:
        """Call now and then: begins when the folder appears, and again when another takes its place."""
        try:
            found = self.folder.stat()
            identity = (found.st_dev, found.st_ino)
        except OSError:
            identity = None
        if identity == self._followed:
            return
        self.stop()
        self._followed = identity
        if identity is not None:
            self._start()

    def stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()

    def _start(self) -> None:
        from watchdog import events
        from watchdog.observers import Observer

        # Not opened and closed: our own reading would wake us.
        kinds = [events.FileModifiedEvent, events.FileCreatedEvent, events.FileMovedEvent, events.FileDeletedEvent]
        handler = events.FileSystemEventHandler()
        handler.on_any_event = self._seen  # type: ignore[method-assign]
        observer = Observer()
        try:
            observer.schedule(handler, str(self.folder), event_filter=kinds)
            observer.start()
        except (OSError, RuntimeError):  # no inotify left, a file system without events
            return
        self._observer = observer

    def _seen(self, event: Any) -> None:
        path = str(getattr(event, "dest_path", "") or event.src_path)
        if not path.endswith(".tmp"):
            self.report()
