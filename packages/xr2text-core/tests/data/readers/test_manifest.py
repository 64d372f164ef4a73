"""The manifest reader keeps what is usable, names what is not, and never splits a patient."""

import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.readers import manifest
from xr2text_core.data.readers.manifest import read
from xr2text_core.data.readers.records import NOT_CHECKED
from xr2text_core.data.readers.tables import OPEN_QUOTE
from xr2text_core.data.readers.texts import clean_text
from xr2text_core.data.study import DatasetError

CHEST_NOTES = Path(__file__).parents[5].parent / "shared" / "data" / "chest-notes"


def write(root: Path, *rows: str) -> Path:
    """Write manifest.csv and an image for every name ending in .png that a row begins with."""
    root.mkdir(exist_ok=True)
    (root / "manifest.csv").write_text("\n".join(rows) + "\n", "utf-8")
    for shade, row in enumerate(rows[1:]):
        name = row.split(",", 1)[0]
        if name.endswith(".png") and not name.startswith("gone"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), shade % 256, np.uint8)).save(root / name)
    return root


def test_folder_and_csv_path_give_the_same_studies(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report", "images/a.png,Clear lungs.", 'b.png,"Large heart,\nno fluid."')
    dataset = read(root)
    assert dataset.studies == read(root / "manifest.csv").studies
    assert [study.report.findings for study in dataset.studies] == ["Clear lungs.", "Large heart, no fluid."]
    assert dataset.studies[0].images == (str(root / "images/a.png"),)
    assert dataset.left_out.lines() == []


def test_all_columns_are_used_and_foreign_ones_ignored(tmp_path: Path) -> None:
    header = "image,findings,impression,study_id,patient_id,view,split,colour"
    root = write(tmp_path, header, "a.png,Clear.,Normal.,s1,p1,AP Supine,validate,red")
    (study,) = read(root).studies
    assert (study.study_id, study.patient_id, study.views, study.split) == ("s1", "p1", ("AP",), "val")
    assert (study.report.findings, study.report.impression) == ("Clear.", "Normal.")


def test_rows_of_one_study_become_one_study_with_the_frontal_image_first(tmp_path: Path) -> None:
    header = "image,report,study_id,view"
    root = write(tmp_path, header, "side.png,Clear.,s1,Lateral", "front.png,Clear.,s1,PA", "b.png,Fluid.,s2,")
    first, second = read(root).studies
    assert [Path(image).name for image in first.images] == ["front.png", "side.png"]
    assert first.views == ("PA", "lateral")
    assert second.views == ("unknown",)


def test_study_numbers_that_start_anew_for_each_patient_stay_apart(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report,study_id,patient_id", "a.png,One.,1,anna", "b.png,Two.,1,bert")
    assert [study.study_id for study in read(root).studies] == ["anna/1", "bert/1"]


def test_bad_rows_are_counted_named_and_left_out(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        "image,report,split",
        "a.png,Clear lungs.,train",
        "gone.png,Nobody home.,train",
        "b.png,,train",
        "c.png,XXXX.,train",
        "d.png,An unquoted comma, here,train",
        "e.png,Short row",
        "f.png,Clear lungs.,holdout",
        ",No image.,train",
    )
    dataset = read(root)
    assert len(dataset.studies) == 1
    assert dataset.left_out.counts == {
        "image is missing": 2,
        "the report is empty": 2,
        "the row has more or fewer cells than the header": 2,
        "unknown split (known: train, val, test)": 1,
    }
    assert dataset.left_out.examples["image is missing"] == ["gone.png", "row 9"]


def test_split_keeps_all_studies_of_a_patient_together(tmp_path: Path) -> None:
    rows = [f"{number}.png,Clear lungs.,p{number % 12}" for number in range(60)]
    dataset = read(write(tmp_path, "image,report,patient_id", *rows))
    splits = defaultdict(set)
    for study in dataset.studies:
        splits[study.patient_id].add(study.split)
    assert all(len(names) == 1 for names in splits.values())
    assert set().union(*splits.values()) == {"train", "val", "test"}


def test_a_large_complete_table_is_read_once_and_then_from_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "INDEXED_FROM", 3)
    (tmp_path / "elsewhere.png").write_bytes(b"")
    (tmp_path / "set").mkdir()
    header = "image,findings,impression,study_id,patient_id,view,split"
    rows = [f"{number}.png,Clear.,No fluid.,s{number},p,{'AP' if number else 'LL'},train" for number in range(2)]
    root = write(tmp_path / "set", header, *rows, "../elsewhere.png,Größe.,,s9,q,,val")
    first = read(root)
    monkeypatch.setattr(manifest, "_records", lambda *_: pytest.fail("the table was read again"))
    assert read(root) == first
    assert str(tmp_path / "elsewhere.png") in first.studies[2].images
    (root / "1.png").unlink()
    assert read(root) == first  # the image cache notices


def test_an_index_does_not_hide_a_change_of_the_table_or_a_move_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "INDEXED_FROM", 1)
    root = write(tmp_path / "set", "image,report", "a.png,Clear.", "b.png,Clear.")
    read(root)
    root = write(root, "image,report", "a.png,Clear.", "b.png,Small effusion.")
    assert [study.report.findings for study in read(root).studies] == ["Clear.", "Small effusion."]
    root = root.rename(tmp_path / "moved")
    assert read(root).studies[0].images == (str(tmp_path / "moved" / "a.png"),)


