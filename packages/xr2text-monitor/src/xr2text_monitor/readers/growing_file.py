"""Reads the new whole lines of a file that another process appends to. Opens, reads, closes; never holds it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 1 << 16
MARK = 256  # bytes compared at the start of the file and before the place read up to
GONE = (FileNotFoundError, NotADirectoryError)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class NewLines(NamedTuple):
    """`lines` without their newline; `restarted`: forget what came before, the file is read from its beginning."""

    lines: list[str]
    restarted: bool


class GrowingFile:
    """Remembers how far a file was read, and notices when it shrank, was replaced, or was rewritten in place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failure = ""  # of the last read
        self.forget()

    def forget(self) -> None:
        self._stamp: tuple[int, int, int, int] | None = None
        self._offset = 0
        self._head = b""
        self._tail = b""
        self._is_utf_16 = False

    @property
    def problem(self) -> str:
        """Why the file cannot be read, although it is there."""
        return self._failure or ("it is in UTF-16, and UTF-8 was expected" if self._is_utf_16 else "")

    def read(self) -> Iterator[NewLines]:
        """Blocks of whole lines that are new since the last call. What cannot be read now keeps its old lines."""
        self._failure = ""
        try:
            stamp = _stamp(regular(self.path))
            if stamp == self._stamp:
                return
            with self.path.open("rb") as file:
                stamp = _stamp(os.fstat(file.fileno()))
                restarted = self._changed_behind(stamp, file.read(len(self._head)), file)
                if restarted:
                    self.forget()
                    yield NewLines([], True)
                file.seek(self._offset)
                yield from self._blocks(file)
                self._stamp = stamp  # not before: what fails on the way is read again
        except GONE:
            if self._stamp is not None:
                self.forget()
                yield NewLines([], True)
        except OSError as error:
            self._failure = reason(error)

    def _changed_behind(self, stamp: tuple[int, int, int, int], head: bytes, file: BinaryIO) -> bool:
        """Whether what was already read is no longer what stands there. A file that only grew keeps both marks."""
        if self._stamp is None:
            return False
        same_file = stamp[:2] == self._stamp[:2] and stamp[2] > self._stamp[2]
        if not same_file or head != self._head:
            return True
        file.seek(self._offset - len(self._tail))
        return file.read(len(self._tail)) != self._tail

    def _blocks(self, file: BinaryIO) -> Iterator[NewLines]:
        """Whole lines only: what follows the last newline is left for the next read."""
        rest = b""
        while block := file.read(BLOCK):
            if self._offset == 0 and not rest and block.startswith(UTF_16):
                self._is_utf_16 = True
                return
            data = rest + block
            end = data.rfind(b"\n") + 1
            whole, rest = data[:end], data[end:]
            if whole:
                self._head = (self._head + whole)[:MARK] if self._offset < MARK else self._head
                self._tail = (self._tail + whole)[-MARK:]
                self._offset += len(whole)
                yield NewLines(whole.decode("utf-8", errors="replace").split("\n")[:-1], False)


def regular(path: Path) -> os.stat_result:
    """What the system says of a file. Anything else, such as a pipe that would keep a reader waiting, is an OSError."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a regular file")
    return found


def reason(error: OSError) -> str:
    """Why a file cannot be read, without its path."""
    return error.strerror or str(error)


def _stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
