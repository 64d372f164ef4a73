"""Atomic writes, for what others read or what must survive a power cut: a temporary file, fsync, then replace."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# Windows refuses to replace an open file. Readers close theirs within milliseconds; a virus scanner reads a new
# checkpoint of 2 GB for seconds.
READERS_S, SCANNERS_S = 0.6, 10.0


@contextmanager
def replacing(path: Path, durably: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` on success; on any error it is removed and `path` stays.

    A deleted folder is created again. Not `durably`: complete at any time, but a power cut may bring back an
    older one; for files that are written every second, because an fsync waits behind a checkpoint on its way to disk.
    Such a file is not waited for either, if another program keeps it open: READERS_S, otherwise SCANNERS_S.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            if durably:
                os.fsync(file.fileno())
        _patiently(lambda: temporary.replace(path), SCANNERS_S if durably else READERS_S)
        if durably:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str, durably: bool = True) -> None:
    """Replace the contents of a UTF-8 text file in one step."""
    with replacing(path, durably) as file:
        file.write(text.encode())


@contextmanager
def creating_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` on success; on any error it is removed.

    Raises FileExistsError where something other than an empty folder is there already.
    """
    path = path.resolve()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(f"{path}: exists and is not an empty folder; name another one, or move it away first")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a crashed process with the same id
    temporary.mkdir(parents=True)
    try:
        yield temporary
        mode = temporary.stat().st_mode & 0o666  # as other new files: some writers keep theirs private
        for file in temporary.iterdir():
            with suppress(OSError):  # some disks know no permissions
                file.chmod(mode)
            _sync_file(file)
        if path.exists():
            path.rmdir()
        _patiently(lambda: temporary.rename(path), SCANNERS_S)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Append one line durably, in a single write. A torn last line of an earlier crash is terminated first.

    On an error (full or failing disk) the line is removed: half a row would be read, and a whole one duplicated.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    try:
        data = f"{line}\n".encode()
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if not _ends_with_newline(descriptor, size):
            data = b"\n" + data
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(f"{path}: the disk is full, the line was not written whole")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def _ends_with_newline(descriptor: int, size: int) -> bool:
    if size == 0:
        return True
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _patiently(replace: Callable[[], object], patience_s: float) -> None:
    wait_s, waited_s = 0.02, 0.0
    while True:
        try:
            replace()
            return
        except PermissionError:
            if waited_s >= patience_s:
                raise
        time.sleep(wait_s)
        waited_s += wait_s
        wait_s = min(2 * wait_s, 1.0)
