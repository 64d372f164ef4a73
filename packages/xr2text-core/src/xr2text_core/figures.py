"""Draws the curves of a run from its history: losses, scores and the learning rate, with the stages of the curriculum.

    python -m xr2text_core.figures [--history data/statistics/training_history.csv] [--format pdf]

Training also draws them when it ends.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xr2text_core.run.errors import UserError
from xr2text_core.run.outputs import keep_inputs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.figures", usage="%(prog)s [flags]", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--history",
        type=Path,
        default=Path("data/statistics/training_history.csv"),
        metavar="FILE",
        help="history to draw (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data/statistics/figures"),
        metavar="DIR",
        help="folder of the figures (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="of the figures (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    from xr2text_core.run.figures import FIGURES, draw_figures

    try:
        keep_inputs("--out", [options.out / f"{name}.{options.format}" for name in FIGURES], [options.history])
        for path in draw_figures(options.history, options.out, options.format):
            print(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (FileNotFoundError, ValueError) as error:
        print(f"error: --history {options.history}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
