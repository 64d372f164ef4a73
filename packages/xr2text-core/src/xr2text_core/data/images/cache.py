"""Every image decoded once, into one file of uint8 pixels on disk; later epochs only copy bytes.

Pixels are written before their record (cache_files.py), and each record carries a CRC-32 of its pixels, which is
checked at the first read. So a killed build resumes, and a damaged row is decoded again.
Decoding runs in threads: Pillow releases the interpreter lock, and threads, unlike processes, do not import the
caller's main module again and cannot be killed one by one. Reading uses `pread` instead of a memory map: as fast when
warm, faster when cold, and the resident memory of the process does not grow with the data set.
The cache is as confidential as the data set.
"""

import json
import logging
import os
import zlib
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from xr2text_core.data.images.cache_files import (
    DECODED,
    RECORD,
    UNREADABLE,
    Records,
    cached_names,
    create,
    decoded_before,
    extend,
    find_cache,
    is_intact,
    only_writer,
    replace_json,
)
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import INSTALL, ImageError, Pixels
from xr2text_core.data.images.row_file import CheckedRows, RowFile
from xr2text_core.data.study import DatasetError
from xr2text_core.drawing import names as drawn

logger = logging.getLogger(__name__)

MOST_WORKERS = 8  # beyond this, the disk was the limit on the machines we know
IMAGES_PER_WORKER = 32  # decoded between two updates of the records; bounds the work that a kill loses
MOST_WARNINGS = 5  # damaged images that are named; a truncated file may hold thousands

NO_STAMP = (-1, -1)  # of a source that is not there, or not asked for

Stamps = npt.NDArray[np.int64]


class ImageCache:
    """The decoded images of one data set at one size; built by `build_cache`."""

    def __init__(self, path: Path, names: Sequence[str], size: int, unreadable: dict[str, str]) -> None:
        self.path = path
        self.size = size
        self.unreadable = unreadable  # name -> reason; callers exclude these studies
        self._row_of = {name: row for row, name in enumerate(names)}
        self._crc = np.fromfile(path / "rows.bin", dtype=RECORD, count=len(names))["crc"].copy()
        self._num_damaged = 0
        self._pixels = CheckedRows(RowFile(path / "images.u8", size * size), len(names))

    def __len__(self) -> int:
        return len(self._row_of)

    def images(self, names: Sequence[str]) -> Pixels:
        """Return a copy, (B, size, size) uint8. ImageError for an unreadable image, KeyError for an unknown name."""
        batch = np.empty((len(names), self.size, self.size), dtype=np.uint8)
        for image, name in zip(batch, names, strict=True):
            self._read_into(image, name)
        return batch

    def read(self, name: str) -> Pixels:
        """Return one image, (size, size) uint8."""
        image = np.empty((self.size, self.size), dtype=np.uint8)
        self._read_into(image, name)
        return image

    def place(self, name: str) -> tuple[int, int]:
        """The row of an image, and the checksum (CRC-32) of its pixels. KeyError for an unknown name."""
        row = self._row_of.get(name)
        if row is None:
            raise KeyError(f"{name} is not in the image cache {self.path}; build it with all names that will be read")
        return row, int(self._crc[row])

    def _read_into(self, image: Pixels, name: str) -> None:
        if name in self.unreadable:
            raise ImageError(f"{name}: {self.unreadable[name]}")
        row, _ = self.place(name)
        if not self._pixels.read_into(row, image, lambda: zlib.crc32(image.data) == self._crc[row]):
            self._repair(row, name, image)

    def _repair(self, row: int, name: str, image: Pixels) -> None:
        """Decode the image again; ImageError when that fails too."""
        self._num_damaged += 1
        if self._num_damaged <= MOST_WARNINGS:
            more = "; further ones are not named" if self._num_damaged == MOST_WARNINGS else ""
            logger.warning("the cached pixels of %s are damaged; decoding it again%s", Path(name).name, more)
        image[:] = read_image(name, self.size)
        self._crc[row] = zlib.crc32(image.data)
        try:
            self._write(row, image)
        except OSError as error:  # a read-only cache still works; it is repaired again at the next read
            logger.warning("%s: cannot repair the cache: %s", self.path, error)
        else:
            self._pixels.is_repaired(row)

    def _write(self, row: int, image: Pixels) -> None:
        record = np.fromfile(self.path / "rows.bin", dtype=RECORD, count=1, offset=row * RECORD.itemsize)
        record["crc"] = self._crc[row]
        for file_name, length, array in (
            ("images.u8", self._pixels.file.row_bytes, image),
            ("rows.bin", RECORD.itemsize, record),
        ):
            rows = RowFile(self.path / file_name, length, writable=True)
            rows.write(row, array)
            rows.close()


