"""IU X-Ray is read in each of its three layouts, written here in small."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.readers.iu_xray import film_id, read
from xr2text_core.data.study import DatasetError
from xr2text_core.drawing.names import draw_image


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)


def write_kaggle(root: Path, image_folder: str) -> Path:
    (root / "indiana_reports.csv").write_text(
        "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
        '1,normal,normal,Xray Chest,Cough,None.,"Clear lungs, XXXX heart.",Normal chest.\n'
        "2,normal,normal,Xray Chest,Cough,None.,,Only an impression.\n"
        "3,normal,normal,Xray Chest,Cough,None.,,\n"
        "4,normal,normal,Xray Chest,Cough,None.,Its images are gone.,Sad.\n"
    )
    (root / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_IM-2.png,Lateral\n1,1_IM-1.png,Frontal\n2,2_IM-1.png,Frontal\n"
        "3,3_IM-1.png,Frontal\n4,4_IM-1.png,Frontal\n"
    )
    for name in ("1_IM-1.png", "1_IM-2.png", "2_IM-1.png", "3_IM-1.png"):
        write_image(root / image_folder / name)
    return root


@pytest.mark.parametrize("image_folder", ["images/images_normalized", "images", "somewhere/else", ""])
def test_kaggle_layout_wherever_the_images_lie(tmp_path: Path, image_folder: str) -> None:
    dataset = read(write_kaggle(tmp_path, image_folder))
    first, second = dataset.studies
    assert first.images == tuple(str(tmp_path / image_folder / name) for name in ("1_IM-1.png", "1_IM-2.png"))
    assert first.views == ("frontal", "lateral")
    assert first.patient_id == "1"
    assert (first.report.findings, first.report.impression) == ("Clear lungs, heart.", "Normal chest.")
    assert (second.report.findings, second.report.impression) == ("", "Only an impression.")
    assert dataset.left_out.counts == {
        "the report is empty": 1,
        "image is missing": 1,
        "study without any image": 1,
    }


def test_kaggle_reports_without_projections_say_what_is_missing(tmp_path: Path) -> None:
    write_kaggle(tmp_path, "images")
    (tmp_path / "indiana_projections.csv").unlink()
    with pytest.raises(DatasetError, match=r"indiana_projections\.csv is not in"):
        read(tmp_path)


XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR{uid}"/><MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">{impression}</AbstractText>
</Abstract></Article></MedlineCitation>
<parentImage id="CXR{uid}_IM-1"><caption>Xray</caption></parentImage>
<parentImage id="CXR{uid}_IM-2"><caption>Xray</caption></parentImage></eCitation>"""


def test_open_i_layout_with_a_broken_file(tmp_path: Path) -> None:
    folder = tmp_path / "ecgen-radiology"
    folder.mkdir()
    (folder / "1.xml").write_text(XML.format(uid=1, findings="Clear &amp; dark lungs.", impression="Normal."))
    (folder / "2.xml").write_text(XML.format(uid=2, findings="", impression=""))
    (folder / "3.xml").write_text("<eCitation><uId")
    for name in ("CXR1_IM-1", "CXR1_IM-2", "CXR2_IM-1"):
        write_image(tmp_path / "NLMCXR_png" / f"{name}.png")
    dataset = read(tmp_path)
    (study,) = dataset.studies
    assert (study.study_id, study.patient_id, len(study.images)) == ("1", "1", 2)
    assert (study.report.findings, study.report.impression) == ("Clear & dark lungs.", "Normal.")
    assert dataset.left_out.counts == {"broken XML file": 1, "the report is empty": 1, "image is missing": 1}


