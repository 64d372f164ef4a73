import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.readers import manifest
from xr2text_core.data.readers.phantom import read
from xr2text_core.drawing.names import draw_image
from xr2text_core.phantom import main

SMALL = ["--num-train", "3", "--num-val", "1", "--num-test", "2", "--size", "64", "--seed", "5"]


def test_command_writes_images_and_a_row_for_each(tmp_path: Path) -> None:
    out = tmp_path / "new" / "phantom"
    assert main(["--out", str(out), *SMALL]) == 0
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    studies = read(3, 1, 2, seed=5).studies
    assert [row["study_id"] for row in rows] == [study.study_id for study in studies]
    assert [row["report"] for row in rows] == [study.report.findings for study in studies]
    written = np.asarray(Image.open(out / rows[4]["image"]))
    assert np.array_equal(written, draw_image(studies[4].frontal, 64))


def test_manifest_reader_reads_what_the_command_wrote(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), *SMALL])
    dataset, studies = manifest.read(tmp_path), read(3, 1, 2, seed=5).studies
    assert [study.report for study in dataset.studies] == [study.report for study in studies]
    assert [(study.patient_id, study.split, study.views) for study in dataset.studies] == [
        (study.patient_id, study.split, study.views) for study in studies
    ]


def test_manifest_reader_reads_a_desk_as_it_was_drawn(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--desk", *SMALL])
    read_again = {study.study_id: study for study in manifest.read(tmp_path).studies}
    drawn = read(3, 1, 2, seed=5, desk=True).studies
    assert set(read_again) == {s.study_id for s in drawn} | {f"{s.study_id}-prior" for s in drawn if s.prior}
    for study in drawn:
        found = read_again[study.study_id]
        assert (found.report, found.views, found.indication) == (study.report, study.views, study.indication)
        assert (found.prior is None) == (study.prior is None)
        if study.prior and found.prior:
            assert (found.prior.report, found.prior.days) == (study.prior.report, study.prior.days)
            assert np.array_equal(np.asarray(Image.open(found.prior.image)), draw_image(study.prior.image, 64))


def test_folder_in_use_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["--out", str(tmp_path), *SMALL]) == 2
    assert f"{tmp_path} is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_to_write_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--num-train", "0", "--num-val", "0", "--num-test", "0"]) == 2
    assert "are all 0" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--size", "8"], ["--num-train", "-1"], ["--seed", "-1"], ["--size", "wide"]])
def test_senseless_arguments_are_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(tmp_path), *arguments])
    assert stopped.value.code == 2
