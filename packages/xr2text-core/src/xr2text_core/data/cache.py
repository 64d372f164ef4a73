"""Every image decoded once, into one file of uint8 pixels on disk; later epochs only copy bytes.

    folder/<key>/index.json        size, count, interpolation, code version; written last: no index, no cache
                 names.txt         one name a row, for people
                 rows.bin          one fixed record a row: state, checksum, size and time of the source
                 images.u8         (N, size, size) uint8, row after row
                 unreadable.json   why an image could not be read, by name

Pixels are written before their record, and each record carries a CRC-32 of its pixels, which is checked at the first
read. So a build that was killed goes on where it was, and a damaged row is noticed and decoded again. Decoding runs
in threads: Pillow lets go of the interpreter lock, and threads, unlike processes, do not import the caller's main
module again. Reading uses `pread` instead of a memory map: as fast when warm, faster when cold, and the resident
memory of the process does not grow with the data set.
"""

import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from xr2text_core.data.images import CODE_VERSION, INTERPOLATION, PHANTOM, ImageError, Pixels, read_image
from xr2text_core.data.row_file import RowFile
from xr2text_core.data.study import DatasetError

logger = logging.getLogger(__name__)

FORMAT = 1
EMPTY, DECODED, UNREADABLE = 0, 1, 2
RECORD = np.dtype([("state", "u1"), ("crc", "<u4"), ("bytes", "<i8"), ("mtime_ns", "<i8")])
MOST_WORKERS = 8  # by then the disk is the limit on the machines we know
IMAGES_PER_WORKER = 32  # decoded between two updates of the records; bounds what a kill can cost

Records = npt.NDArray[Any]


class ImageCache:
    """The decoded images of one data set at one size; made by `build_cache`."""

    def __init__(self, path: Path, names: Sequence[str], size: int, unreadable: dict[str, str]) -> None:
        self.path = path
        self.size = size
        self.unreadable = unreadable  # name -> reason; callers leave these studies out
        self._row_of = {name: row for row, name in enumerate(names)}
        self._crc = np.fromfile(path / "rows.bin", dtype=RECORD)["crc"].copy()
        self._is_checked = np.zeros(len(names), dtype=bool)
        self._pixels = RowFile(path / "images.u8", size * size)

    def __len__(self) -> int:
        return len(self._row_of)

    def images(self, names: Sequence[str]) -> Pixels:
        """Return a copy, (B, size, size) uint8. ImageError for an unreadable image, KeyError for a foreign name."""
        batch = np.empty((len(names), self.size, self.size), dtype=np.uint8)
        for image, name in zip(batch, names, strict=True):
            self._read_into(image, name)
        return batch

    def read(self, name: str) -> Pixels:
        """Return one image, (size, size) uint8."""
        image = np.empty((self.size, self.size), dtype=np.uint8)
        self._read_into(image, name)
        return image

    def _read_into(self, image: Pixels, name: str) -> None:
        if name in self.unreadable:
            raise ImageError(f"{name}: {self.unreadable[name]}")
        row = self._row_of.get(name)
        if row is None:
            raise KeyError(f"{name} is not in the image cache {self.path}; build it with all names that will be read")
        is_whole = self._pixels.read_into(row, image)
        if not self._is_checked[row]:
            if not is_whole or zlib.crc32(image.data) != self._crc[row]:
                self._repair(row, name, image)
            self._is_checked[row] = True

    def _repair(self, row: int, name: str, image: Pixels) -> None:
        logger.warning("the cached pixels of %s are damaged; decoding it again", name)
        image[:] = read_image(name, self.size)
        self._crc[row] = zlib.crc32(image.data)
        try:
            self._write(row, image)
        except OSError as error:  # a read-only cache still serves; it is repaired again next time
            logger.warning("%s: cannot repair the cache: %s", self.path, error)

    def _write(self, row: int, image: Pixels) -> None:
        record = np.fromfile(self.path / "rows.bin", dtype=RECORD, count=1, offset=row * RECORD.itemsize)
        record["crc"] = self._crc[row]
        for file_name, length, array in (
            ("images.u8", self._pixels.row_bytes, image),
            ("rows.bin", RECORD.itemsize, record),
        ):
            rows = RowFile(self.path / file_name, length, writable=True)
            rows.write(row, array)
            rows.close()


def build_cache(folder: Path, names: Sequence[str], size: int, workers: int = 0) -> ImageCache:
    """Decode what is not yet in the cache and open it.

    `folder` holds one sub-folder per set of names and size; `names` are those of `read_image`, in any order; `workers`
    are decoding threads, 0 for one per CPU up to 8. Call it in one process at a time, then in the others.
    Images that cannot be read are in `.unreadable`. Raises DatasetError when the disk is too small or not writable.
    """
    names = sorted(set(names))
    path = folder / cache_key(names, size)
    try:
        if not _is_intact(path, names, size):
            _create(path, names, size)
        unreadable = _fill(path, names, size, workers or min(os.cpu_count() or 1, MOST_WORKERS))
    except OSError as error:
        raise DatasetError(
            f"cannot write the image cache {path}: {error}. Free space or choose another folder"
        ) from error
    return ImageCache(path, names, size, unreadable)


