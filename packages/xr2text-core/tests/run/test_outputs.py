"""No command writes over one of its inputs, whatever name or link it is given."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xr2text_core import evaluate, figures, gallery, generate, label
from xr2text_core.run.errors import UserError
from xr2text_core.run.outputs import keep_inputs


@pytest.mark.parametrize("name", ["in.csv", "./in.csv", "folder/../in.csv", "linked.csv", "hard.csv"])
def test_an_input_is_known_by_every_name(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "linked.csv").symlink_to(source)
    os.link(source, tmp_path / "hard.csv")
    with pytest.raises(UserError, match=r"--out .*: would overwrite the input .*in\.csv; nothing was written"):
        keep_inputs("--out", [tmp_path / "other.csv", tmp_path / name], [str(source)])


def test_the_temporary_neighbour_of_an_output_is_an_output(tmp_path: Path) -> None:
    (tmp_path / "in.csv.tmp").write_text("text")
    with pytest.raises(UserError):
        keep_inputs("--out", [tmp_path / "in.csv"], [tmp_path / "in.csv.tmp"])


def test_other_files_and_files_that_are_not_there_are_fine(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("an older one")
    keep_inputs("--out", [tmp_path / "out.csv", tmp_path / "new.csv"], [tmp_path / "in.csv", tmp_path])


@pytest.mark.parametrize(
    ("main", "arguments", "flag"),
    [
        pytest.param(label.main, ["IN", "--out", "IN"], "--out", id="label"),
        pytest.param(generate.main, ["IN", "--attention", "IN"], "--attention", id="generate"),
        pytest.param(generate.main, ["b", "--checkpoint", "IN", "--attention", "IN"], "--attention", id="checkpoint"),
        pytest.param(gallery.main, ["--checkpoint", "IN", "--out", "IN"], "--out", id="gallery"),
        pytest.param(gallery.main, ["--root", "IN", "--out", "IN"], "--out", id="gallery of a manifest"),
        pytest.param(figures.main, ["--history", "FOLDER/losses.png", "--out", "FOLDER"], "--out", id="figures"),
        pytest.param(
            evaluate.main, ["--root", "FOLDER/scores_best_model_test.csv", "--out", "FOLDER"], "--out", id="evaluate"
        ),
    ],
)
def test_every_command_refuses_to_write_over_its_input(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[list[str]], int],
    arguments: list[str],
    flag: str,
) -> None:
    for name in ("in.csv", "losses.png", "scores_best_model_test.csv"):
        (tmp_path / name).write_text("report\nLungs are clear.\n")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    names = [each.replace("IN", str(tmp_path / "in.csv")).replace("FOLDER", str(tmp_path)) for each in arguments]
    assert main(names) == 2
    assert flag in capsys.readouterr().err
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_numbered_pictures_do_not_replace_images_of_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "out_001.png"):
        (tmp_path / name).write_bytes(name.encode())
    assert generate.main([str(tmp_path), "--attention", str(tmp_path / "out.png")]) == 2
    assert "would overwrite the input" in capsys.readouterr().err
    assert (tmp_path / "out_001.png").read_bytes() == b"out_001.png"
