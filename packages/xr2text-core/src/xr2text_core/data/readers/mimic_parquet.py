"""Reads parquet rows of image, findings and impression: chest X-rays as data set hubs share them, without patient ids.

The images are written once as files to ROOT/extracted_images, named by their content, with an index of the rows, so
that later starts read only the texts.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xr2text_core.data.readers.records import Record
from xr2text_core.data.readers.texts import clean_indication, clean_text
from xr2text_core.data.study import DatasetError, LeftOut
from xr2text_core.run.atomic import replace_text, replacing

WARNING = (
    "the rows have no patient ids: rows with the same report or the same image are kept in one split, but other "
    "studies of one patient may be in different splits, so scores may be too high"
)
COLUMNS = ("image", "findings", "impression")
ROWS_AT_ONCE = 64  # of images held in memory

_SUFFIX_OF = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"II": ".tif", b"MM": ".tif", b"BM": ".bmp", b"RI": ".webp"}


def find(root: Path) -> list[Path]:
    """Return the parquet files in `root` or one of its direct sub-folders, in order."""
    return sorted(root.glob("*.parquet")) or sorted(root.glob("*/*.parquet"))


def read_rows(root: Path, files: list[Path], left_out: LeftOut) -> list[Record]:
    """Return one study per row; rows that share a report or an image share a patient. Raises DatasetError."""
    images = _extracted_images(root, files)
    rows: list[tuple[str, str, str, str, str]] = []  # id, image, findings, impression, indication
    seen: set[tuple[str, str, str]] = set()
    for number, (image, (findings, impression, indication)) in enumerate(zip(images, _texts(files), strict=True)):
        row_id = f"row{number:06d}"
        if not image:
            left_out.add("row without image", row_id)
        elif (image, findings, impression) in seen:
            left_out.add("copy of another row", row_id)
        else:
            seen.add((image, findings, impression))
            rows.append((row_id, image, findings, impression, indication))
    patients = _groups([(image, f"{findings}\n{impression}".lower()) for _, image, findings, impression, _ in rows])
    folder = (root / "extracted_images").absolute()
    return [
        Record(row_id, ((f"{folder}/{image}", "unknown"),), findings, impression, patient, indication=indication)
        for (row_id, image, findings, impression, indication), patient in zip(rows, patients, strict=True)
    ]


def _groups(rows: list[tuple[str, str]]) -> list[str]:
    """Return a group name for each (image, report): rows connected by either, directly or transitively, share it."""
    parent: dict[str, str] = {}

    def top(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    keys = [(f"image {image}", f"report {report}" if report.strip() else f"image {image}") for image, report in rows]
    for image, report in keys:
        low, high = sorted((top(image), top(report)))
        parent[high] = low
    return [f"group-{hashlib.sha256(top(image).encode()).hexdigest()[:12]}" for image, _ in keys]


def _texts(files: list[Path]) -> Iterator[tuple[str, str, str]]:
    """Findings, impression and indication with history of every row."""
    for batch in _batches(files, ["findings", "impression", "indication", "history"], 4096):
        for row in batch:
            findings, impression, *asked = (
                str(row.get(name) or "") for name in ("findings", "impression", "indication", "history")
            )
            yield clean_text(findings), clean_text(impression), clean_indication(*asked)


def _batches(files: list[Path], columns: list[str], rows: int) -> Iterator[list[dict[str, Any]]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DatasetError(
            f"{files[0]} needs pyarrow, which is not installed: pip install 'xr2text-core[parquet]'"
        ) from error
    for path in files:
        try:
            with parquet.ParquetFile(path) as file:
                missing = set(COLUMNS) - set(file.schema_arrow.names)
                if missing:
                    raise DatasetError(
                        f"{path} has no column {', '.join(sorted(missing))}. Expected: {', '.join(COLUMNS)}"
                    )
                present = [name for name in columns if name in file.schema_arrow.names]
                for batch in file.iter_batches(rows, columns=present):
                    yield batch.to_pylist()
        except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors or OSErrors
            raise DatasetError(f"{path} cannot be read as parquet: {error}. Download it again") from error


def _extracted_images(root: Path, files: list[Path]) -> list[str]:
    """Return the file name of the image of every row ("" for none), extracting them when the index is outdated."""
    folder = root / "extracted_images"
    sources = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    try:
        index = json.loads((folder / "index.json").read_text("utf-8"))
        if index["sources"] == sources and set(index["images"]) <= {"", *os.listdir(folder)}:  # noqa: PTH208
            return [str(name) for name in index["images"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no index, or a truncated one: extract
    try:
        folder.mkdir(exist_ok=True)
        images = [_extract(folder, row["image"]) for batch in _batches(files, ["image"], ROWS_AT_ONCE) for row in batch]
        replace_text(folder / "index.json", json.dumps({"sources": sources, "images": images}), durably=False)
    except OSError as error:
        raise DatasetError(
            f"the images of the parquet files are extracted once to {folder}, which failed: {error}. "
            f"Make {root} writable with room for the images, or copy the parquet files to such a folder"
        ) from error
    return images


def _extract(folder: Path, image: Any) -> str:
    """Write the image under the hash of its content, unless it is there. Return the file name, "" for no image."""
    content = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(content, bytes) or not content:
        return ""
    name = hashlib.sha256(content).hexdigest()[:24] + _SUFFIX_OF.get(content[:2], ".img")
    path = folder / name
    if not (path.exists() and path.stat().st_size == len(content)):
        with replacing(path, durably=False) as file:
            file.write(content)
    return name
