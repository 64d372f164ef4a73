"""A run.json is a start for another run; flags beside it win; what is wrong in it is named, all of it at once."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from xr2text_core.run.folder import RunError
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import Settings


def start(path: Path, *flags: str) -> Settings:
    return settings_of(parse_arguments(["--config", str(path), *flags]))


def saved(folder: Path, **settings: Any) -> Path:
    """A run.json with these settings."""
    path = folder / "run.json"
    path.write_text(json.dumps({"format": 1, "version": "0.1.0", "settings": settings}), encoding="utf-8")
    return path


EARLIER = settings_of(
    parse_arguments(["--epochs", "7", "--seed", "3", "--no-curriculum", "--run", "first", "--out", "a"])
)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_json_gives_the_settings_of_its_run_but_not_its_place(tmp_path: Path, preset: str) -> None:
    flags = ["--preset", preset, "--seed", "3", "--data-seed", "1", "--run", "first", "--out", "elsewhere"]
    earlier = settings_of(parse_arguments(flags))
    again = start(saved(tmp_path, **asdict(earlier)))
    assert {**asdict(again), "run": "first", "out": "elsewhere"} == asdict(earlier)
    assert (again.run, again.out) == ("", ".")


def test_flags_beside_it_win(tmp_path: Path) -> None:
    path = saved(tmp_path, **asdict(EARLIER))
    again = start(path, "--epochs", "9", "--seed", "0", "--run", "second")
    assert (again.epochs, again.seed, again.run, again.curriculum) == (9, 0, "second", False)
    other = start(path, "--preset", "workstation", "--image-size", "256")
    assert (other.encoder, other.image_size, other.epochs) == (PRESETS["workstation"]["encoder"], 256, 7)


def test_a_file_of_a_few_settings_leaves_the_others_at_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"epochs": 3, "new_rate": 1, "data_seed": null}', encoding="utf-8")
    assert start(path) == Settings.of(epochs=3, new_rate=1)


def test_settings_of_older_versions_still_count(tmp_path: Path) -> None:
    old = {name: value for name, value in asdict(EARLIER).items() if name not in ("data_seed", "teach_encoder")}
    assert start(saved(tmp_path, **{**old, "pretrained": "yes"})).pretrained == "both"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epoch", 3, "'epoch' is no setting; did you mean 'epochs'?"),
        ("learning_rate_of_all", 3, "'learning_rate_of_all' is no setting"),
        ("epochs", "3", "'epochs' is \"3\"; expected a whole number"),
        ("epochs", 3.5, "'epochs' is 3.5; expected a whole number"),
        ("epochs", 0, "'epochs': 0: expected a whole number of at least 1"),
        ("seed", False, "'seed' is false; expected a whole number"),
        ("seed", None, "'seed' is null; expected a whole number"),
        ("curriculum", 1, "'curriculum' is 1; expected true or false"),
        ("replay", 2, "'replay': 2: expected a number from 0 to 1"),
        ("weight_decay", -1, "'weight_decay': -1: expected a number of at least 0"),
        ("data", "mimic", "'data': invalid choice: 'mimic'"),
        ("preset", "huge", "'preset': invalid choice: 'huge'"),
        ("root", ["a"], "'root' is [\"a\"]; expected a text in quotes"),
        ("data_seed", -1, "'data_seed': -1: expected a whole number of at least 0"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, name: str, value: Any, said: str) -> None:
    with pytest.raises(RunError) as refused:
        start(saved(tmp_path, **{**asdict(EARLIER), name: value}))
    assert str(refused.value).startswith(f"--config {tmp_path / 'run.json'}: {said}")


def test_all_that_is_wrong_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"'epoch' .*; 'seed' is"):
        start(saved(tmp_path, epoch=3, seed="a"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("epochs: 3", "is not JSON"), ("[1]", "holds no settings")],
)
def test_a_file_without_settings_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=said):
        start(path)
