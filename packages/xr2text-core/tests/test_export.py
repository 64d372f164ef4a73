"""An exported folder is whole, says what it is, and gives plain transformers the very model of the checkpoint."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer

from xr2text_core import export, generate
from xr2text_core.data.augment import to_float
from xr2text_core.data.images.decode import read_image
from xr2text_core.drawing.names import draw_image
from xr2text_core.inference.desk import Desk
from xr2text_core.inference.trained import load_model
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import load_checkpoint, save_checkpoint
from xr2text_core.run.history import read_rows
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

FILES = {
    "README.md", "config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
PEN = "encoder.study.pen"
TOLD = [2, 0, 5, 9, 11]  # token ids that stand for a report so far
ALSO_LOGITS = f"""
import sys, numpy, torch
told = torch.tensor([{TOLD}])
with torch.inference_mode():
    numpy.save(sys.argv[1], model(pixel_values=pixels, decoder_input_ids=told).logits.numpy())
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two epochs."""
    folder = tmp_path_factory.mktemp("run")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "2", "--max-tokens", "20"]
    assert Trainer(settings_of(parse_arguments([*flags, "--batch", "4", "--out", str(folder)]))).fit() == 0
    return folder


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> Path:
    """Its last model, whose decoder writes by itself: transformers knows nobody else who could."""
    path = run / "checkpoints/final_model.pt"
    found = load_checkpoint(path)
    save_checkpoint(path, replace(found, model={**found.model, PEN: torch.zeros_like(found.model[PEN])}))
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    folder = checkpoint.parents[1] / "exported"
    assert export.main(["--checkpoint", str(checkpoint), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def image(run: Path) -> Path:
    Image.fromarray(draw_image("phantom:5/0", 128)).save(run / "film.png")
    return run / "film.png"


@torch.inference_mode()
def logits_of(checkpoint: Path, image: Path) -> np.ndarray:
    model = load_model(checkpoint).model.cpu()
    pixels = to_float(torch.from_numpy(read_image(str(image), 64)).unsqueeze(0))
    return model(pixel_values=pixels, decoder_input_ids=torch.tensor([TOLD])).logits.numpy()


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def export_changed(checkpoint: Path, folder: Path, **changes: Any) -> str:
    """The card of a copy of the checkpoint that lies elsewhere and has other contents."""
    save_checkpoint(folder / "copy.pt", replace(load_checkpoint(checkpoint), **changes))
    assert export.main(["--checkpoint", str(folder / "copy.pt"), "--out", str(folder / "out")]) == 0
    return card_of(folder / "out")


def test_the_code_of_the_card_gives_the_same_logits_and_the_same_report_in_a_fresh_process(
    exported: Path, checkpoint: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.findall(r"```python\n(.*?)```", card_of(exported), re.DOTALL)[0].replace('"image.png"', repr(str(image)))
    command = [sys.executable, "-c", code + ALSO_LOGITS, str(tmp_path / "logits.npy")]
    fresh = subprocess.run(
        command, cwd=exported, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    )
    assert fresh.returncode == 0, fresh.stderr
    assert np.array_equal(np.load(tmp_path / "logits.npy"), logits_of(checkpoint, image))
    assert generate.main([str(image), "--checkpoint", str(checkpoint)]) == 0
    assert fresh.stdout.strip() == capsys.readouterr().out.strip() != ""


@pytest.fixture(scope="module", params=["all", "frontal"])
def on_the_desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a run that reads all that lies on a desk."""
    folder = tmp_path_factory.mktemp("desk")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "1", "--max-tokens", "20"]
    read = ["--desk", "--views", request.param, "--indication", "--prior"]
    assert Trainer(settings_of(parse_arguments([*flags, *read, "--out", str(folder)]))).fit() == 0
    checkpoint = ["--checkpoint", str(folder / "checkpoints/final_model.pt")]
    assert export.main([*checkpoint, "--out", str(folder / "exported")]) == 0
    return folder


