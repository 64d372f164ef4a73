"""One name for all commands, and help that fits a small terminal."""

import re
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import xr2text_core
from xr2text_core import __main__ as cli

FOLDER = Path(xr2text_core.__file__).parent
NOT_COMMANDS = {"__init__", "__main__", "auto"}


def help_of(main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_every_command_of_the_package_has_a_line() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - NOT_COMMANDS == set(cli.COMMANDS)


def test_the_list_of_commands_fits_80_columns_with_a_line_for_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = help_of(cli.main, capsys).splitlines()
    assert max(map(len, lines)) <= 80
    for name, purpose in cli.COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, purpose] for line in lines), name


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_by_name_is_the_module_with_the_same_flags(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(f"xr2text_core.{name}.main", lambda flags: given.append(flags) or 3)
    assert cli.main([name, "--run", "a", "file", "--help"]) == 3
    assert given == [["--run", "a", "file", "--help"]]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_fits_80_columns_with_one_line_of_usage_and_no_empty_default(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(import_module(f"xr2text_core.{name}").main, capsys)
    usage = text.partition("\n\n")[0]
    assert len(usage.splitlines()) <= 2, usage
    assert "None" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "--checkpoint " not in text or "(default: checkpoints/best_model.pt)" in " ".join(text.split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_flag_that_takes_a_value_says_its_kind_what_it_is_for_and_its_default(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsers: list[ArgumentParser] = []

    def keep(parser: ArgumentParser) -> None:
        parsers.append(parser)

    monkeypatch.setattr(ArgumentParser, "print_help", keep)
    help_of(import_module(f"xr2text_core.{name}").main, capsys)
    (parser,) = parsers
    for action in parser._actions:
        shown = str(action.help)
        assert re.match(r"\w", shown), action.option_strings
        if not action.option_strings or action.nargs == 0:
            continue
        assert action.choices or action.metavar, action.option_strings
        if not (action.required or "repeated" in shown or "the same as" in shown):
            assert re.search(r"\(.*[\w.)]\)", shown), action.option_strings


def test_the_module_and_the_entry_point_tell_the_version_and_load_nothing_heavy() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"xr2text": "xr2text_core.__main__:main"}
    said = subprocess.run([sys.executable, "-m", "xr2text_core", "--version"], capture_output=True, text=True)
    assert (said.returncode, said.stdout.strip()) == (0, f"xr2text {xr2text_core.__version__}")
    program = "import sys, xr2text_core.__main__; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_mistyped_command_is_one_error_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["trian"])
    assert left.value.code == 2
    assert "'train', 'evaluate'" in capsys.readouterr().err
