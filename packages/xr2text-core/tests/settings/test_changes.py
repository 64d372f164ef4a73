"""What may change between two starts: one table, for the program and for its readers."""

import re
from argparse import ArgumentParser
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from xr2text_core.settings.arguments import add_run_flags
from xr2text_core.settings.changes import RULES, Effect, changes, flag_of, keep_beginning, refusal
from xr2text_core.settings.settings import Settings

RUN_FILES = Path(__file__).parents[4] / "docs" / "run-files.md"
SETTINGS = Settings.of(data_seed=0)


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[str, str]]:
    """flag -> effect and what happens, as documented."""
    section = (
        RUN_FILES.read_text(encoding="utf-8").split("## What may change between two starts\n")[1].split("\n## ")[0]
    )
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| --")]
    return {flag: (effect, says) for flag, effect, says in rows}


def test_every_flag_of_the_help_has_a_row_in_the_table_and_no_other(table: dict[str, tuple[str, str]]) -> None:
    parser = ArgumentParser()
    add_run_flags(parser)
    assert set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", parser.format_help(), re.MULTILINE)) == set(table)


def test_the_documented_effects_are_those_of_the_program(table: dict[str, tuple[str, str]]) -> None:
    documented = {flag: row for flag, row in table.items() if row[0] != "start"}
    ours = {flag_of(name): (effect.value, says) for name, (effect, says) in RULES.items()}
    assert documented == {flag: row for flag, row in ours.items() if flag in table}


def other(name: str) -> Settings:
    """Settings that differ in one of them."""
    value = getattr(SETTINGS, name)
    changed = (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else f"{value}x"
    return replace(SETTINGS, **{name: changed})


@pytest.mark.parametrize("name", RULES)
def test_a_change_is_told_refused_or_free_as_its_effect_says(name: str) -> None:
    differ = changes(asdict(SETTINGS), other(name))
    effect = RULES[name][0]
    assert [each.name for each in differ] == ([] if effect is Effect.FREE else [name])
    is_refused = flag_of(name) in refusal(differ)
    assert is_refused == (effect in (Effect.ANOTHER_MODEL, Effect.ANOTHER_RUN))
    assert bool(refusal(differ, is_asked_for=True)) == (effect is Effect.ANOTHER_MODEL)
    assert all(flag_of(name) in str(each) for each in differ)


def test_settings_that_an_older_version_did_not_know_count_as_their_defaults() -> None:
    old = asdict(SETTINGS)
    del old["init"], old["val_studies"]
    assert changes({**old, "gone": 1}, SETTINGS) == []


def test_phantoms_are_the_same_however_their_seed_was_given() -> None:
    without = Settings.of(seed=3)
    assert changes(asdict(without), Settings.of(seed=3, data_seed=3)) == []
    older = {name: value for name, value in asdict(without).items() if name != "data_seed"}
    assert changes(older, without) == changes(older, Settings.of(seed=3, data_seed=3)) == []
    assert [each.name for each in changes(older, Settings.of(seed=4, data_seed=3))] == ["seed"]
    (change,) = changes(older, Settings.of(seed=3, data_seed=4))
    assert change.difference == "--data-seed: none -> 4"


def test_a_run_keeps_its_beginning_when_init_is_not_given_again() -> None:
    begun = {"init": "/there/best_model.pt"}
    assert changes({**asdict(SETTINGS), **begun}, SETTINGS) == []
    assert keep_beginning(begun, SETTINGS).init == "/there/best_model.pt"
    assert keep_beginning({}, replace(SETTINGS, init="a")).init == "a"


def test_stages_that_were_frozen_with_init_stay_frozen_when_it_is_not_given_again() -> None:
    flags = {"data": "iu-xray", "preset": "laptop", "pretrained": "none"}
    begun, again = asdict(Settings.of(**flags, init="best_model.pt")), Settings.of(**flags)
    assert begun["freeze_stages"] == 2 and again.freeze_stages == 0
    assert not refusal(changes(begun, again)) and keep_beginning(begun, again).freeze_stages == 2
