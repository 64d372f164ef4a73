"""Scores a checkpoint on a split beside baselines, with 95 % intervals; or compares two checkpoints.

python -m xr2text_core.evaluate [--checkpoint checkpoints/best_model.pt] [--split test] [--against OTHER.pt]
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xr2text_core.metrics import table
from xr2text_core.metrics.protocols import PROTOCOLS
from xr2text_core.metrics.published import published_table
from xr2text_core.metrics.rows import warnings
from xr2text_core.run.errors import UserError
from xr2text_core.settings.settings import BEAMS

if TYPE_CHECKING:
    from xr2text_core.inference.scoring import CheckpointScores

NEIGHBOURS = 20_000  # training images for the nearest-neighbour row: bounds its memory to a few hundred MiB


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xr2text_core.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/best_model.pt"), help="file to score")
    parser.add_argument("--against", type=Path, help="second checkpoint: both on the same studies, paired test")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--root", default="", help="folder of the data set, if it has moved since training")
    parser.add_argument(
        "--protocol", choices=[each.name for each in PROTOCOLS], default="clean-full", help="protocol of the scores"
    )
    parser.add_argument("--beams", type=int, default=BEAMS, help="beam width; 1 is greedy (default: %(default)s)")
    parser.add_argument("--num-studies", type=int, default=0, help="score only the first N studies")
    parser.add_argument(
        "--neighbours",
        type=int,
        default=NEIGHBOURS,
        help="training images for the nearest-neighbour baseline; 0 skips it (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=Path("data/statistics"), help="folder of the CSV files")
    parser.add_argument("--published", action="store_true", help="show published scores for other data sets too")
    parser.add_argument(
        "--save-reports", action="store_true", help="also write candidates and references (report text!)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    from xr2text_core.inference.scoring import score_checkpoint

    try:
        scores = score_checkpoint(
            options.checkpoint, options.split, options.protocol, options.beams, options.num_studies,
            options.neighbours, options.root, options.against,
        )  # fmt: skip
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    about = {"checkpoint": options.checkpoint.name, "split": options.split, "beams": str(options.beams), **scores.about}
    show(scores, about)
    write(options, scores, about)
    if options.published or scores.settings.data == "mimic-cxr":
        print("\n" + published_table())
    for line in warnings(scores.models[0], scores.others):
        print(f"warning: {line}", file=sys.stderr)
    return 0


def show(scores: "CheckpointScores", about: dict[str, str]) -> None:
    """The table of all rows, the findings of the first model, and the paired test of two."""
    first, *second = scores.models
    print(f"loss {scores.result.loss:.4f} (token cross-entropy, nats)")
    print(table.heading(about, first.scores.num_reports))
    print(table.table([first, *second, *scores.others]))
    print(f"\nFindings that the rule labeler reads in references and in the reports of {first.name}:")
    print(table.finding_table(first.clinical))
    for other in second:
        print(f"\n{first.name} minus {other.name}, paired bootstrap over the same studies:")
        print(table.paired_table(scores.differences))


def write(options: argparse.Namespace, scores: "CheckpointScores", about: dict[str, str]) -> None:
    """Write the scores as CSV files, and the reports if asked for."""

    def path_for(kind: str, suffix: str = "") -> Path:
        folder: Path = options.out
        return folder / f"{kind}_{options.checkpoint.stem}_{options.split}{suffix}.csv"

    table.write_table(path_for("scores"), [*scores.models, *scores.others], about)
    table.write_findings(path_for("scores", "_findings"), scores.models, about)
    print(f"written to {path_for('scores')} and ..._findings.csv")
    if scores.differences:
        names = {"first": scores.models[0].name, "second": scores.models[1].name}
        table.write_paired(path_for("paired"), scores.differences, {**names, **about})
        print(f"written to {path_for('paired')}")
    if options.save_reports:
        write_reports(path_for("reports"), scores)


def write_reports(path: Path, scores: "CheckpointScores") -> None:
    """Study, candidate and reference of every row: report text, so the file belongs where the data set belongs."""
    studies = scores.scored.batches.studies
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["study_id", "candidate", "reference"])
        writer.writerows(zip(studies.study_ids, scores.result.candidates, studies.references, strict=True))


if __name__ == "__main__":
    sys.exit(main())
