"""Scores the reports in a CSV file, of any model, as evaluate scores those of a checkpoint.

    python -m xr2text_core.score reports.csv [--references annotation.json] [--against OTHER.csv] [--train FILE]

The table has the columns id, candidate and reference; the references may also lie in another CSV, in an annotation.json
of R2Gen or in a data set. What needs images or a model is a dash. Needs no torch.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xr2text_core.data.study import SPLITS
from xr2text_core.inference.file_scores import Sources, score_file
from xr2text_core.metrics.outcome import Extras, add_score_flags, output_paths
from xr2text_core.report.report import SECTIONS
from xr2text_core.run.errors import UserError
from xr2text_core.run.outputs import keep_inputs


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.score",
        usage="%(prog)s FILE [flags]",
        description=" ".join(__doc__.split("\n\n")[0::2]),
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV with the generated reports")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--references", type=Path, metavar="FILE", help="CSV or annotation.json with the references (default: FILE)"
    )
    where.add_argument(
        "--data",
        choices=("phantom", "manifest", "iu-xray", "mimic-cxr"),
        help="data set with the references (default: none)",
    )
    parser.add_argument(
        "--root",
        default="",
        metavar="DIR",
        help="folder of the data set; for manifest also its CSV file (default: none)",
    )
    parser.add_argument(
        "--split", choices=SPLITS, help="studies of this split only (default: all that have a candidate)"
    )
    parser.add_argument(
        "--section",
        choices=SECTIONS,
        default="findings",
        help="section to score, where reports have sections (default: findings)",
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="FILE",
        help="training reports for the baselines, CSV or annotation.json (default: none)",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="second CSV: the same studies, with a paired test (default: none)"
    )
    add_score_flags(parser, Path("data/statistics"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    sources = Sources(
        options.file, options.references, options.data or "", options.root, options.split or "", options.section,
        options.train, options.against,
    )  # fmt: skip
    name = options.file.name.removesuffix(".gz").removesuffix(".csv")
    try:
        keep_inputs("--out", output_paths(options.out, name).values(), sources.files)
        keep_inputs("--latex", [options.latex] if options.latex else [], sources.files)
        outcome = score_file(sources, options.protocol, Extras.asked_for(options))
        print("loss - (needs a checkpoint)")
        outcome.show()
        outcome.write(options.out, name)
        if options.latex:
            outcome.write_latex(options.latex)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