def test_an_incomplete_or_small_table_gets_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, "image,report", "a.png,Clear.", "gone.png,Clear.")
    read(root)
    monkeypatch.setattr(manifest, "INDEXED_FROM", 1)
    read(root)
    assert sorted(path.name for path in root.iterdir()) == ["a.png", "manifest.csv"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("XXXX sternotomy, XXXX. Left ___ (___) is clear.  No XXXX.", "sternotomy. Left is clear. No."),
        ("Called at XXXX. XXXX, XXXX-year-old.", "Called at. year-old."),
        ("Ribs 3XXXX are whole ... so far.", "Ribs 3 are whole. so far."),
        ("No mark, no change ... at all (1.5 cm)", "No mark, no change ... at all (1.5 cm)"),
        ("___.", ""),
    ],
)
def test_removed_words_leave_readable_text(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("picture,report", "a.png,Clear."), "no column image; found: picture, report"),
        (("image,text", "a.png,Clear."), "no column report"),
        (("image,report", "gone.png,Clear."), "image is missing"),
        (("image,report",), "no rows"),
    ],
)
def test_nothing_usable_is_one_clear_error(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as error:
        read(write(tmp_path, *rows))
    assert str(tmp_path) in str(error.value)


def test_a_folder_without_manifest_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"manifest\.csv: no such file. Expected: .*image and report"):
        read(tmp_path)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes("image,report\na.png,Größe\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="UTF-8"):
        read(tmp_path)


@pytest.mark.skipif(not CHEST_NOTES.is_dir(), reason=f"the real radiographs are not there: {CHEST_NOTES}")
def test_121_real_radiographs_are_read_and_all_decode(tmp_path: Path) -> None:
    from xr2text_core.data.images.cache import build_cache

    dataset = read(CHEST_NOTES)
    assert len(dataset.studies) == 121
    assert dataset.left_out.lines() == []
    names = [name for study in dataset.studies for name in study.images]
    cache = build_cache(tmp_path, names, 64)
    assert cache.unreadable == {}
    assert cache.images(names).std(axis=(1, 2)).min() > 5


# -- tables as people keep them


WHOLE = "INDICATION: Pneumonia, CHF.\n\nFINDINGS: Lungs are clear. No effusion.\n\nIMPRESSION: No acute disease."


def test_a_whole_report_is_cut_into_its_sections(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report", f'a.png,"{WHOLE}"', "b.png,Lungs are clear.")
    first, second = read(root).studies
    assert (first.report.findings, first.report.impression) == ("Lungs are clear. No effusion.", "No acute disease.")
    assert (second.report.findings, second.report.impression) == ("Lungs are clear.", "")


def test_an_unclosed_quotation_mark_costs_its_own_row_and_no_other(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "image,report", '0.png,"Clear', "1.png,ok", "2.png,ok"))
    assert [study.study_id for study in dataset.studies] == ["1.png", "2.png"]
    assert dataset.left_out.lines() == [f"left out 1: {OPEN_QUOTE} (row 2)"]


@pytest.mark.parametrize("word", ["NULL", "None", "N/A", "NA", "<NA>", "null", "nan"])
def test_words_for_nothing_are_no_report_no_patient_and_no_split(tmp_path: Path, word: str) -> None:
    rows = [f"{number}.png,Clear lungs.,{word},{word}" for number in range(10)]
    dataset = read(write(tmp_path, "image,report,patient_id,split", *rows, f"empty.png,{word},{word},{word}"))
    assert len({study.patient_id for study in dataset.studies}) == 10
    assert {study.split for study in dataset.studies} == {"train", "val", "test"}
    assert dataset.left_out.counts == {"the report is empty": 1}


def test_a_report_of_320_000_characters_is_read(tmp_path: Path) -> None:
    (study,) = read(write(tmp_path, "image,report", "a.png," + "Clear lungs. " * 25_000)).studies
    assert len(study.report.findings) > 320_000


def test_a_compressed_manifest_in_the_folder_is_found(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report", "a.png,Clear.")
    (root / "manifest.csv.gz").write_bytes(gzip.compress((root / "manifest.csv").read_bytes()))
    (root / "manifest.csv").unlink()
    assert [study.study_id for study in read(root).studies] == ["a.png"]


@pytest.mark.parametrize("name", ["images\\a.png", "images/a.PNG", "images/A.png", ".\\images\\A.PNG"])
def test_windows_paths_and_endings_in_capitals_find_their_image(tmp_path: Path, name: str) -> None:
    write(tmp_path, "image,report", "images/a.png,Clear.")
    (tmp_path / "manifest.csv").write_text(f"image,report\n{name},Clear.\n")
    (study,) = read(tmp_path).studies
    assert study.images == (str(tmp_path / "images" / "a.png"),)


# -- what spoils scores is a warning


def test_a_study_in_two_given_splits_stays_in_both_and_is_called_a_leak(tmp_path: Path) -> None:
    header = "image,report,study_id,patient_id,split"
    rows = ["a.png,Clear.,s1,p1,train", "b.png,Clear.,s1,p1,test", "c.png,Clear.,s1,p1,", "d.png,Ok.,s2,p2,val"]
    dataset = read(write(tmp_path, header, *rows))
    assert [(study.split, len(study.images)) for study in dataset.studies] == [("train", 2), ("test", 1), ("val", 1)]
    assert [warning.split(";")[0] for warning in dataset.warnings] == [
        "LEAK: 1 patient is in more than one of the given splits"
    ]


def test_without_patient_ids_the_truth_about_the_split_is_one_warning(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "image,report", *(f"{number}.png,Clear lungs {number}." for number in range(9))))
    (warning,) = dataset.warnings
    assert warning.startswith("no patient ids") and "hash of its own id" in warning
    assert dataset.notes == ()


def test_without_patient_ids_given_splits_are_taken_and_not_checked(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "image,report,split", "a.png,One.,train", "b.png,Two.,val", "c.png,Two.,test"))
    assert dataset.warnings == () and dataset.notes == (NOT_CHECKED,)


