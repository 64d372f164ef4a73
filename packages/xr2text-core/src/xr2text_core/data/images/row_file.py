"""A file of rows of equal length, read and written in place by several threads without a shared file position."""

import os
import threading
from pathlib import Path
from typing import Any

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
