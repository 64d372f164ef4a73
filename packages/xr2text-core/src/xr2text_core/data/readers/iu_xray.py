"""Reads the Indiana University chest X-rays in the three forms in which they are distributed.

Kaggle: indiana_reports.csv, indiana_projections.csv and a folder of PNG files. Open-i: ecgen-radiology/*.xml and the
PNG files (NLMCXR_png). R2Gen: annotation.json and images/. In the first two the uid is the patient.
"""

import os
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from xr2text_core.data.readers import r2gen
from xr2text_core.data.readers.reading import (
    Record,
    clean_text,
    dataset_of,
    find_file,
    image_files,
    read_table,
    view_name,
)
from xr2text_core.data.study import Dataset, DatasetError, LeftOut

LAYOUT = (
    "Expected one of: indiana_reports.csv + indiana_projections.csv + the images (Kaggle); "
    "ecgen-radiology/*.xml + NLMCXR_png/ (Open-i); annotation.json + images/ (R2Gen)"
)
PREFERRED_FOLDERS = ("images/images_normalized", "images_normalized", "images", "NLMCXR_png")


def read(root: Path) -> Dataset:
    """Read IU X-Ray from `root`, whichever of the three layouts it has. Raises DatasetError."""
    left_out = LeftOut()
    reports = find_file(root, "indiana_reports.csv")
    annotation = find_file(root, r2gen.FILE_NAME)
    if reports is not None:
        records = _kaggle(root, reports, left_out)
    elif annotation is not None:
        records = r2gen.read_annotation(annotation, left_out)
    elif folder := _xml_folder(root):
        records = _open_i(root, folder, left_out)
    else:
        raise DatasetError(f"{root}: no IU X-Ray data set was found there. {LAYOUT}")
    return dataset_of("iu-xray", root, records, left_out, layout=LAYOUT)


def _kaggle(root: Path, reports: Path, left_out: LeftOut) -> list[Record]:
    projections = find_file(root, "indiana_projections.csv")
    if projections is None:
        raise DatasetError(f"{reports} is there, but indiana_projections.csv is not in {root}. {LAYOUT}")
    images = _images_of(projections, _images(root), left_out)
    records = []
    for line, row in read_table(reports, needed=("uid", "findings", "impression")):
        if row is None or not row["uid"].strip():
            left_out.add("the row of the report is broken", f"row {line}")
            continue
        uid = row["uid"].strip()
        findings, impression = clean_text(row["findings"]), clean_text(row["impression"])
        records.append(Record(uid, tuple(images.get(uid, ())), findings, impression, uid))
    return records


def _images_of(projections: Path, files: Mapping[str, str], left_out: LeftOut) -> dict[str, list[tuple[str, str]]]:
    """Return the images with their views by uid."""
    images: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line, row in read_table(projections, needed=("uid", "filename")):
        if row is None:
            left_out.add("the row of the image is broken", f"row {line}")
        elif (name := row["filename"].strip()) not in files:
            left_out.add("image is missing", name or f"row {line}")
        else:
            images[row["uid"].strip()].append((files[name], view_name(row.get("projection", ""))))
    return images


def _images(root: Path) -> dict[str, str]:
    """Return all images by file name; of duplicates, those in the usual folders win."""
    files = image_files(root.absolute())
    for folder in reversed(PREFERRED_FOLDERS):
        if (root / folder).is_dir():
            files |= image_files((root / folder).absolute())
    return files


def _xml_folder(root: Path) -> Path | None:
    for folder in (root / "ecgen-radiology", *sorted(root.glob("*/ecgen-radiology")), root):
        if next(folder.glob("*.xml"), None) is not None:
            return folder
    return None


def _open_i(root: Path, folder: Path, left_out: LeftOut) -> list[Record]:
    by_stem = {os.path.splitext(name)[0]: path for name, path in sorted(_images(root).items())}  # noqa: PTH122
    records = []
    for path in sorted(folder.glob("*.xml")):
        try:
            tree = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, OSError, LookupError, ValueError):
            left_out.add("broken XML file", path.name)
            continue
        records.append(_open_i_record(path, tree, by_stem, left_out))
    return records


def _open_i_record(path: Path, tree: ElementTree.Element, by_stem: Mapping[str, str], left_out: LeftOut) -> Record:
    texts = {part.get("Label", "").upper(): "".join(part.itertext()) for part in tree.iter("AbstractText")}
    uid_element = tree.find(".//uId")
    name = (uid_element.get("id", "") if uid_element is not None else "") or path.stem
    digits = re.search(r"\d+", name)
    uid = digits[0] if digits else name
    images = []
    for image in tree.iter("parentImage"):
        image_id = image.get("id", "")
        if image_id in by_stem:
            images.append((by_stem[image_id], "unknown"))  # the XML has no projection
        else:
            left_out.add("image is missing", image_id or path.name)
    findings, impression = clean_text(texts.get("FINDINGS", "")), clean_text(texts.get("IMPRESSION", ""))
    return Record(uid, tuple(images), findings, impression, uid)
