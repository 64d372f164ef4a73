"""Checks everything that could stop an overnight run, and says how to fix it. Changes nothing.

    python -m xr2text_core.preflight [the flags of train] [--quick] [--json]

Exit codes: 0 ready, perhaps with warnings; 1 at least one check failed; 2 unusable flags.
"""

import argparse
import json
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from xr2text_core.run.errors import UserError
from xr2text_core.settings.arguments import add_run_flags, settings_of

if TYPE_CHECKING:
    from xr2text_core.checks.hardware import Check
    from xr2text_core.checks.survey import Findings

EXIT_READY, EXIT_NOT_READY, EXIT_UNUSABLE = 0, 1, 2
NUM_STAGES = 8  # updates of the progress bar
NARROWEST, WIDEST = 60, 110
MODERN_WINDOWS = ("WT_SESSION", "TERM_PROGRAM", "TERM")  # set by Windows Terminal, by VS Code and by Git Bash
COLOURS = {"pass": "32", "warning": "33", "fail": "31"}


def table(checks: Sequence["Check"], width: int, in_colour: bool) -> str:
    """One row per check: what was found wraps in the last column, with advice below."""
    name_width = max(len(check.name) for check in checks)
    indent = " " * (name_width + len("  warning  "))
    lines = []
    for check in checks:
        word = f"{check.outcome:<7}"
        if in_colour:
            word = f"\033[{COLOURS[check.outcome]}m{word}\033[0m"
        found, *more = _folded(check.found, width - len(indent))
        lines.append(f"{check.name:<{name_width}}  {word}  {found}")
        lines += [indent + line for line in more]
        lines += [f"{indent}{mark}{line}" for mark, line in _marked(_folded(check.advice, width - len(indent) - 3))]
    return "\n".join(lines)


def _shows_colours() -> bool:
    """Whether the output is a terminal that understands colours; Windows' old console would print their codes."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or any(name in os.environ for name in MODERN_WINDOWS)


def _folded(text: str, width: int) -> list[str]:
    """Lines of at most this width; a number and its unit stay on one line."""
    text = re.sub(r"(?<=\d) (?=(?:s|min|h|days|GiB|GB|MB)\b)", "\xa0", text)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def _marked(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "   " if number else "-> ", line


def conclusion(findings: "Findings") -> str:
    """The last line."""
    failed, warned = findings.names("fail"), findings.names("warning")
    if failed:
        return f"Not ready: {len(failed)} of {len(findings.checks)} checks failed ({', '.join(failed)})."
    if warned:
        return f"Ready, with {len(warned)} warning{'s' if len(warned) > 1 else ''} ({', '.join(warned)})."
    return f"Ready: all {len(findings.checks)} checks passed."


def to_json(findings: "Findings") -> str:
    """The same as JSON: estimates in bytes and seconds; null where unknown."""
    contents = asdict(findings)
    if findings.memory:
        contents["memory"]["total"] = findings.memory.total
    return json.dumps({"is_ready": not findings.names("fail"), **contents}, indent=1)


@contextmanager
def _bar() -> Iterator[Callable[[str], None]]:
    """A progress bar that names the current check; hidden without a terminal."""
    from tqdm import tqdm

    with tqdm(total=NUM_STAGES, bar_format="{bar:20} {desc}", mininterval=0, disable=None, leave=False) as bar:

        def show(text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update()

        yield show


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.preflight",
        usage="%(prog)s [flags]",
        description=f"{__doc__.splitlines()[0]} Takes the flags of train. Defaults are in parentheses.",
    )
    own = parser.add_argument_group("preflight")
    own.add_argument(
        "--quick", action="store_true", help="only the checks that take less than a second; train runs them too"
    )
    own.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_run_flags(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    logging.getLogger("xr2text_core").addHandler(logging.NullHandler())  # the table shows everything
    try:
        settings = settings_of(options)
        from xr2text_core.checks.survey import Findings, all_checks, quick_checks

        if options.quick:
            findings = Findings(quick_checks(settings, bool(options.resume), options.fresh))
        else:
            with _bar() as show:
                findings = all_checks(settings, options.resume, options.fresh, show)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    if options.json:
        print(to_json(findings))
    else:
        width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
        print(table(findings.checks, width, _shows_colours()))
        print(f"\n{conclusion(findings)}")
    return EXIT_NOT_READY if findings.names("fail") else EXIT_READY


if __name__ == "__main__":
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as train does: what is measured is what will run
    sys.exit(main())
