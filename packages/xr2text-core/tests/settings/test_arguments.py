"""Defaults are those of the guide; a flag beats its preset; the help fits two screens."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from xr2text_core.run.folder import RunError
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.changes import RULES, changes
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import Settings


def settings(*flags: str) -> Settings:
    return settings_of(parse_arguments(flags))


@pytest.fixture(scope="module")
def help_text() -> str:
    """What `python -m xr2text_core.train --help` prints on a terminal of 100 columns."""
    command = [sys.executable, "-m", "xr2text_core.train", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "100"})
    assert run.returncode == 0
    return run.stdout


def test_the_defaults_on_a_laptop_are_those_of_the_guide() -> None:
    chosen = settings("--preset", "laptop")
    assert (chosen.epochs, chosen.patience, chosen.precision, chosen.checkpoint_every) == (50, 999, "fp16", 5)
    assert (chosen.micro_batch, chosen.accumulation, chosen.effective_batch) == (4, 8, 32)
    assert (chosen.select_by, chosen.curriculum) == ("bleu_4+rouge_l", True)
    assert (chosen.views, chosen.teach_encoder, chosen.freeze_stages) == ("all", "findings", 2)


def test_without_flags_phantoms_are_trained_on_in_the_phantom_size() -> None:
    chosen = settings()
    assert (chosen.data, chosen.preset, chosen.encoder, chosen.pretrained) == ("phantom", "phantom", "phantom", "none")


def test_real_data_takes_the_laptop_preset_by_itself() -> None:
    chosen = settings("--data", "iu-xray", "--root", "somewhere")
    assert (chosen.preset, chosen.image_size, chosen.pretrained) == ("laptop", 384, "both")


def test_a_desk_is_drawn_for_phantoms_alone() -> None:
    assert settings("--desk").desk
    assert not settings().desk
    with pytest.raises(RunError, match="--desk draws phantoms, --data manifest"):
        settings("--data", "manifest", "--root", "somewhere", "--desk")


@pytest.mark.parametrize(
    ("asked", "encoder", "decoder"),
    [("both", True, True), ("encoder", True, False), ("decoder", False, True), ("none", False, False)],
)
def test_each_half_says_for_itself_whether_it_is_pretrained(asked: str, encoder: bool, decoder: bool) -> None:
    chosen = settings("--pretrained", asked)
    assert (chosen.is_encoder_pretrained, chosen.is_decoder_pretrained) == (encoder, decoder)


def test_yes_still_means_both_as_a_flag_and_in_an_older_checkpoint() -> None:
    assert settings("--pretrained", "yes").pretrained == "both"
    assert Settings(pretrained="yes") == Settings(pretrained="both")


def test_an_encoder_of_random_weights_is_not_frozen() -> None:
    with pytest.raises(RunError, match=r"--freeze-encoder .*--pretrained encoder"):
        settings("--freeze-encoder", "--pretrained", "decoder")
    assert settings("--freeze-encoder", "--pretrained", "encoder").freeze_encoder
    assert settings("--freeze-encoder", "--init", "best_model.pt").freeze_encoder
    assert not settings().freeze_encoder


@pytest.mark.parametrize("preset", ["cpu", "laptop", "workstation"])
def test_stages_of_random_weights_are_not_frozen(preset: str) -> None:
    assert settings("--preset", preset).freeze_stages > 0
    assert settings("--preset", preset, "--pretrained", "decoder").freeze_stages == 0
    assert settings("--preset", preset, "--pretrained", "none", "--init", "best_model.pt").freeze_stages > 0
    with pytest.raises(RunError, match=r"--freeze-stages would keep random weights: .*--pretrained encoder"):
        settings("--preset", preset, "--pretrained", "none", "--freeze-stages", "1")


def test_a_flag_beats_its_preset() -> None:
    chosen = settings("--preset", "workstation", "--image-size", "448", "--precision", "fp32", "--batch", "2")
    assert (chosen.image_size, chosen.precision, chosen.micro_batch) == (448, "fp32", 2)
    assert chosen.accumulation == PRESETS["workstation"]["accumulation"]


def test_switching_the_curriculum_off_is_a_choice_and_leaving_it_alone_is_none() -> None:
    assert settings("--no-curriculum").curriculum is False
    assert settings().curriculum is True


def test_a_zero_is_a_choice_too() -> None:
    assert settings("--replay", "0").replay == 0.0
    assert settings("--seed", "0", "--workers", "0").seed == 0


@pytest.mark.parametrize("name", PRESETS)
def test_presets_set_what_exists_and_keep_the_effective_batch(name: str) -> None:
    assert set(PRESETS[name]) <= {field.name for field in fields(Settings)}
    assert settings("--preset", name).effective_batch == 32


def test_resuming_from_a_file_and_starting_fresh_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--resume", "latest.pt", "--fresh"])


def test_the_help_fits_two_screens(help_text: str) -> None:
    lines = help_text.splitlines()
    assert len(lines) <= 96
    assert max(len(line) for line in lines) <= 100


def test_the_help_names_units(help_text: str) -> None:
    for flag, unit in [("--image-size PX", "pixels"), ("--autosave-min MIN", "minutes"), ("--max-tokens N", "tokens")]:
        assert re.search(rf"{flag}\s.*{unit}", help_text, re.DOTALL)


def test_the_help_gives_the_defaults_that_are_in_force(help_text: str) -> None:
    flat, chosen = " ".join(help_text.split()), settings("--preset", "laptop")
    for flag, value in [
        ("--epochs N", chosen.epochs),
        ("--patience N", chosen.patience),
        ("--batch N", chosen.micro_batch),
        ("--accumulation N", chosen.accumulation),
        ("--image-size PX", chosen.image_size),
        ("--max-tokens N", chosen.max_tokens),
        ("--replay 0..1", chosen.replay),
        ("--val-studies N", chosen.val_studies),
        ("--checkpoint-every N", chosen.checkpoint_every),
        ("--num-studies N", chosen.num_studies),
    ]:
        described = flat.split(f" {flag} ")[-1].split(" --")[0]
        assert f"({value})" in described or f"(laptop: {value})" in described, flag


def test_the_differences_of_a_resumed_run_are_told_and_free_ones_are_not() -> None:
    old = asdict(Settings(epochs=50, workers=2, root="there"))
    (change,) = changes(old, Settings(epochs=60, workers=8, root="here"))
    assert change.difference == "--epochs: 50 -> 60"


def test_what_a_change_does_is_decided_for_every_setting() -> None:
    assert set(RULES) == {field.name for field in fields(Settings)}


def test_switches_of_a_file_can_be_turned_off(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"desk": True, "prior": True, "views": "all"}), encoding="utf-8")
    chosen = settings("--config", str(path), "--no-desk", "--no-prior")
    assert (chosen.desk, chosen.prior, chosen.views) == (False, False, "all")


def test_a_file_without_a_preset_has_that_of_its_data(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"preset": "", "epochs": 3}), encoding="utf-8")
    assert (settings("--config", str(path)).preset, settings("--config", str(path)).epochs) == ("phantom", 3)


def test_a_seed_of_phantoms_is_refused_for_real_studies() -> None:
    with pytest.raises(RunError, match="--data-seed draws phantoms"):
        settings("--data", "iu-xray", "--data-seed", "4")
