"""MIMIC-CXR is read in each of its three layouts, written here in small with made-up reports."""

import gzip
import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.readers.mimic_cxr import read
from xr2text_core.data.study import DatasetError

REPORT = "FINAL REPORT\n INDICATION:  Cough.\n\n FINDINGS:\n\n Dark lungs at ___.\n\n IMPRESSION:  Nothing new.\n"


def image_bytes(shade: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), shade, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_jpg_tree(root: Path, compressed: bool, report_base: str, image_base: str = "files") -> Path:
    rows = [  # dicom, subject, study, view, split
        ("a1", "10000032", "50000001", "LATERAL", "train"),
        ("a2", "10000032", "50000001", "PA", "train"),
        ("b1", "10000032", "50000002", "AP", "train"),
        ("c1", "11000033", "50000003", "", "validate"),
        ("d1", "12000034", "50000004", "LL", "test"),
        ("e1", "12000034", "50000005", "PA", "test"),  # no report file
        ("f1", "12000034", "50000006", "PA", "test"),  # no image file
    ]
    tables = {
        "metadata": ["dicom_id,subject_id,study_id,ViewPosition,Rows,Columns"]
        + [f"{dicom},{subject},{study},{view},3056,2544" for dicom, subject, study, view, _ in rows],
        "split": ["dicom_id,study_id,subject_id,split"]
        + [f"{dicom},{study},{subject},{split}" for dicom, subject, study, _, split in rows],
    }
    for name, lines in tables.items():
        text = ("\n".join(lines) + "\n").encode()
        path = root / f"mimic-cxr-2.0.0-{name}.csv"
        if compressed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text))
        else:
            path.write_bytes(text)
    for dicom, subject, study, _, _ in rows:
        folder = f"p{subject[:2]}/p{subject}"
        if dicom != "f1":
            path = root / image_base / folder / f"s{study}" / f"{dicom}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image_bytes(9))
        if dicom != "e1":
            path = root / report_base / folder / f"s{study}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(REPORT)
    return root


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("report_base", ["files", "mimic-cxr-reports/files"])
def test_jpg_tree_with_metadata_splits_and_reports(tmp_path: Path, compressed: bool, report_base: str) -> None:
    dataset = read(write_jpg_tree(tmp_path, compressed, report_base))
    assert [study.study_id for study in dataset.studies] == [f"5000000{number}" for number in (1, 2, 3, 4)]
    assert [study.split for study in dataset.studies] == ["train", "train", "val", "test"]
    first = dataset.studies[0]
    assert [Path(image).name for image in first.images] == ["a2.jpg", "a1.jpg"]
    assert first.views == ("PA", "lateral")
    assert (first.report.findings, first.report.impression) == ("Dark lungs at.", "Nothing new.")
    assert first.patient_id == dataset.studies[1].patient_id == "10000032"
    assert dataset.left_out.counts == {
        "report file is missing": 1,
        "image is missing": 1,
        "study without any image": 1,
    }