def test_r2gen_layout_keeps_its_splits(tmp_path: Path) -> None:
    entries = {
        split: [
            {
                "id": f"CXR{number}_IM-{number:04}",
                "report": "the lungs are clear .",
                "image_path": [f"CXR{number}_IM-{number:04}/{view}.png" for view in (0, 1)],
                "split": split,
            }
        ]
        for number, split in enumerate(("train", "val", "test"), start=1)
    }
    entries["test"].append({"report": "no id"})
    entries["test"].append({"id": "CXR9", "report": "gone", "image_path": ["CXR9/0.png"], "split": "test"})
    (tmp_path / "annotation.json").write_text(json.dumps(entries))
    for part in entries.values():
        for path in part[0]["image_path"]:
            write_image(tmp_path / "images" / path)
    dataset = read(tmp_path)
    assert [study.split for study in dataset.studies] == ["train", "val", "test"]
    assert dataset.studies[0].patient_id == "1"
    assert [Path(image).name for image in dataset.studies[0].images] == ["0.png", "1.png"]
    assert dataset.left_out.counts == {
        "entry without id or report": 1,
        "image is missing": 1,
        "study without any image": 1,
    }


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"train": 3}'])
def test_a_foreign_annotation_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "annotation.json").write_text(content)
    with pytest.raises(DatasetError, match=r"annotation\.json is not an R2Gen annotation file"):
        read(tmp_path)


def test_an_empty_folder_says_which_layouts_are_known(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"indiana_reports\.csv.*ecgen-radiology.*annotation\.json"):
        read(tmp_path)


# -- R2Gen files as they are passed on


def write_annotation(root: Path, mark: str = "", **splits: list[tuple[str, object]]) -> Path:
    """Write annotation.json with entries (id, image_path), and an image for every path in a list."""
    entries = {
        split: [
            {"id": name, "report": "the lungs are clear .", "image_path": path, "split": split} for name, path in part
        ]
        for split, part in splits.items()
    }
    (root / "annotation.json").write_text(mark + json.dumps(entries), encoding="utf-8")
    for name in ("CXR1_IM-1/0.png", "CXR1_IM-1/1.png", "CXR2_IM-2/0.png"):
        write_image(root / "images" / name)
    return root


@pytest.mark.parametrize(
    ("image_path", "names"),
    [
        (["CXR1_IM-1/0.png", "CXR1_IM-1/1.png"], ["0.png", "1.png"]),
        ("['CXR1_IM-1/0.png', 'CXR1_IM-1/1.png']", ["0.png", "1.png"]),
        ('["CXR1_IM-1/0.png"]', ["0.png"]),
        ("CXR1_IM-1/0.png", ["0.png"]),
        ("CXR1_IM-1\\0.png", ["0.png"]),
        (["CXR1_IM-1/0.PNG"], ["0.png"]),
    ],
)
def test_image_paths_in_every_form_are_read(tmp_path: Path, image_path: object, names: list[str]) -> None:
    (study,) = read(write_annotation(tmp_path, train=[("CXR1_IM-1", image_path)])).studies
    assert [Path(image).name for image in study.images] == names
    assert study.views == ("frontal", "lateral")[: len(names)]  # as R2Gen lists them


@pytest.mark.parametrize("image_path", ["[not a list", 3, None, {"a": 1}])
def test_image_paths_that_are_none_are_counted(tmp_path: Path, image_path: object) -> None:
    entries = [("CXR1_IM-1", image_path), ("CXR2_IM-2", ["CXR2_IM-2/0.png"])]
    dataset = read(write_annotation(tmp_path, train=entries))
    assert dataset.left_out.counts["study without any image"] == 1


def test_an_annotation_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read(write_annotation(tmp_path, "\ufeff", train=[("CXR1_IM-1", ["CXR1_IM-1/0.png"])])).studies


def test_the_list_decides_about_the_split_as_in_r2gen(tmp_path: Path) -> None:
    root = write_annotation(tmp_path, train=[("CXR1_IM-1", ["CXR1_IM-1/0.png"])], all=[("CXR2", ["CXR2_IM-2/0.png"])])
    entries = json.loads((root / "annotation.json").read_text())
    entries["train"][0]["split"] = entries["all"][0]["split"] = "val"
    (root / "annotation.json").write_text(json.dumps(entries))
    assert [study.split for study in read(root).studies] == ["train", "val"]


