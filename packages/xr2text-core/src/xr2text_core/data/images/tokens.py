"""What a frozen encoder sees in each film, encoded once: tokens in FP16, beside the pixels that they were made from.

tokens-256x768-<key>.f16 in the folder of an image cache has the same rows: the checksum of the pixels, that of the
tokens, the tokens (N, C). A row that is missing, damaged or of other pixels shows, so a killed build continues and
whatever is wrong is encoded again. The key stands for the weights of the encoder and how it is used.
"""

import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from xr2text_core.data.images.cache import MOST_WARNINGS, ImageCache
from xr2text_core.data.images.cache_files import check_room, only_writer
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.data.images.row_file import CheckedRows, RowFile
from xr2text_core.data.study import DatasetError

logger = logging.getLogger(__name__)

Tokens = npt.NDArray[np.float16]
Encode = Callable[[Pixels], Tokens]  # (B, size, size) -> (B, N, C)
AT_ONCE = 16  # films; as many as a kill loses


def row_type(shape: tuple[int, int]) -> np.dtype[Any]:
    """A row of the file; `shape`: tokens of a film, and values of a token."""
    return np.dtype([("pixels", "<u4"), ("crc", "<u4"), ("tokens", "<f2", shape)])


class TokenCache:
    """The tokens of the films of an image cache; those of new films are added by `fill`."""

    def __init__(self, images: ImageCache, shape: tuple[int, int], key: str, encode: Encode) -> None:
        self.images = images
        self.encode = encode
        self.row = row_type(shape)
        self.path = images.path / f"tokens-{shape[0]}x{shape[1]}-{key}.f16"
        self._rows: CheckedRows | None = None
        self._num_damaged = 0

    def fill(self, names: Iterable[str], is_alive: Callable[[], None] = lambda: None) -> None:
        """Encode the films that lack; `is_alive` is called regularly meanwhile.

        DatasetError where the disk has no room or is not writable. One process at a time; the others wait.
        """
        try:
            with only_writer(self.images.path, is_alive):
                wanted = sorted(set(names))
                missing = self._missing(wanted)
                if missing:
                    self._announce(len(wanted), len(missing))
                    self._encode(missing, is_alive)
        except OSError as error:
            raise DatasetError(
                f"cannot cache tokens in {self.path}: {error}. Free space, choose another --out, or leave "
                "--cache-tokens out"
            ) from error

    def tokens(self, names: Sequence[str]) -> Tokens:
        """A copy, (B, N, C). A damaged row is encoded again; ImageError where its pixels are lost too."""
        if self._rows is None:
            self._rows = CheckedRows(RowFile(self.path, self.row.itemsize), len(self.images))
        batch = np.empty(len(names), dtype=self.row)
        for position, name in enumerate(names):
            row, pixels = self.images.place(name)
            record = batch[position : position + 1]
            if not self._rows.read_into(row, record.view(np.uint8), partial(_is_good, record, pixels)):
                self._repair(name, record)
        return np.ascontiguousarray(batch["tokens"])

    def _repair(self, name: str, record: npt.NDArray[Any]) -> None:
        assert self._rows is not None
        self._num_damaged += 1
        if self._num_damaged <= MOST_WARNINGS:
            more = "; further ones are not named" if self._num_damaged == MOST_WARNINGS else ""
            logger.warning("the cached tokens of %s are damaged; encoding it again%s", Path(name).name, more)
        record[:] = self._records([name])
        row, _ = self.images.place(name)
        try:
            file = RowFile(self.path, self.row.itemsize, writable=True)
            file.write(row, record.view(np.uint8))
            file.close()
        except OSError as error:  # it is encoded again at its next read
            logger.warning("%s: cannot repair the cached tokens: %s", self.path, error)
        else:
            self._rows.is_repaired(row)

    def _missing(self, names: Sequence[str]) -> list[str]:
        """Those without a row of these pixels; whether a row is whole is checked when it is read."""
        places = [self.images.place(name) for name in names]
        found = _pixels_of(self.path, self.row.itemsize, [row for row, _ in places])
        return [name for name, (_, pixels), each in zip(names, places, found, strict=True) if each != pixels]

    def _announce(self, num_wanted: int, num_missing: int) -> None:
        """The size before it is written; OSError where there is no room."""
        needed = num_missing * self.row.itemsize
        count, width = self.row["tokens"].shape
        logger.info(
            "Encoding %d of %d films once: %d tokens of %d values each, %s MB in %s",
            num_missing, num_wanted, count, width, f"{needed / 1e6:,.1f}", self.path,
        )  # fmt: skip
        check_room(self.images.path, needed)

    def _encode(self, names: Sequence[str], is_alive: Callable[[], None]) -> None:
        self.path.touch()
        file = RowFile(self.path, self.row.itemsize, writable=True)
        with tqdm(total=len(names), desc="Encoding films once", unit="film") as bar:
            for start in range(0, len(names), AT_ONCE):
                chunk = [name for name in names[start : start + AT_ONCE] if self._is_readable(name)]
                for name, record in zip(chunk, self._records(chunk), strict=True):
                    row, _ = self.images.place(name)
                    file.write(row, record.reshape(1).view(np.uint8))
                bar.update(min(AT_ONCE, len(names) - start))
                is_alive()
        file.close(durably=True)

    def _is_readable(self, name: str) -> bool:
        """False for an image that was lost since it was decoded: a batch leaves its study out, and names it."""
        try:
            self.images.read(name)
        except ImageError:
            return False
        return True

    def _records(self, names: Sequence[str]) -> npt.NDArray[Any]:
        """Rows to write. DatasetError where FP16 cannot hold the tokens."""
        records = np.zeros(len(names), dtype=self.row)
        if names:
            records["tokens"] = self.encode(self.images.images(names))
        if not np.isfinite(records["tokens"]).all():
            raise DatasetError("this encoder gives values that FP16 cannot hold: leave --cache-tokens out")
        for record, name in zip(records, names, strict=True):
            record["pixels"] = self.images.place(name)[1]
            record["crc"] = _checksum(record)
        return records


def num_cached(folder: Path, shape: tuple[int, int], num_rows: int) -> int:
    """How many of the films of an image cache have tokens of this shape, by the encoder that read most of them."""
    size = row_type(shape).itemsize
    files = folder.glob(f"tokens-{shape[0]}x{shape[1]}-*.f16")
    return max((sum(map(bool, _pixels_of(file, size, range(num_rows)))) for file in files), default=0)


def _pixels_of(path: Path, row_bytes: int, rows: Iterable[int]) -> list[int]:
    """The checksum of the pixels that each row was made from; 0 where there is none."""
    if not path.exists():
        return [0 for _ in rows]
    found = []
    with path.open("rb", buffering=0) as file:
        for row in rows:
            file.seek(row * row_bytes)
            found.append(int.from_bytes(file.read(4), "little"))
    return found


def _checksum(record: Any) -> int:
    """CRC-32 of the tokens, and of which pixels they are: a row in another's place does not pass."""
    return zlib.crc32(np.ascontiguousarray(record["tokens"]).data.cast("B"), int(record["pixels"]))


def _is_good(record: npt.NDArray[Any], pixels: int) -> bool:
    """Whether one row is whole, and of these pixels."""
    return int(record["pixels"][0]) == pixels and int(record["crc"][0]) == _checksum(record[0])