def test_the_same_picture_and_report_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    header = "image,report,patient_id,split"
    rows = ["a.png,Clear.,p1,train", "b.png,Clear.,p2,test", "c.png,Other.,p3,test", "d.png,Clear.,p4,train"]
    rows.append("e.png,Clear.,p5,val")
    root = write(tmp_path, header, *rows)
    (root / "c.png").write_bytes((root / "a.png").read_bytes())  # with another report
    (root / "d.png").write_bytes((root / "a.png").read_bytes())  # in the same split
    assert read(root).warnings == ()
    (root / "b.png").write_bytes((root / "a.png").read_bytes())
    (warning,) = read(root).warnings
    assert warning.startswith("LEAK: 1 picture is in more than one split with the same report")


def test_pictures_that_differ_in_their_last_byte_are_no_copies(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report,patient_id,split", "a.png,Clear.,p1,train", "b.png,Clear.,p2,test")
    content = bytes(200_000)
    (root / "a.png").write_bytes(content)
    (root / "b.png").write_bytes(content[:-1] + b"\1")
    assert read(root).warnings == ()
    (root / "b.png").write_bytes(content)
    assert len(read(root).warnings) == 1


@pytest.mark.parametrize("text", ["Kein Pneumothorax. Kein Infiltrat.", "双肺纹理清晰。心影不大。"])
def test_reports_that_are_not_english_are_one_warning(tmp_path: Path, text: str) -> None:
    rows = [f"{number}.png,{text},p{number}" for number in range(5)]
    (warning,) = read(write(tmp_path, "image,report,patient_id", *rows)).warnings
    assert "not English" in warning and "curriculum" in warning and "clinical score" in warning


def test_studies_with_lateral_films_alone_and_unknown_views_are_told(tmp_path: Path) -> None:
    header = "image,report,study_id,view,patient_id"
    rows = ["a.png,One.,s1,Lateral,p1", "b.png,Two.,s2,,p2", "c.png,Two.,s2,,p2", "d.png,Three.,s3,,p3"]
    rows += ["e.png,Four.,s4,AP,p4", "f.png,Four.,s4,PA,p4", "g.png,Five.,s5,LL,p5", "h.png,Five.,s5,PA,p5"]
    dataset = read(write(tmp_path, header, *rows))
    assert [Path(study.frontal).name for study in dataset.studies] == ["a.png", "b.png", "d.png", "e.png", "h.png"]
    assert dataset.notes[1:] == (
        "studies with only lateral films, of which the first is used: 1",
        "studies with several films of unknown view, of which the first is used: 1",
        "studies with several frontal films, of which the first is used: 1",
    )


@pytest.mark.parametrize(("num_patients", "why"), [(1, "12 studies of 1 patient cannot be split"), (2, "")])
def test_too_few_patients_are_told_as_that(tmp_path: Path, num_patients: int, why: str) -> None:
    rows = [f"{number}.png,Clear {number}.,p{number % num_patients}" for number in range(12)]
    found = read(write(tmp_path, "image,report,patient_id", *rows)).why_not_trainable
    assert found.startswith(why) and bool(found) == bool(why)
    assert not why or "give a split column" in found


# -- indication and last study


def test_indication_and_history_are_read_from_their_columns_else_from_a_whole_report(tmp_path: Path) -> None:
    whole = '"INDICATION: Fever.\nTECHNIQUE: PA.\nFINDINGS: Clear."'
    root = write(
        tmp_path,
        "image,report,indication,history",
        "a.png,Clear.,Cough ___,Asthma.",
        f"b.png,{whole},,",
        f"c.png,{whole},Fall.,",
        "d.png,Clear.,___,",
    )
    assert [study.indication for study in read(root).studies] == ["Cough Asthma.", "Fever.", "Fall.", ""]
    assert {study.report.findings for study in read(root).studies} == {"Clear."}


def test_the_last_study_is_found_by_date_or_by_name(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        "image,report,study_id,patient_id,date,prior_study_id,split",
        "b.png,Two.,s2,anna,2020-01-11,,train",
        "a.png,One.,s1,anna,2020-01-01,,train",
        "c.png,Three.,s3,anna,,s1,train",
        "d.png,Other.,s4,bert,2019-01-01,,train",
    )
    two, one, three, other = read(root).studies
    assert two.prior is not None and three.prior is not None
    assert (Path(two.prior.image).name, two.prior.report.findings, two.prior.days) == ("a.png", "One.", 10.0)
    assert (Path(three.prior.image).name, three.prior.days) == ("a.png", None)
    assert one.prior is None and other.prior is None


def test_a_prior_whose_image_is_missing_is_none_and_an_unknown_one_is_an_error_with_its_row(tmp_path: Path) -> None:
    header = "image,report,study_id,patient_id,prior_study_id"
    root = write(tmp_path, header, "gone.png,One.,s1,anna,", "b.png,Two.,s2,anna,s1")
    assert [study.prior for study in read(root).studies] == [None]
    write(tmp_path, header, "a.png,One.,s1,anna,", "b.png,Two.,s2,anna,s9")
    with pytest.raises(DatasetError, match="row 3: prior_study_id s9 of study s2"):
        read(tmp_path)


def test_a_named_prior_needs_a_patient(tmp_path: Path) -> None:
    root = write(tmp_path, "image,report,study_id,prior_study_id", "a.png,One.,s1,", "b.png,Two.,s2,s1")
    with pytest.raises(DatasetError, match="another patient; give both the same patient_id"):
        read(root)


def test_priors_of_studies_that_are_numbered_for_each_patient_stay_with_their_patient(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        "image,report,study_id,patient_id,prior_study_id",
        "a.png,One.,1,anna,",
        "b.png,Two.,2,anna,1",
        "c.png,Three.,1,bert,",
    )
    priors = {study.study_id: study.prior for study in read(root).studies}
    assert {name: prior and prior.report.findings for name, prior in priors.items()} == {
        "anna/1": None, "anna/2": "One.", "bert/1": None,
    }  # fmt: skip


def test_the_index_keeps_indications_and_priors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "INDEXED_FROM", 1)
    header = "image,report,study_id,patient_id,date,indication"
    root = write(tmp_path, header, "a.png,One.,s1,anna,2020-01-01,Cough.", "b.png,Two.,s2,anna,2020-01-02,Fever.")
    first = read(root)
    (root / "a.png").unlink()
    assert read(root) == first  # from the index
    assert first.studies[1].prior is not None and first.studies[1].indication == "Fever."
