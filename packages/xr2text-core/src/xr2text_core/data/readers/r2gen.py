"""Reads annotation.json as R2Gen and projects derived from it publish it, for IU X-Ray and for MIMIC-CXR.

    {"train": [{"id", "report", "image_path": [...], "split"}, ...], "val": [...], "test": [...]}

MIMIC-CXR entries also have subject_id and study_id; several entries may be images of one study. As in R2Gen's own
loader the list decides about the split, and the first image of a study counts as its frontal one. Of IU X-Ray it
lists the frontal film and the lateral one of each study, in this order.
"""

import ast
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from xr2text_core.data.readers.files import Folders
from xr2text_core.data.readers.records import Record, merged
from xr2text_core.data.readers.texts import clean_text, decoded, indication_of
from xr2text_core.data.splits import split_name
from xr2text_core.data.study import DatasetError, LeftOut
from xr2text_core.report.sections import cut_report

FILE_NAME = "annotation.json"
IMAGE_FOLDERS = ("images", "", "files", "images/files", "images300")


def read_annotation(path: Path, left_out: LeftOut, views: Sequence[str] = ()) -> list[Record]:
    """Return the studies of an annotation file with the images that exist; `views` are those of the first images of an
    entry, the others are unknown. Raises DatasetError.
    """
    try:
        content = json.loads(decoded(path.read_bytes()))
        entries = [(split, entry) for split, part in content.items() for entry in part]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"{path} is not an R2Gen annotation file: {error}. "
            "Expected: {train, val, test: [{id, report, image_path}, ...]}"
        ) from error
    folders = Folders()
    base = _image_base(path.parent, [entry for _, entry in entries], folders)
    records = (_record(base, split, entry, views, folders, left_out) for split, entry in entries)
    return merged((record for record in records if record is not None), left_out)


def _paths(entry: Any) -> list[str]:
    """Return the paths of an entry: a list, one path, or a list that was stored as text."""
    paths = entry.get("image_path") if isinstance(entry, dict) else None
    if isinstance(paths, str) and paths.lstrip().startswith("["):
        with suppress(ValueError, SyntaxError):
            paths = ast.literal_eval(paths.strip())
    if isinstance(paths, str):
        return [paths]
    return [str(path) for path in paths] if isinstance(paths, list | tuple) else []


def _image_base(root: Path, entries: list[Any], folders: Folders) -> str:
    """Return the folder to which the image paths are relative: the first in which one of them exists."""
    for folder in IMAGE_FOLDERS:
        base = os.path.normpath(root.absolute() / folder)
        if os.path.isdir(base) and any(folders.find(_joined(base, path)) for path in _all_paths(entries)):  # noqa: PTH112
            return base
    tried = ", ".join(str(root / folder) for folder in IMAGE_FOLDERS)
    raise DatasetError(f"none of the images that {root / FILE_NAME} names exists; looked in {tried}")


def _all_paths(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        yield from _paths(entry)


def _joined(base: str, path: str) -> str:
    return os.path.normpath(f"{base}/{path}")


def _record(
    base: str, split: str, entry: Any, views: Sequence[str], folders: Folders, left_out: LeftOut
) -> Record | None:
    if not isinstance(entry, dict) or "id" not in entry or not isinstance(entry.get("report"), str):
        left_out.add("entry without id or report", f"an entry of {split}")
        return None
    name = split_name(split) or split_name(str(entry.get("split") or "?"))  # R2Gen itself goes by the list
    if name is None:
        left_out.add("unknown split (known: train, val, test)", str(entry["id"]))
        return None
    images = []
    for path, view in zip(_paths(entry), chain(views, repeat("unknown")), strict=False):
        image = folders.find(_joined(base, path))
        if image is None:
            left_out.add("image is missing", path)
        else:
            images.append((image, view))
    study_id, patient_id = _ids(entry)
    report = cut_report(entry["report"])
    findings, impression = clean_text(report.findings), clean_text(report.impression)
    asked = indication_of({"report": entry["report"]})
    return Record(study_id, tuple(images), findings, impression, patient_id, name, asked)


def _ids(entry: dict[str, Any]) -> tuple[str, str]:
    """Return (study id, patient id or ""). An IU id such as CXR2384_IM-0942 begins with the number of the patient."""
    study_id = str(entry.get("study_id") or entry["id"])
    uid = re.match(r"CXR(\d+)", study_id)
    return study_id, str(entry.get("subject_id") or (uid[1] if uid else ""))
