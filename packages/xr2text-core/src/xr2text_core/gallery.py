"""Writes an HTML page of reports: image, reference and candidate side by side, findings, and the attention of regions.

    python -m xr2text_core.gallery [--checkpoint checkpoints/best_model.pt] [--split test] [--out gallery.html]

The page is one file that needs no server and no network. It holds images and report text: keep it with the data set.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from xr2text_core.metrics.protocols import PROTOCOLS
from xr2text_core.run.atomic import replace_text
from xr2text_core.run.errors import UserError
from xr2text_core.settings.arguments import add_checkpoint_flag
from xr2text_core.settings.numbers import not_negative, positive
from xr2text_core.settings.settings import BEAMS


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.gallery",
        usage="%(prog)s [flags]",
        description="Writes the reports of a checkpoint as one HTML page that needs no server and no network.",
    )
    add_checkpoint_flag(parser, "file to use")
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="studies to show (default: %(default)s)"
    )
    parser.add_argument("--root", default="", metavar="DIR", help="folder of the data set (default: as in training)")
    parser.add_argument(
        "--num-studies",
        type=not_negative,
        default=50,
        metavar="N",
        help="the first N studies; 0: all (default: %(default)s)",
    )
    parser.add_argument(
        "--protocol",
        choices=[each.name for each in PROTOCOLS],
        default="clean-full",
        help="protocol of the scores (default: %(default)s)",
    )
    parser.add_argument(
        "--beams", type=positive, default=BEAMS, metavar="N", help="beam width; 1 is greedy (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("gallery.html"),
        metavar="FILE",
        help="HTML file to write; it holds report text (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def unwritable(path: Path) -> str:
    """Why no file can be written there, or ""; checked before minutes of work. Only an older page is replaced."""
    if path.is_dir():
        return "it is a folder"
    if path.exists() and not path.read_bytes()[:100].lower().lstrip().startswith(b"<!doctype html"):
        return "it exists and is no HTML page"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return str(error.strerror)
    return "" if os.access(path.parent, os.W_OK) else "its folder is not writable"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    if problem := unwritable(options.out):
        print(f"error: --out {options.out}: {problem}; name another file", file=sys.stderr)
        return 2
    from xr2text_core.inference.gallery import gallery_page

    try:
        text, num_studies = gallery_page(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    replace_text(options.out, text)
    print(f"{num_studies} studies with their report text, {len(text) / 2**20:.1f} MiB: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