def test_jpg_tree_without_the_split_table_is_split_by_patient(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files")
    (tmp_path / "mimic-cxr-2.0.0-split.csv").unlink()
    dataset = read(tmp_path)
    assert dataset.studies[0].split == dataset.studies[1].split
    assert {study.split for study in dataset.studies} == {"train", "val", "test"}
    assert "hash" in dataset.notes[0]


def write_complete_tree(root: Path) -> Path:
    write_jpg_tree(root, False, "files")
    (root / "files/p12/p12000034/s50000005.txt").write_text(REPORT)
    (root / "files/p12/p12000034/s50000006").mkdir()
    (root / "files/p12/p12000034/s50000006/f1.jpg").write_bytes(image_bytes(9))
    return root


def test_a_complete_jpg_tree_is_read_once_and_then_from_its_index(tmp_path: Path) -> None:
    first = read(write_complete_tree(tmp_path))
    assert len(first.studies) == 6
    for path in tmp_path.glob("files/*/*/*.txt"):
        path.unlink()
    assert read(tmp_path) == first


def test_the_index_is_not_used_when_a_table_changed_or_the_index_is_damaged(tmp_path: Path) -> None:
    first = read(write_complete_tree(tmp_path))
    index = tmp_path / "xr2text_index.bin"
    whole = index.read_bytes()
    for damaged in (b"", whole[:-9], whole.replace(b"lung", b"lynx")):
        index.write_bytes(damaged)
        assert read(tmp_path) == first
    table = tmp_path / "mimic-cxr-2.0.0-split.csv"
    table.write_text(table.read_text().replace("validate", "test"))
    assert [study.split for study in read(tmp_path).studies].count("test") == 4


def test_an_incomplete_jpg_tree_is_looked_at_again_each_time(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files")
    read(tmp_path)
    (tmp_path / "files/p12/p12000034/s50000005.txt").write_text(REPORT)
    assert len(read(tmp_path).studies) == 5


def test_the_last_study_is_found_by_date_and_time_and_the_indication_in_the_report(tmp_path: Path) -> None:
    write_complete_tree(tmp_path)
    dates = {"50000001": ("21800506", "83014.5"), "50000002": ("21800506", "203014"), "50000004": ("21800101", "")}
    path = tmp_path / "mimic-cxr-2.0.0-metadata.csv"
    header, *lines = path.read_text().splitlines()
    rows = [",".join((line, *dates.get(line.split(",")[2], ("", "")))) for line in lines]
    path.write_text("\n".join([f"{header},StudyDate,StudyTime", *rows]) + "\n")
    first = read(tmp_path)
    studies = {study.study_id: study for study in first.studies}
    prior = studies["50000002"].prior
    assert prior is not None and prior.days == pytest.approx(0.5, abs=1e-4)
    assert Path(prior.image).name == "a2.jpg" and prior.report.findings == "Dark lungs at."
    assert [name for name, study in studies.items() if study.prior] == ["50000002"]
    assert {study.indication for study in first.studies} == {"Cough."}
    assert read(tmp_path) == first  # from the index


def test_jpg_tree_without_images_says_where_one_was_expected(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files", image_base="elsewhere")
    with pytest.raises(DatasetError, match=r"no image of the tables exists \(for example .*a1\.jpg"):
        read(tmp_path)


def test_dicom_files_are_taken_where_there_is_no_jpg(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files")
    for name in ("a2", "b1"):
        (path,) = tmp_path.glob(f"files/*/*/*/{name}.jpg")
        path.rename(path.with_suffix(".dcm"))
    names = [[Path(image).name for image in study.images] for study in read(tmp_path).studies]
    assert names == [["a2.dcm", "a1.jpg"], ["b1.dcm"], ["c1.jpg"], ["d1.jpg"]]


def test_a_tree_of_jpg_files_is_preferred_to_one_of_dicom_files(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files", image_base="mimic-cxr-jpg/files")
    for path in list(tmp_path.glob("mimic-cxr-jpg/files/*/*/*/*.jpg")):
        dicom = tmp_path / path.relative_to(tmp_path / "mimic-cxr-jpg").with_suffix(".dcm")
        dicom.parent.mkdir(parents=True, exist_ok=True)
        dicom.write_bytes(b"")
    assert {Path(image).suffix for study in read(tmp_path).studies for image in study.images} == {".jpg"}


def test_r2gen_entries_of_one_study_become_one_study(tmp_path: Path) -> None:
    entries = [
        {
            "id": dicom,
            "study_id": 50000001,
            "subject_id": 10000032,
            "report": "The lungs are dark. \n No fluid at ___.",
            "image_path": [f"p10/p10000032/s50000001/{dicom}.jpg"],
            "split": "train",
        }
        for dicom in ("a1", "a2")
    ]
    (tmp_path / "annotation.json").write_text(json.dumps({"train": entries, "val": [], "test": []}))
    for entry in entries:
        path = tmp_path / "images" / entry["image_path"][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(9))
    (study,) = read(tmp_path).studies
    assert (study.study_id, study.patient_id, len(study.images)) == ("50000001", "10000032", 2)
    assert study.report.findings == "The lungs are dark. No fluid at."


def write_parquet(path: Path, rows: list[tuple[object, str, str | None]]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("image", "findings", "impression"))}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), path)


def as_dict(content: bytes) -> dict[str, object]:
    return {"bytes": content, "path": None}


def test_parquet_duplicates_by_report_or_image_never_straddle_splits(tmp_path: Path) -> None:
    rows = [(as_dict(image_bytes(number)), f"Text {number}.", f"End {number}.") for number in range(60)]
    rows += [(as_dict(image_bytes(100 + number)), f"Text {number}.", f"End {number}.") for number in range(60)]
    rows += [(as_dict(image_bytes(100 + number)), f"Other text {number}.", None) for number in range(60)]
    rows += rows[:5]
    write_parquet(tmp_path / "data" / "train-00000.parquet", rows)
    dataset = read(tmp_path)
    assert len(dataset.studies) == 180
    assert dataset.left_out.counts == {"copy of another row": 5}
    splits = defaultdict(set)
    for study in dataset.studies:
        splits[study.report.findings].add(study.split)
        splits[study.frontal].add(study.split)
        splits[study.report.findings.replace("Other text", "Text")].add(study.split)
    assert all(len(names) == 1 for names in splits.values())
    assert {study.split for study in dataset.studies} == {"train", "val", "test"}
    assert any("no patient ids" in warning for warning in dataset.warnings)


def test_parquet_images_are_extracted_once_as_they_are(tmp_path: Path) -> None:
    png = image_bytes(1, "PNG")
    write_parquet(tmp_path / "a.parquet", [(as_dict(png), "One.", "A."), (as_dict(image_bytes(2)), "Two.", "B.")])
    first = read(tmp_path)
    image = Path(first.studies[0].frontal)
    assert image.suffix == ".png"
    assert image.read_bytes() == png
    stamp = image.stat().st_mtime_ns
    assert read(tmp_path).studies == first.studies
    assert image.stat().st_mtime_ns == stamp
    image.unlink()  # somebody tidied up
    assert read(tmp_path).studies == first.studies
    assert image.exists()


def test_parquet_rows_without_image_or_text_are_counted_and_bare_bytes_are_read(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "a.parquet", [(image_bytes(1), "One.", None), (None, "Two.", ""), (image_bytes(3), "", "")]
    )
    dataset = read(tmp_path)
    assert [study.report.findings for study in dataset.studies] == ["One."]
    assert dataset.left_out.counts == {"row without image": 1, "the report is empty": 1}


def test_a_parquet_file_with_other_columns_or_cut_short_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [(image_bytes(1), "One.", "")])
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"a\.parquet cannot be read"):
        read(tmp_path)


