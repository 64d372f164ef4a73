"""A file of rows of equal length, read and written in place by several threads without a shared file position."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RowFile:
    """Row k stands at byte k * row_bytes. Reading needs no write permission."""

    def __init__(self, path: Path, row_bytes: int, writable: bool = False) -> None:
        self.path = path
        self.row_bytes = row_bytes
        self._file = path.open("r+b" if writable else "rb", buffering=0)
        self._lock = threading.Lock()  # only Windows needs it: it has neither preadv nor pwrite

    def read_into(self, row: int, array: Array) -> bool:
        """Fill a contiguous array with the row; False when the file ends earlier or cannot be read there."""
        view = array.data.cast("B")
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._file.fileno(), [view], row * self.row_bytes) == self.row_bytes
            with self._lock:
                self._file.seek(row * self.row_bytes)
                return self._file.readinto(view) == self.row_bytes
        except OSError:
            return False

    def write(self, row: int, array: Array) -> None:
        """Write a contiguous array as the row. Raises OSError, also when the disk is full."""
        view = array.data.cast("B")
        if hasattr(os, "pwrite"):
            written = os.pwrite(self._file.fileno(), view, row * self.row_bytes)
        else:
            with self._lock:
                self._file.seek(row * self.row_bytes)
                written = self._file.write(view)
        if written != self.row_bytes:
            raise OSError(f"{self.path}: the disk is full, row {row} was not written whole")

    def close(self, durably: bool = False) -> None:
        if durably:
            os.fsync(self._file.fileno())
        self._file.close()


class CheckedRows:
    """A file of rows that are checked when they are read for the first time: at every read it would take three times
    as long."""

    def __init__(self, file: RowFile, count: int) -> None:
        self.file = file
        self._is_checked = np.zeros(count, dtype=bool)

    def read_into(self, row: int, array: Array, is_good: Callable[[], bool]) -> bool:
        """Fill a contiguous array with the row; False where it is missing, or `is_good` finds it damaged."""
        is_whole = self.file.read_into(row, array)
        if not is_whole:
            self._is_checked[:] = False  # the file was truncated; a gap in it would be read as zeros
        if not self._is_checked[row]:
            self._is_checked[row] = is_whole and is_good()
        return bool(self._is_checked[row])

    def is_repaired(self, row: int) -> None:
        self._is_checked[row] = True
