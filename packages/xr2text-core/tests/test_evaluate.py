"""A checkpoint is scored beside what needs no model, and a report can be had for any image."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core import evaluate, generate
from xr2text_core.data.phantom import draw_image
from xr2text_core.train import Trainer
from xr2text_core.training.arguments import parse_arguments, settings_of

CHECKPOINT = "checkpoints/best_model.pt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that was trained for a moment."""
    folder = tmp_path_factory.mktemp("run")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "1", "--max-tokens", "20"]
    assert Trainer(settings_of(parse_arguments([*flags, "--out", str(folder)]))).fit() == 0
    return folder


def score(folder: Path, *flags: str) -> tuple[int, list[dict[str, str]]]:
    code = evaluate.main(["--checkpoint", str(folder / CHECKPOINT), "--out", str(folder / "scores"), *flags])
    (path,) = (folder / "scores").glob("*.csv")
    with path.open() as file:
        return code, list(csv.DictReader(file))


def test_the_table_carries_trivial_rows_beside_the_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = score(run, "--num-studies", "6", "--beams", "2")
    assert code == 0
    names = [row["row"] for row in rows]
    assert names[0] == "best_model.pt"
    assert {"images shuffled among studies", "best constant report", "random training report"} <= set(names)
    assert {row["protocol"] for row in rows} == {"clean-full"} and {row["section"] for row in rows} == {"findings"}
    assert "best constant report" in capsys.readouterr().out


def test_the_phantoms_own_writer_is_the_ceiling(run: Path) -> None:
    _, rows = score(run, "--num-studies", "20", "--beams", "1")
    ceiling = next(row for row in rows if row["row"].startswith("ceiling"))
    assert float(ceiling["clinical_f1"]) > 0.99
    assert all(float(ceiling["bleu_4"]) > float(row["bleu_4"]) for row in rows if row is not ceiling)


def test_a_missing_checkpoint_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--checkpoint", str(tmp_path / "none.pt")]) == 2
    assert "none.pt: no such checkpoint" in capsys.readouterr().err


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(draw_image(f"phantom:5/{number}", 128)).save(folder / f"{number}.png")
    return folder


def test_a_report_is_printed_for_an_image(run: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(images / "0.png"), "--checkpoint", str(run / CHECKPOINT), "--beams", "1"]) == 0
    captured = capsys.readouterr()
    assert "not a medical device" in captured.err


def test_a_folder_gives_a_report_and_a_picture_for_each_image(
    run: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.png").write_bytes(b"not an image")
    flags = ["--checkpoint", str(run / CHECKPOINT), "--attention", str(tmp_path / "seen.png")]
    assert generate.main([str(images), *flags]) == 2  # one could not be read
    captured = capsys.readouterr()
    assert captured.out.count(".png: ") == 2 and "broken.png" in captured.err
    pictures = [np.asarray(Image.open(tmp_path / f"seen_00{number}.png")) for number in (1, 2)]
    assert all(picture.std() > 1 for picture in pictures)


def test_no_image_at_all_is_one_clear_error(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([str(tmp_path), "--checkpoint", str(run / CHECKPOINT)]) == 2
    assert "no images in" in capsys.readouterr().err