@torch.inference_mode()
def test_the_code_of_the_card_reads_all_that_lies_on_a_desk(
    on_the_desk: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(on_the_desk / "exported")
    card = card_of(on_the_desk / "exported")
    assert "no earlier study" not in card and "the last study of the patient, where there is one" in card
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        exec(re.sub(r'"\w+\.png"', repr(str(image)), code), names)
    model, trained = names["model"], load_model(on_the_desk / "checkpoints/final_model.pt")
    num_places = 3 if model.config.views == "all" else 2
    desk = Desk("Cough and fever.", image, "The lungs are clear.", 12.0).texts(trained).inputs
    assert torch.equal(names["question"]["input_ids"], desk["question_ids"])
    assert torch.equal(names["last"]["input_ids"], desk["prior_report_ids"])
    assert torch.equal(names["said"], desk["prior_findings"])
    inputs = {"pixel_values": names["films"], "film_mask": names["film_mask"], **desk}
    assert names["films"].shape == (1, num_places, 1, 64, 64)
    told = torch.tensor([TOLD])
    ours, theirs = (each(**inputs, decoder_input_ids=told).logits for each in (trained.model, model))
    assert torch.equal(ours, theirs)


def test_the_card_says_that_the_checkpoint_has_another_pen(checkpoint: Path, tmp_path: Path) -> None:
    model = load_checkpoint(checkpoint).model
    words = "These are the reports of its decoder."
    assert words not in export_changed(checkpoint, tmp_path / "decoder")
    assert words in export_changed(checkpoint, tmp_path / "other", model={**model, PEN: torch.tensor(2)})


def test_the_folder_holds_weights_as_safetensors_only(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES


def test_onnx_is_added_where_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="needs xr2text-core[onnx]")
    assert export.main(["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--onnx"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES, "encoder.onnx"}
    assert "`encoder.onnx` runs without PyTorch" in card_of(tmp_path / "out")


def test_what_onnx_needs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    assert export.main(["--out", str(tmp_path / "out"), "--onnx"]) == 2
    assert "--onnx needs the packages `pip install onnx onnxscript` installs" in capsys.readouterr().err


def test_pickled_weights_of_a_stranger_are_not_loaded(exported: Path, tmp_path: Path) -> None:
    shutil.copy(exported / "config.json", tmp_path)
    torch.save(XR2TextModel.from_pretrained(exported).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"model\.safetensors"):
        XR2TextModel.from_pretrained(tmp_path)


def test_the_tokenizer_gives_the_ids_of_training(exported: Path, checkpoint: Path) -> None:
    ours = ReportTokenizer.from_json(load_checkpoint(checkpoint).tokenizer)
    theirs = AutoTokenizer.from_pretrained(exported)
    texts = ["The heart is normal in size. No pleural effusion.", "Kerley-B lines (T2/3), 37 °C", ""]
    assert theirs(texts).input_ids == ours.encode(texts, 1000)
    assert (theirs.bos_token_id, theirs.pad_token_id, theirs.eos_token_id) == (ours.bos_id, ours.pad_id, ours.eos_id)
    decoded = theirs.batch_decode(theirs(texts).input_ids, skip_special_tokens=True)
    assert [text.strip() for text in decoded] == texts


def test_generation_stops_where_training_stopped(exported: Path) -> None:
    contents = json.loads((exported / "generation_config.json").read_text())
    assert (contents["max_new_tokens"], contents["num_beams"], contents["do_sample"]) == (20, 4, False)


def test_the_card_says_where_the_model_comes_from_and_what_it_is_not(run: Path, exported: Path) -> None:
    card, last = card_of(exported), read_rows(run / "data/statistics/training_history.csv")[-1]
    assert "not a medical device" in card and "knows nothing of real radiographs" in card
    for line in (
        "| studies | 24 train, 160 val, 300 test |",
        "| weights | `final_model.pt`: after epoch 2 of 2, ",
        "| started from | random weights |",
        "| protocol | clean-full: R2Gen cleaning",
        "| decoding | greedy |",
        "| section | findings |",
        "| curriculum | yes, replay 0.25 |",
        "## Scores after epoch 2",
        f"| BLEU-4 | {last['bleu_4']} |",
        f"| distinct reports | {last['distinct_reports']} |",
        f"torch {version('torch')}",
    ):
        assert line in card, line


def test_scores_are_those_of_these_weights_or_none(checkpoint: Path, tmp_path: Path) -> None:
    progress = load_checkpoint(checkpoint).progress
    within = {**progress, "epoch": 2, "step_in_epoch": 1, "step": progress["step"] - 1, "rows": progress["rows"][:1]}
    for name, changed, says in (
        ("within", within, "Not recorded: the weights are from within an epoch"),
        ("old", {**progress, "rows": []}, "Not recorded: the checkpoint keeps no scores"),
        ("later", {**progress, "step": 999}, "Not recorded: the checkpoint keeps no scores"),
    ):
        (tmp_path / name).mkdir()
        assert says in export_changed(checkpoint, tmp_path / name, progress=changed)


@pytest.mark.parametrize(("seed", "says"), [(0, "| studies | 24 train, 160 val, 300 test |"), (1, "not recorded")])
def test_the_description_of_another_run_is_not_taken(
    run: Path, checkpoint: Path, tmp_path: Path, seed: int, says: str
) -> None:
    shutil.copytree(run / "data/statistics", tmp_path / "data/statistics")
    (tmp_path / "checkpoints").mkdir()
    settings = {**load_checkpoint(checkpoint).settings, "seed": seed}
    assert says in export_changed(checkpoint, tmp_path / "checkpoints", settings=settings)


def test_nothing_in_the_folder_names_this_computer(run: Path, checkpoint: Path, tmp_path: Path) -> None:
    found = load_checkpoint(checkpoint)
    config, settings = json.loads(found.config), found.settings
    config["bart"]["_name_or_path"] = f"{tmp_path}/biobart"
    settings |= {"encoder": f"{tmp_path}/convnext", "decoder": "GanjinZero/biobart-base", "pretrained": "yes"}
    settings |= {"data": "manifest", "root": f"{tmp_path}/data", "run": "run-of-ward-seven"}
    card = export_changed(checkpoint, tmp_path, config=json.dumps(config), settings=settings)
    assert "encoder local weights, decoder `GanjinZero/biobart-base`" in card
    for path in (tmp_path / "out").iterdir():
        for secret in (str(tmp_path), str(run), "run-of-ward-seven"):
            assert secret.encode() not in path.read_bytes(), f"{secret} in {path.name}"


def test_a_folder_that_is_not_empty_is_refused(
    exported: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.iterdir()}
    assert export.main(["--checkpoint", str(checkpoint), "--out", str(exported)]) == 2
    assert "error: --out" in (said := capsys.readouterr().err) and "not an empty folder" in said
    assert {path: path.stat().st_mtime_ns for path in exported.iterdir()} == before


def test_a_damaged_checkpoint_leaves_no_folder(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.pt").write_bytes(checkpoint.read_bytes()[:-1])
    assert export.main(["--checkpoint", str(tmp_path / "cut.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "error: --checkpoint" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cut.pt"]


def test_the_package_and_the_help_of_the_command_load_without_torch() -> None:
    program = (
        "import sys; import xr2text_core, xr2text_core.export\n"
        "assert not {'torch', 'transformers', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