def test_an_id_in_two_splits_stays_in_both_and_is_called_a_leak(tmp_path: Path) -> None:
    entry = ("CXR1_IM-1", ["CXR1_IM-1/0.png"])
    dataset = read(write_annotation(tmp_path, train=[entry, ("CXR2_IM-2", ["CXR2_IM-2/0.png"])], test=[entry]))
    assert [(study.study_id, study.split) for study in dataset.studies if study.split == "test"] == [(entry[0], "test")]
    assert all(len(study.images) == 1 for study in dataset.studies)
    assert any(warning.startswith("LEAK: 1 patient is") for warning in dataset.warnings)


# -- which film is frontal


def write_open_i(root: Path, captions: tuple[str, str], frontal: int) -> Path:
    """One study of two films, of which one is a chest from the front and the other half of one."""
    (root / "ecgen-radiology").mkdir(parents=True, exist_ok=True)
    text = XML.format(uid=1, findings="Clear.", impression="Normal.")
    for caption in captions:
        text = text.replace("<caption>Xray</caption>", f"<caption >{caption}</caption>", 1)
    (root / "ecgen-radiology" / "1.xml").write_text(text)
    (root / "NLMCXR_png").mkdir(exist_ok=True)
    for number in (1, 2):
        chest = draw_image("phantom:0/0", 64)
        film = chest if number == frontal else chest[:, :32]
        Image.fromarray(film).resize((64, 64)).save(root / "NLMCXR_png" / f"CXR1_IM-{number}.png")
    return root


@pytest.mark.parametrize("frontal", [1, 2])
def test_without_any_word_the_picture_tells_the_frontal_film(tmp_path: Path, frontal: int) -> None:
    dataset = read(write_open_i(tmp_path, ("Xray Chest PA and Lateral", "Xray Chest PA and Lateral"), frontal))
    (study,) = dataset.studies
    assert Path(study.frontal).name == f"CXR1_IM-{frontal}.png" and study.views[0] == "frontal"
    assert any("does not tell the views of 2 films" in note for note in dataset.notes)


def test_captions_of_single_films_tell_their_views(tmp_path: Path) -> None:
    (study,) = read(write_open_i(tmp_path, ("Lateral view", "PA view"), frontal=1)).studies
    assert [Path(image).name for image in study.images] == ["CXR1_IM-2.png", "CXR1_IM-1.png"]
    assert study.views == ("PA", "lateral")


def test_projections_beside_the_xml_files_tell_the_views(tmp_path: Path) -> None:
    root = write_open_i(tmp_path, ("Xray", "Xray"), frontal=1)
    (root / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,CXR1_IM-1.dcm.png,Lateral\n1,CXR1_IM-2.dcm.png,Frontal\n"
    )
    (study,) = read(root).studies
    assert Path(study.frontal).name == "CXR1_IM-2.png" and study.views == ("frontal", "lateral")


def test_film_ids_of_open_i_and_kaggle_are_the_same() -> None:
    assert film_id("CXR1_1_IM-0001-4001") == film_id("1_IM-0001-4001.dcm.png") == "1_IM-0001-4001"


def test_kaggle_studies_with_lateral_films_alone_are_told(tmp_path: Path) -> None:
    root = write_kaggle(tmp_path, "images")
    table = root / "indiana_projections.csv"
    table.write_text(table.read_text().replace("2_IM-1.png,Frontal", "2_IM-1.png,Lateral"))
    assert "studies with only lateral films, of which the first is used: 1" in read(root).notes


