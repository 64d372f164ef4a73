"""The files of an image cache, what makes it complete, and reuse of an older cache.

A cache only grows: the images that a data set has more are appended, and whoever reads meanwhile keeps its rows.

folder/<key>/index.json        size, count, interpolation, code version; written last: no index, no cache
             names.txt         one name per row, in the order of the rows
             rows.bin          one fixed record per row: state, checksum, size and time of the source
             images.u8         (N, size, size) uint8, row after row
             unreadable.json   why an image could not be read, by name
             tokens-*.f16      what frozen encoders see in the images (tokens.py)
"""

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from xr2text_core.data.images.decode import CODE_VERSION, INTERPOLATION
from xr2text_core.data.images.formats import Pixels
from xr2text_core.data.images.row_file import RowFile
from xr2text_core.run.atomic import replace_text, replacing

logger = logging.getLogger(__name__)

FORMAT = 1
EMPTY, DECODED, UNREADABLE = 0, 1, 2
TOKENS = "tokens-*.f16"  # files of tokens.py
RECORD = np.dtype([("state", "u1"), ("crc", "<u4"), ("bytes", "<i8"), ("mtime_ns", "<i8")])

Records = npt.NDArray[Any]


def cache_key(names: Sequence[str], size: int) -> str:
    """Return what identifies these rows: the same names in the same order, size and decoding code give the same key."""
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


def find_cache(folder: Path, names: Sequence[str], size: int) -> Path:
    """Where these names (sorted) are to be read from.

    A cache that holds all of them; else the one to extend, of which they are the greater part; else a new one's place.
    """
    wanted, place, most = set(names), folder / cache_key(names, size), 0
    for path in sorted(folder.glob(f"{size}px-*")):
        held = cached_names(path, size)
        if held and wanted.issubset(held):
            return path
        shared = len(wanted.intersection(held))
        if 2 * shared > len(held) and shared > most:
            place, most = path, shared
    return place


def cached_names(path: Path, size: int) -> list[str]:
    """The names of an intact cache in the order of its rows; none where it is damaged or of another version."""
    try:
        count = json.loads((path / "index.json").read_text("utf-8"))["count"]
        names = (path / "names.txt").read_text("utf-8", "surrogateescape").split("\n")[:count]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return names if _is_whole(path, names, size) else []


def extend(path: Path, names: Sequence[str], size: int) -> None:
    """Append rows: `names` are those of the cache, then new ones. The index comes last; before it, nothing counts."""
    lengths = {"rows.bin": len(names) * RECORD.itemsize, "images.u8": len(names) * size * size}
    check_room(path, lengths["images.u8"] - (path / "images.u8").stat().st_size)
    for file_name, length in lengths.items():
        with (path / file_name).open("r+b") as file:
            file.truncate(length)
    with replacing(path / "names.txt", durably=False) as file:
        file.write("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
    replace_json(path / "index.json", _index(names, size))


@contextmanager
def only_writer(folder: Path, is_alive: Callable[[], None]) -> Iterator[None]:
    """One process at a time makes and extends the caches of a folder; the others wait, where there are locks."""
    lock = FileLock(folder / "cache.lock")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                is_alive()
    try:
        yield
    finally:
        lock.release()


def caches(folder: Path) -> Iterator[tuple[str, int, int, list[tuple[str, int]]]]:
    """Name, images and bytes of each cache in a folder, damaged and outdated ones too; those have no images.

    Then the tokens of frozen encoders in it, the name and bytes of each file.
    """
    for path in sorted(folder.glob("*px-*")):
        size = path.name.partition("px-")[0]
        held = cached_names(path, int(size)) if size.isdigit() else []
        tokens = [(each.name, each.stat().st_size) for each in sorted(path.glob(TOKENS))]
        num_bytes = sum(each.stat().st_size for each in path.iterdir()) - sum(size for _, size in tokens)
        yield path.name, len(held), num_bytes, tokens


def check_room(path: Path, needed: int) -> None:
    """OSError where the disk of this folder has no room for so many bytes more."""
    if needed > (free := shutil.disk_usage(path).free):
        raise OSError(f"{needed / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free")


def create(path: Path, names: Sequence[str], size: int) -> None:
    """Create empty files of full length; the index comes last and makes them valid."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    (path / "unreadable.json").unlink(missing_ok=True)
    needed = len(names) * size * size
    check_room(path, needed)
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
            names = cached_names(other, size)
            if other == path or not names:
                continue
            records = np.fromfile(other / "rows.bin", dtype=RECORD, count=len(names))
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
        is_long = all(found[name] >= length for name, length in expected.items())  # longer: extending it broke off
        return is_long and bool(json.loads((path / "index.json").read_text("utf-8")) == _index(names, size))
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