def build_cache(
    folder: Path, names: Sequence[str], size: int, workers: int = 0, is_alive: Callable[[], None] = lambda: None
) -> ImageCache:
    """Decode what is not yet in the cache and open it.

    `folder` holds one sub-folder per data set and size, which grows with it; `names` are those of `read_image`, in any
    order; `workers` are decoding threads, 0 for one per CPU up to 8; `is_alive` is called regularly meanwhile.
    Call it on one rank first, then on the others. Images that cannot be read are in `.unreadable`.
    Raises DatasetError when the disk is too small or not writable.
    """
    wanted = sorted(set(names))
    try:
        with only_writer(folder, is_alive):
            path, rows = _laid_out(folder, wanted, size)
            workers = workers or min(os.cpu_count() or 1, MOST_WORKERS)
            unreadable = _fill(path, rows, frozenset(wanted), size, workers, is_alive)
    except OSError as error:
        raise DatasetError(
            f"cannot write the image cache in {folder}: {error}. Free space or choose another folder"
        ) from error
    return ImageCache(path, rows, size, unreadable)


def _laid_out(folder: Path, wanted: Sequence[str], size: int) -> tuple[Path, Sequence[str]]:
    """A cache with a row for each name that is wanted, and the names of all its rows."""
    path = find_cache(folder, wanted, size)
    if not (held := cached_names(path, size)):
        if not is_intact(path, wanted, size):
            create(path, wanted, size)
        return path, wanted
    if missing := sorted(set(wanted).difference(held)):
        held += missing
        extend(path, held, size)
    return path, held


def _fill(
    path: Path,
    names: Sequence[str],
    wanted: Set[str],
    size: int,
    workers: int,
    is_alive: Callable[[], None],
) -> dict[str, str]:
    """Decode the rows that are new or whose source changed. Return why images could not be read, by name."""
    records = np.fromfile(path / "rows.bin", dtype=RECORD, count=len(names))
    is_wanted = np.array([name in wanted for name in names], dtype=bool)
    stamps = np.array([_stamp(name) if name in wanted else NO_STAMP for name in names], dtype=np.int64).reshape(-1, 2)
    known = _known_reasons(path)
    is_current = (records["bytes"] == stamps[:, 0]) & (records["mtime_ns"] == stamps[:, 1])
    is_explained = (
        is_current & (records["state"] == UNREADABLE) & np.array([name in known for name in names], dtype=bool)
    )
    reasons = {names[row]: known[names[row]] for row in np.flatnonzero(is_explained).tolist()}
    rows = np.flatnonzero(is_wanted & ~(is_explained | (is_current & (records["state"] == DECODED)))).tolist()
    if rows:
        logger.info("decoding %d of %d images into %s", len(rows), len(wanted), path)
        _decode_rows(path, names, size, rows, records, stamps, reasons, workers, is_alive)
    return reasons


def _decode_rows(
    path: Path,
    names: Sequence[str],
    size: int,
    rows: list[int],
    records: Records,
    stamps: Stamps,
    reasons: dict[str, str],
    workers: int,
    is_alive: Callable[[], None],
) -> None:
    """Decode chunk by chunk: pixels by the threads, then the records of the chunk, then the reasons that are new."""
    pixel_file = RowFile(path / "images.u8", size * size, writable=True)
    record_file = RowFile(path / "rows.bin", RECORD.itemsize, writable=True)
    older = decoded_before(path, {names[row] for row in rows}, size)

    def decode(row: int) -> tuple[int, str]:
        image = older.get(names[row])
        pixels = image.pixels(stamps[row], size) if image else None
        try:
            pixels = read_image(names[row], size) if pixels is None else pixels
        except ImageError as error:
            return 0, str(error).removeprefix(f"{names[row]}: ")
        pixel_file.write(row, pixels)
        return zlib.crc32(pixels.data), ""

    chunk_length = IMAGES_PER_WORKER * workers
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(rows), desc="Decoding images", unit="image") as bar:
        for start in range(0, len(rows), chunk_length):
            chunk = rows[start : start + chunk_length]
            num_reasons = len(reasons)
            for row, (crc, reason) in zip(chunk, pool.map(decode, chunk), strict=True):
                if reason:
                    reasons[names[row]] = reason
                if reason and records["state"][row] == DECODED:
                    continue  # keep the pixels, in case the same source comes back: a drive that is not mounted
                records[row] = (UNREADABLE if reason else DECODED, crc, *stamps[row])
                record_file.write(row, records[row : row + 1])
            if len(reasons) != num_reasons:
                replace_json(path / "unreadable.json", {**_known_reasons(path), **reasons})
            bar.update(len(chunk))
            is_alive()
    pixel_file.close(durably=True)
    record_file.close(durably=True)


def _known_reasons(path: Path) -> dict[str, str]:
    """Why images cannot be read, except where a package was missing: it may have been installed since."""
    try:
        reasons = dict(json.loads((path / "unreadable.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return {}  # their rows are decoded again
    return {name: reason for name, reason in reasons.items() if INSTALL not in reason}


def _stamp(name: str) -> tuple[int, int]:
    """Return what changes when the source does: length and time of a file, length and checksum of the drawing code."""
    if name.startswith(drawn.PREFIX):
        return _drawing_stamp()
    try:
        status = os.stat(name)  # noqa: PTH116 - a Path for each of 200,000 images doubles the time
    except OSError:
        return NO_STAMP
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1)
def _drawing_stamp() -> tuple[int, int]:
    """Phantoms have no file; they change with the drawing code."""
    code = b"".join(path.read_bytes() for path in sorted(Path(drawn.__file__).parent.glob("*.py")))
    return len(code), zlib.crc32(code)
