"""Reads the Indiana University chest X-rays in the three forms in which they are distributed.

Kaggle: indiana_reports.csv, indiana_projections.csv and a folder of PNG files. Open-i: ecgen-radiology/*.xml and the
PNG files (NLMCXR_png). R2Gen: annotation.json and images/. In the first two the uid is the patient. The XML tells no
views: Kaggle's projections do where they lie beside it, else the caption of a film, else its picture. The annotation
has neither MeSH codes nor indications: Kaggle's reports do where they lie beside it or one folder up.
"""

import os
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from xr2text_core.data.readers import r2gen
from xr2text_core.data.readers.files import find_file, image_files
from xr2text_core.data.readers.projections import BY_PICTURE, symmetries, views_by_symmetry
from xr2text_core.data.readers.records import Record, dataset_of, merged
from xr2text_core.data.readers.tables import read_table
from xr2text_core.data.readers.texts import clean_indication, clean_text
from xr2text_core.data.readers.views import VIEW_ORDER, view_name
from xr2text_core.data.study import Dataset, DatasetError, LeftOut
from xr2text_core.metrics.findings.mesh import split_codes

REPORTS, PROJECTIONS = "indiana_reports.csv", "indiana_projections.csv"
CODES = "mesh"  # the column, lower case as read_table gives it
LAYOUT = (
    f"Expected one of: {REPORTS} + {PROJECTIONS} + the images (Kaggle); "
    "ecgen-radiology/*.xml + NLMCXR_png/ (Open-i); annotation.json + images/ (R2Gen)"
)
PREFERRED_FOLDERS = ("images/images_normalized", "images_normalized", "images", "NLMCXR_png")


def read(root: Path) -> Dataset:
    """Read IU X-Ray from `root`, whichever of the three layouts it has. Raises DatasetError."""
    left_out = LeftOut()
    notes: list[str] = []
    reports, projections = find_file(root, REPORTS), find_file(root, PROJECTIONS)
    annotation = find_file(root, r2gen.FILE_NAME)
    if reports is not None and (projections is not None or annotation is None):
        records = merged(_kaggle(root, reports, projections, left_out), left_out)
    elif annotation is not None:
        records = r2gen.read_annotation(annotation, left_out, ("frontal", "lateral"))
        records = _with_rows(records, _rows_near(annotation, notes))
    elif folder := _xml_folder(root):
        records = merged(_open_i(root, folder, left_out), left_out)
        if films := _films_without_view(records):
            records = _with_views(records, symmetries(root, films))
            notes = [f"the XML does not tell the views of {len(films)} films: {BY_PICTURE}"]
    else:
        raise DatasetError(f"{root}: no IU X-Ray data set was found there. {LAYOUT}")
    return dataset_of("iu-xray", root, records, left_out, LAYOUT, notes)


def _kaggle(root: Path, reports: Path, projections: Path | None, left_out: LeftOut) -> list[Record]:
    if projections is None:
        raise DatasetError(f"{reports} is there, but {PROJECTIONS} is not in {root}. {LAYOUT}")
    images = _images_of(projections, _images(root), left_out)
    records = []
    for line, row in read_table(reports, needed=("uid", "findings", "impression")):
        if isinstance(row, str) or not row["uid"].strip():
            left_out.add("the row of the report is broken", f"row {line}")
            continue
        uid = row["uid"].strip()
        findings, impression = clean_text(row["findings"]), clean_text(row["impression"])
        asked, codes = clean_indication(row.get("indication", "")), split_codes(row.get(CODES, ""))
        films = tuple(images.get(uid, ()))
        records.append(Record(uid, films, findings, impression, uid, indication=asked, codes=codes))
    return records


def _rows_near(annotation: Path, notes: list[str]) -> dict[str, dict[str, str]]:
    """Return the rows by uid of Kaggle's reports beside the annotation or one folder up; none without the table."""
    folders = annotation.absolute().parents[:2]
    tables = (table for folder in folders for table in (folder / REPORTS, folder / f"{REPORTS}.gz") if table.is_file())
    table = next(tables, None)
    try:
        rows = read_table(table, needed=("uid", CODES)) if table else ()
        return {row["uid"].strip(): row for _, row in rows if not isinstance(row, str)}
    except DatasetError as error:  # reports are complete without it
        notes.append(f"no MeSH codes and no indications: {error}")
        return {}