def test_a_place_where_images_cannot_be_extracted_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [(image_bytes(1), "One.", "")])
    (tmp_path / "extracted_images").write_text("a file in the way")
    with pytest.raises(DatasetError, match="extracted_images, which failed"):
        read(tmp_path)


def test_an_empty_folder_says_which_layouts_are_known(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"metadata\.csv.*annotation\.json.*parquet"):
        read(tmp_path)


# -- odd reports


ODD_REPORTS = {
    "no known header": (
        b"FINAL REPORT\n Heart size is normal. Lungs are clear.",
        "Heart size is normal. Lungs are clear.",
    ),
    "empty": (b"", None),
    "blank": (b" \n\n", None),
    "lower case": (b"findings: Lungs clear.\nimpression: ok", "Lungs clear."),
    "dash": (b"FINDINGS - Lungs clear.", "Lungs clear."),
    "own line": (b"FINDINGS\n\nLungs clear.", "Lungs clear."),
    "one line": (b"FINAL REPORT FINDINGS: Lungs clear.", "Lungs clear."),
    "markdown": (b"**FINDINGS:** Lungs clear.", "Lungs clear."),
    "title": (b"CHEST TWO VIEWS\n\nHeart size is normal. Lungs clear.", "Heart size is normal. Lungs clear."),
    "mark": ("\ufeff FINDINGS: Clear.".encode(), "Clear."),
    "UTF-16": ("FINDINGS: Lungs clear.\n".encode("utf-16"), "Lungs clear."),
    "UTF-16 without mark": ("FINDINGS: Lungs clear.\n".encode("utf-16-le"), "Lungs clear."),
    "Windows": ("FINDINGS: Größe normal.".encode("cp1252"), "Größe normal."),
    "no text": (bytes(range(256)), ""),
    "header only": (b"FINDINGS:", None),
}


@pytest.mark.parametrize(("content", "findings"), ODD_REPORTS.values(), ids=ODD_REPORTS.keys())
def test_an_odd_report_is_findings_or_counted_and_left_out(
    tmp_path: Path, content: bytes, findings: str | None
) -> None:
    write_jpg_tree(tmp_path, False, "files")
    (tmp_path / "files/p10/p10000032/s50000002.txt").write_bytes(content)
    dataset = read(tmp_path)
    found = {study.study_id: study.report.findings for study in dataset.studies}
    if findings is None:
        assert "50000002" not in found
        assert dataset.left_out.examples["the report is empty"] == ["50000002"]
    elif findings:
        assert found["50000002"] == findings
    assert {"50000001", "50000003", "50000004"} <= set(found)


def test_a_folder_in_the_place_of_a_report_is_counted(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files")
    report = tmp_path / "files/p10/p10000032/s50000002.txt"
    report.unlink()
    report.mkdir()
    dataset = read(tmp_path)
    assert len(dataset.studies) == 3
    assert dataset.left_out.counts["report file cannot be read"] == 1


def test_a_study_with_two_splits_in_the_table_is_a_leak(tmp_path: Path) -> None:
    write_jpg_tree(tmp_path, False, "files")
    table = tmp_path / "mimic-cxr-2.0.0-split.csv"
    table.write_text(table.read_text().replace("a2,50000001,10000032,train", "a2,50000001,10000032,test"))
    dataset = read(tmp_path)
    assert [study.split for study in dataset.studies if study.study_id == "50000001"] == ["test", "train"]
    assert any(warning.startswith("LEAK: 1 patient") for warning in dataset.warnings)
