"""Reads the new whole lines of a file that another process appends to. Opens, reads, closes; never holds it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 18
MARK = 256  # bytes compared at the start of the file and before the place read up to


@dataclass(frozen=True)
class NewLines:
    """`lines` without their newline; `restarted`: forget what came before, the file is read from its beginning."""

    lines: list[str]
    restarted: bool


class GrowingFile:
    """Remembers how far a file was read, and notices when it shrank, was replaced, or was rewritten in place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.forget()

    def forget(self) -> None:
        self._stamp: tuple[int, int, int, int] | None = None
        self._offset = 0
        self._head = b""
        self._tail = b""

    @property
    def exists(self) -> bool:
        """Whether the file was there at the last read."""
        return self._stamp is not None

    def read(self) -> Iterator[NewLines]:
        """Blocks of whole lines that are new since the last call. A file that cannot be opened counts as gone."""
        try:
            stamp = _stamp(self.path.stat())
            if stamp == self._stamp:
                return
            with self.path.open("rb") as file:
                stamp = _stamp(os.fstat(file.fileno()))
                restarted = self._changed_behind(stamp, file.read(len(self._head)), file)
                if restarted:
                    self.forget()
                    yield NewLines([], True)
                self._stamp = stamp
                file.seek(self._offset)
                yield from self._blocks(file)
        except OSError:
            if self._stamp is not None:
                self.forget()
                yield NewLines([], True)

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
            data = rest + block
            end = data.rfind(b"\n") + 1
            whole, rest = data[:end], data[end:]
            if whole:
                self._head = (self._head + whole)[:MARK] if self._offset < MARK else self._head
                self._tail = (self._tail + whole)[-MARK:]
                self._offset += len(whole)
                yield NewLines(whole.decode("utf-8", errors="replace").split("\n")[:-1], False)


def _stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