def _with_rows(records: Iterable[Record], rows: Mapping[str, Mapping[str, str]]) -> list[Record]:
    """Add codes and indication to records of R2Gen, whose patient is the uid."""
    nothing: dict[str, str] = {}
    found = ((record, rows.get(record.patient_id, nothing)) for record in records)
    return [
        replace(record, codes=split_codes(row.get(CODES, "")), indication=clean_indication(row.get("indication", "")))
        for record, row in found
    ]


def _images_of(projections: Path, files: Mapping[str, str], left_out: LeftOut) -> dict[str, list[tuple[str, str]]]:
    """Return the images with their views by uid."""
    images: dict[str, list[tuple[str, str]]] = defaultdict(list)
    by_lower = {name.lower(): path for name, path in files.items()}
    for line, row in read_table(projections, needed=("uid", "filename")):
        if isinstance(row, str):
            left_out.add("the row of the image is broken", f"row {line}")
            continue
        name = row["filename"].strip()
        image = files.get(name) or by_lower.get(name.lower())
        if image is None:
            left_out.add("image is missing", name or f"row {line}")
        else:
            images[row["uid"].strip()].append((image, view_name(row.get("projection", ""))))
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
    views = _views_of_projections(root)
    records = []
    for path in sorted(folder.glob("*.xml")):
        try:
            tree = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, OSError, LookupError, ValueError):
            left_out.add("broken XML file", path.name)
            continue
        records.append(_open_i_record(path, tree, by_stem, views, left_out))
    return records


def _open_i_record(
    path: Path, tree: ElementTree.Element, by_stem: Mapping[str, str], views: Mapping[str, str], left_out: LeftOut
) -> Record:
    texts = {part.get("Label", "").upper(): "".join(part.itertext()) for part in tree.iter("AbstractText")}
    uid_element = tree.find(".//uId")
    name = (uid_element.get("id", "") if uid_element is not None else "") or path.stem
    digits = re.search(r"\d+", name)
    uid = digits[0] if digits else name
    captions = {image.get("id", ""): image.findtext("caption", "").strip() for image in tree.iter("parentImage")}
    is_of_study = len(captions) > 1 and len(set(captions.values())) == 1  # one caption for all films tells none apart
    images = []
    for image_id, caption in captions.items():
        if image_id not in by_stem:
            left_out.add("image is missing", image_id or path.name)
            continue
        view = views.get(film_id(image_id), "unknown" if is_of_study else view_name(caption))
        images.append((by_stem[image_id], view))
    findings, impression = clean_text(texts.get("FINDINGS", "")), clean_text(texts.get("IMPRESSION", ""))
    codes = split_codes(";".join(code.text or "" for code in tree.iterfind(".//MeSH/major")))
    asked = clean_indication(texts.get("INDICATION", ""), texts.get("HISTORY", ""))
    return Record(uid, tuple(images), findings, impression, uid, indication=asked, codes=codes)


def _views_of_projections(root: Path) -> dict[str, str]:
    """Return the views of Kaggle's table by film id, where the table lies beside the XML files."""
    projections = find_file(root, PROJECTIONS)
    rows = read_table(projections, needed=("filename", "projection")) if projections else ()
    return {film_id(row["filename"]): view_name(row["projection"]) for _, row in rows if not isinstance(row, str)}


def film_id(name: str) -> str:
    """Return what Open-i and Kaggle share: 1_IM-0001-4001 of CXR1_1_IM-0001-4001 and of 1_IM-0001-4001.dcm.png."""
    return re.sub(r"^CXR\d+_(?=\d+_)|\..*$", "", name.strip())


def _films_without_view(records: Iterable[Record]) -> list[str]:
    """Return the films to look at: those of unknown view in studies where no film is known to be a frontal one."""
    unsure = [record for record in records if all(VIEW_ORDER[view] > 0 for _, view in record.images)]
    return sorted({film for record in unsure for film, view in record.images if view == "unknown"})


def _with_views(records: Iterable[Record], symmetry: Mapping[str, float]) -> list[Record]:
    return [replace(record, images=tuple(views_by_symmetry(record.images, symmetry))) for record in records]
