"""Settings from a file, `--config FILE`: the run.json of an earlier run, or a JSON object of settings alone."""

import json
from argparse import ArgumentError, ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from xr2text_core.run.folder import RunError
from xr2text_core.settings.changes import flag_of
from xr2text_core.settings.numbers import at_least_zero
from xr2text_core.settings.settings import Settings

PLACES = ("run", "out")  # where a run lies, not what it is: only flags say that
DEFAULTS = asdict(Settings())
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


def read_config(path: Path, parser: ArgumentParser) -> dict[str, Any]:
    """The settings in a file, checked as the flags of `parser` are, but for where the run lies.

    One RunError names everything that is wrong.
    """
    found = _settings_in(path)
    wrong = [why for name, value in found.items() if (why := _why_wrong(name, value, parser))]
    if wrong:
        raise RunError(f"--config {path}: {'; '.join(wrong)}")
    return {name: value for name, value in found.items() if name not in PLACES}


def _settings_in(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"--config {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"--config {path}: is not JSON, as a run.json is ({error})") from error
    settings = found.get("settings", found) if isinstance(found, dict) else found
    if not isinstance(settings, dict):
        raise RunError(
            f"--config {path}: holds no settings; expected a run.json, or an object such as {{'epochs': 20}}"
        )
    return settings


def _why_wrong(name: str, value: Any, parser: ArgumentParser) -> str:
    if name not in DEFAULTS:
        close = get_close_matches(name, DEFAULTS, 1)
        return f"{name!r} is no setting" + (f"; did you mean {close[0]!r}?" if close else "")
    default = DEFAULTS[name]
    kind = int if default is None else type(default)
    fits = type(value) is kind or (type(value) is int and kind is float) or (value is None and default is None)
    if not fits:
        return f"{name!r} is {json.dumps(value)}; expected {KINDS[kind]}"
    return "" if kind is bool or value == default else _why_refused(name, value, parser)


def _why_refused(name: str, value: Any, parser: ArgumentParser) -> str:
    """What the flag of this setting says against its value."""
    try:
        _, unknown = parser.parse_known_args([f"{flag_of(name)}={value}"])
        if unknown:  # weights of losses and of decay have no flag
            at_least_zero(str(value))
    except ArgumentError as error:
        return f"{name!r}: {error.message}"
    except ArgumentTypeError as error:
        return f"{name!r}: {error}"
    return ""
