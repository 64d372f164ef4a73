"""Keeps the computer from sleeping while it trains, through wakepy.

It asks for a lock and changes no setting, so nothing has to be restored, not even after kill -9: the lock belongs to
the thread (Windows), to a child that ends with its pipe (macOS) or to the D-Bus connection (Linux), which end with the
process. A closed lid, an empty battery and the user's own "sleep" are stronger than the lock.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from wakepy import Mode, keep

log = logging.getLogger(__name__)


@contextmanager
def keep_awake(is_silent: bool = False) -> Iterator[None]:
    """Prevent sleep where the system allows it; log that it does not (servers, SSH, WSL) unless `is_silent`."""
    lock = keep.running(on_fail="pass")
    lock.__enter__()
    if not is_silent and not lock.active:
        log.info("This system offers no way to prevent sleep; on a laptop, turn sleep off for tonight.")
    try:
        yield
    finally:
        _release(lock)


def _release(lock: Mode) -> None:
    """A desktop session that ended before training took the lock with it: no reason to fail a finished run."""
    try:
        lock.__exit__(None, None, None)
    except RuntimeError:
        log.info("The lock that prevents sleep could not be released; it ends with this process.")