def cache_key(names: Sequence[str], size: int) -> str:
    """Return the name of the cache's folder: the same names (sorted), size and decoding code give the same key."""
    digest = hashlib.sha256(f"{FORMAT} {size} {INTERPOLATION} {CODE_VERSION}".encode())
    for name in names:
        digest.update(b"\n" + name.encode("utf-8", "surrogateescape"))
    return f"{size}px-{digest.hexdigest()[:16]}"


def _index(names: Sequence[str], size: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "size": size,
        "count": len(names),
        "interpolation": INTERPOLATION,
        "code_version": CODE_VERSION,
        "key": cache_key(names, size),
    }


def _is_intact(path: Path, names: Sequence[str], size: int) -> bool:
    """Whether the files have the right index and lengths. Says so when something else lies there."""
    if not (path / "index.json").exists():
        return False
    expected = {"rows.bin": len(names) * RECORD.itemsize, "images.u8": len(names) * size * size}
    try:
        found = {name: (path / name).stat().st_size for name in expected}
        is_intact = json.loads((path / "index.json").read_text("utf-8")) == _index(names, size) and found == expected
    except (OSError, ValueError):
        is_intact = False
    if not is_intact:
        logger.warning("the image cache %s is damaged (wrong index or file length); building it anew", path)
    return is_intact


def _create(path: Path, names: Sequence[str], size: int) -> None:
    """Lay out empty files of full length; the index comes last and makes them count."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    (path / "unreadable.json").unlink(missing_ok=True)
    needed, free = len(names) * size * size, shutil.disk_usage(path).free
    if needed > free:
        raise OSError(f"{needed / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free")
    (path / "names.txt").write_text("".join(f"{name}\n" for name in names), "utf-8", "surrogateescape")
    for file_name, length in (("rows.bin", len(names) * RECORD.itemsize), ("images.u8", needed)):
        with (path / file_name).open("wb") as file:
            file.truncate(length)
    _replace_json(path / "index.json", _index(names, size))


def _fill(path: Path, names: Sequence[str], size: int, workers: int) -> dict[str, str]:
    """Decode the rows that are new or whose source changed. Return why images could not be read, by name."""
    records = np.fromfile(path / "rows.bin", dtype=RECORD)
    stamps = np.array([_stamp(name) for name in names], dtype=np.int64).reshape(-1, 2)  # (N, 2)
    reasons = _known_reasons(path)
    is_current = (records["bytes"] == stamps[:, 0]) & (records["mtime_ns"] == stamps[:, 1])
    is_explained = np.array([name in reasons for name in names], dtype=bool)
    is_done = (records["state"] == DECODED) | ((records["state"] == UNREADABLE) & is_explained)
    rows = np.flatnonzero(~(is_current & is_done)).tolist()
    if rows:
        logger.info("decoding %d of %d images into %s", len(rows), len(names), path)
        records["bytes"], records["mtime_ns"] = stamps[:, 0], stamps[:, 1]
        _decode_rows(path, names, size, rows, records, reasons, workers)
    return reasons


def _decode_rows(
    path: Path,
    names: Sequence[str],
    size: int,
    rows: list[int],
    records: Records,
    reasons: dict[str, str],
    workers: int,
) -> None:
    """Decode chunk by chunk: pixels by the threads, then the records of the chunk, then the reasons that are new."""
    pixel_file = RowFile(path / "images.u8", size * size, writable=True)
    record_file = RowFile(path / "rows.bin", RECORD.itemsize, writable=True)

    def decode(row: int) -> tuple[int, str]:
        try:
            pixels = read_image(names[row], size)
        except ImageError as error:
            return 0, str(error).removeprefix(f"{names[row]}: ")
        pixel_file.write(row, pixels)
        return zlib.crc32(pixels.data), ""

    chunk_length = IMAGES_PER_WORKER * workers
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(rows), desc="Decoding images", unit="image") as bar:
        for start in range(0, len(rows), chunk_length):
            chunk = rows[start : start + chunk_length]
            old_reasons = dict(reasons)
            for row, (crc, reason) in zip(chunk, pool.map(decode, chunk), strict=True):
                reasons.pop(names[row], None)
                if reason:
                    reasons[names[row]] = reason
                records["state"][row], records["crc"][row] = (UNREADABLE if reason else DECODED), crc
                record_file.write(row, records[row : row + 1])
            if reasons != old_reasons:
                _replace_json(path / "unreadable.json", reasons)
            bar.update(len(chunk))
    pixel_file.close(durably=True)
    record_file.close(durably=True)


def _known_reasons(path: Path) -> dict[str, str]:
    try:
        reasons = json.loads((path / "unreadable.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # their rows are tried again
    return reasons if isinstance(reasons, dict) else {}


def _stamp(name: str) -> tuple[int, int]:
    """Return what changes when the source does: length and time of a file, length and checksum of the drawing code."""
    if name.startswith(PHANTOM):
        return _drawing_stamp()
    try:
        status = os.stat(name)  # noqa: PTH116 - a Path for each of 200,000 images doubles the time
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1)
def _drawing_stamp() -> tuple[int, int]:
    """Phantoms have no file; they change with the code that draws them."""
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("phantom*.py")))
    return len(code), zlib.crc32(code)


def _replace_json(path: Path, content: object) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1), "utf-8")
    temporary.replace(path)
