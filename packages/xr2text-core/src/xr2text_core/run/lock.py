"""One trainer per run: a lock that the system releases when its process ends, however it ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.status import running_trainer

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the lock of a run, then release it completely."""
    lock = lock_run(folder)
    try:
        yield
    finally:
        lock.release(force=True)


def lock_run(folder: RunFolder) -> FileLock:
    """Acquire the lock of a run, which its holder releases; raises RunError while another process holds it.

    It is reentrant within a process: a notebook may create a second Trainer.
    """
    try:
        folder.create()
    except OSError as error:
        raise RunError(
            f"{error.filename or folder.checkpoints} cannot be created ({error.strerror}); try --out"
        ) from error
    lock = FileLock(folder.lock, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = running_trainer(folder.status)
        who, stop = (f"process {other}", f"`kill {other}`") if other else ("another process", "Ctrl-C")
        raise RunError(
            f"{who} is training in {folder.checkpoints} right now; wait for it, stop it with {stop} (it saves first), "
            "or give this run a name of its own with --run NAME"
        ) from None
    except OSError as error:  # some network file systems support no locks
        log.warning("%s cannot be locked (%s): make sure that only one trainer runs there.", folder.checkpoints, error)
    return lock
