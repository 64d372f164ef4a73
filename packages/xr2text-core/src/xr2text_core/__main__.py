"""All commands under one name: `xr2text train` and `python -m xr2text_core train` are `python -m xr2text_core.train`.

A command is imported when it is chosen: a list of commands needs no torch.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from xr2text_core import __version__

COMMANDS = {
    "preflight": "check settings, GPU, data and disk; estimate the time",
    "train": "train a model; the same command again resumes it",
    "evaluate": "score a checkpoint beside trivial baselines",
    "generate": "write reports for images",
    "demo": "a page to try a model: drop a film, read its report",
    "gallery": "images, reports and attention as one HTML page",
    "figures": "draw the curves of a run",
    "score": "score the reports in a CSV file, of any model",
    "label": "read the findings from the reports in a CSV file",
    "phantom": "write synthetic X-rays with their reports",
    "export": "save a model as a folder that transformers loads",
    "doctor": "versions, hardware and last events, to ask for help",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names with all others, and return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = _parser().parse_args(given[:1]).command
    return int(import_module(f"xr2text_core.{command}").main(given[1:]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xr2text",
        usage="%(prog)s COMMAND [flags]",
        description="Train, evaluate and run a model that writes reports from chest X-rays.",
        epilog="`xr2text COMMAND --help` lists the flags of a command. Research software, not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND ...", required=True)
    for name, purpose in COMMANDS.items():
        commands.add_parser(name, help=purpose, add_help=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
