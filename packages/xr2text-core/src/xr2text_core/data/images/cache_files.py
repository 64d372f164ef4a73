"""The files of an image cache, what makes it complete, and reuse of an older cache.

folder/<key>/index.json        size, count, interpolation, code version; written last: no index, no cache
             names.txt         one name per row, for people and for later caches
             rows.bin          one fixed record per row: state, checksum, size and time of the source
             images.u8         (N, size, size) uint8, row after row
             unreadable.json   why an image could not be read, by name
"""

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xr2text_core.data.images.decode import CODE_VERSION, INTERPOLATION
from xr2text_core.data.images.formats import Pixels
from xr2text_core.data.images.row_file import RowFile
from xr2text_core.run.atomic import replace_text

logger = logging.getLogger(__name__)

FORMAT = 1
EMPTY, DECODED, UNREADABLE = 0, 1, 2
RECORD = np.dtype([("state", "u1"), ("crc", "<u4"), ("bytes", "<i8"), ("mtime_ns", "<i8")])

Records = npt.NDArray[Any]


def cache_key(names: Sequence[str], size: int) -> str:
    """Return the name of the cache's folder: the same names (sorted), size and decoding code give the same key."""
    digest = hashlib.sha256(f"{FORMAT} {size} {INTERPOLATION} {CODE_VERSION}".encode())
    for name in names:
        digest.update(b"\n" + name.encode("utf-8", "surrogateescape"))
    return f"{size}px-{digest.hexdigest()[:16]}"


def is_intact(path: Path, names: Sequence[str], size: int) -> bool:
    """Whether the files have the right index and lengths. Logs a warning for anything else."""
    if not (path / "index.json").exists():
        return False
    is_whole = _is_whole(path, names, size)
    if not is_whole:
        logger.warning("the image cache %s is damaged (wrong index or file length); rebuilding it", path)
    return is_whole


def create(path: Path, names: Sequence[str], size: int) -> None:
    """Create empty files of full length; the index comes last and makes them valid."""
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
    replace_json(path / "index.json", _index(names, size))


@dataclass(frozen=True)
class OlderImage:
    """An image in another cache."""

    file: RowFile
    row: int
    record: Records

    def pixels(self, stamp: Sequence[int], size: int) -> Pixels | None:
        """Its pixels, if its source has this stamp and they are undamaged."""
        if [self.record["bytes"], self.record["mtime_ns"]] != list(stamp):
            return None
        pixels = np.empty((size, size), dtype=np.uint8)
        is_good = self.file.read_into(self.row, pixels) and zlib.crc32(pixels.data) == self.record["crc"]
        return pixels if is_good else None


def decoded_before(path: Path, wanted: Collection[str], size: int) -> dict[str, OlderImage]:
    """Images of `wanted` in other caches beside `path`: with one new image, the rest is not decoded again."""
    found: dict[str, OlderImage] = {}
    for other in sorted(path.parent.glob(f"{size}px-*")):
        try:
            names = (other / "names.txt").read_text("utf-8", "surrogateescape").split("\n")[:-1]
            if other == path or other.name != cache_key(names, size) or not _is_whole(other, names, size):
                continue
            records = np.fromfile(other / "rows.bin", dtype=RECORD)
            file = RowFile(other / "images.u8", size * size)
        except OSError:
            continue
        for row in np.flatnonzero(records["state"] == DECODED).tolist():
            if names[row] in wanted:
                found[names[row]] = OlderImage(file, row, records[row])
    return found


def replace_json(path: Path, content: object) -> None:
    replace_text(path, json.dumps(content, indent=1), durably=False)


def _is_whole(path: Path, names: Sequence[str], size: int) -> bool:
    expected = {"rows.bin": len(names) * RECORD.itemsize, "images.u8": len(names) * size * size}
    try:
        found = {name: (path / name).stat().st_size for name in expected}
        return bool(json.loads((path / "index.json").read_text("utf-8")) == _index(names, size) and found == expected)
    except (OSError, ValueError):
        return False


def _index(names: Sequence[str], size: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "size": size,
        "count": len(names),
        "interpolation": INTERPOLATION,
        "code_version": CODE_VERSION,
        "key": cache_key(names, size),
    }