def test_indications_of_all_three_layouts_lose_their_removed_words(tmp_path: Path) -> None:
    kaggle = tmp_path / "kaggle"
    kaggle.mkdir()
    table = write_kaggle(kaggle, "images") / "indiana_reports.csv"
    text = table.read_text().replace("Cough", "XXXX-year-old male with XXXX", 1)
    table.write_text(text.replace("2,normal,normal,Xray Chest,Cough", "2,normal,normal,Xray Chest,XXXX."))
    assert [study.indication for study in read(kaggle).studies] == ["male", ""]
    r2gen = kaggle / "r2gen"
    r2gen.mkdir()
    write_annotation(r2gen, train=[("CXR1_IM-1", ["CXR1_IM-1/0.png"]), ("CXR2_IM-2", ["CXR2_IM-2/0.png"])])
    assert [study.indication for study in read(r2gen).studies] == ["male", ""]
    open_i = tmp_path / "open_i"
    open_i.mkdir()
    write_open_i(open_i, ("PA view", "Lateral view"), frontal=1)
    path = open_i / "ecgen-radiology" / "1.xml"
    abstract = '<AbstractText Label="INDICATION">Fever, XXXX.</AbstractText><AbstractText Label="FINDINGS">'
    path.write_text(path.read_text().replace('<AbstractText Label="FINDINGS">', abstract))
    assert read(open_i).studies[0].indication == "Fever."


# -- the codes of annotators


def write_codes(folder: Path, cell_of_1: str) -> None:
    (folder / "indiana_reports.csv").write_text(f"uid,MeSH,findings\n1,{cell_of_1},x\n7,normal,x\n", encoding="utf-8")


def test_kaggle_studies_have_their_mesh_codes(tmp_path: Path) -> None:
    table = write_kaggle(tmp_path, "images") / "indiana_reports.csv"
    text = table.read_text().replace("1,normal,", "1,Opacity/lung/left; Pleural Effusion/left ;,")
    table.write_text(text.replace("2,normal,", "2,No Indexing,"))
    first, second = read(tmp_path).studies
    assert first.codes == ("Opacity/lung/left", "Pleural Effusion/left")
    assert second.codes == ()


def test_open_i_studies_have_their_major_mesh_codes(tmp_path: Path) -> None:
    root = write_open_i(tmp_path, ("PA view", "Lateral view"), frontal=1)
    path = root / "ecgen-radiology" / "1.xml"
    assert read(root).studies[0].codes == ()
    codes = "<MeSH><major>Aorta/tortuous</major><major>Scoliosis</major><automatic>heart</automatic></MeSH>"
    path.write_text(path.read_text().replace("</eCitation>", f"{codes}</eCitation>"))
    assert read(root).studies[0].codes == ("Aorta/tortuous", "Scoliosis")


@pytest.mark.parametrize("where", [".", ".."])
def test_r2gen_studies_have_the_codes_of_a_table_beside_them_or_one_folder_up(tmp_path: Path, where: str) -> None:
    root = tmp_path / "r2gen"
    root.mkdir()
    write_annotation(root, train=[("CXR1_IM-1", ["CXR1_IM-1/0.png"]), ("CXR2_IM-2", ["CXR2_IM-2/0.png"])])
    write_codes(root / where, "Cardiomegaly/mild;Lung/hypoinflation")
    first, second = read(root).studies
    assert first.codes == ("Cardiomegaly/mild", "Lung/hypoinflation")
    assert second.codes == ()


def test_r2gen_studies_without_a_table_have_no_codes_and_a_foreign_table_is_told(tmp_path: Path) -> None:
    root = tmp_path / "r2gen"
    root.mkdir()
    write_annotation(root, train=[("CXR1_IM-1", ["CXR1_IM-1/0.png"])])
    assert read(root).studies[0].codes == ()
    (tmp_path / "indiana_reports.csv").write_text("id;MeSH\n1;normal\n")
    dataset = read(root)
    assert dataset.studies[0].codes == ()
    assert any(
        note.startswith("no MeSH codes and no indications: ") and "no column uid" in note for note in dataset.notes
    )
