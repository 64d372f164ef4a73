"""Scores a checkpoint on a split, beside what needs no model at all, with intervals; or compares two checkpoints.

python -m xr2text_core.evaluate [--checkpoint checkpoints/best_model.pt] [--split test] [--against OTHER.pt]
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xr2text_core.metrics.protocols import PROTOCOLS, reference_lengths

if TYPE_CHECKING:
    from xr2text_core.data.batches import BatchMaker
    from xr2text_core.inference.comparison import Scored
    from xr2text_core.inference.trained import TrainedModel
    from xr2text_core.metrics.bootstrap import PairedDifference
    from xr2text_core.metrics.rows import Row, Yardstick
    from xr2text_core.training.evaluation import Evaluation

NEIGHBOURS = 20_000  # training images for the nearest-neighbour row: bounds its memory to a few hundred MiB


def generate_reports(trained: "TrainedModel", batches: "BatchMaker", options: argparse.Namespace) -> "Evaluation":
    """Evaluate with the decoding that the command was asked for, with a progress bar."""
    from xr2text_core.training.evaluation import evaluate

    tokens = trained.settings.max_tokens
    result = evaluate(trained.model, trained.tokenizer, batches, tokens, options.protocol, options.beams, True)
    assert result is not None  # nobody asked it to stop
    return result


def row_names(checkpoint: Path, against: Path | None) -> tuple[str, str]:
    """File names, or whole paths where the names are the same."""
    if against is None or checkpoint.name != against.name:
        return checkpoint.name, against.name if against else ""
    return checkpoint.as_posix(), against.as_posix()


def write_reports_file(path: Path, batches: "BatchMaker", candidates: Sequence[str]) -> None:
    """Study, candidate and reference of every row: report text, so the file belongs where the data set belongs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["study_id", "candidate", "reference"])
        writer.writerows(zip(batches.studies.study_ids, candidates, batches.studies.references, strict=True))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xr2text_core.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/best_model.pt"), help="file to score")
    parser.add_argument("--against", type=Path, help="second checkpoint: both on the same studies, with a paired test")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--root", default="", help="folder of the data set, where it has moved since the training")
    parser.add_argument(
        "--protocol", choices=[each.name for each in PROTOCOLS], default="clean-full", help="how text is compared"
    )
    parser.add_argument("--beams", type=int, default=4, help="beam width; 1 is greedy (default: %(default)s)")
    parser.add_argument("--num-studies", type=int, default=0, help="score only the first N studies")
    parser.add_argument(
        "--neighbours",
        type=int,
        default=NEIGHBOURS,
        help="training images that the nearest-neighbour row may choose from; 0 leaves it out (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=Path("data/statistics"), help="folder of the CSV files")
    parser.add_argument("--published", action="store_true", help="show the guide's rows also for other data sets")
    parser.add_argument(
        "--save-reports", action="store_true", help="also write candidates and references (report text!)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    from xr2text_core.data.study import DatasetError
    from xr2text_core.run.checkpoint import CheckpointError

    try:
        return score_checkpoint(options)
    except (CheckpointError, DatasetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def score_checkpoint(options: argparse.Namespace) -> int:
    """Write the reports of one or two checkpoints, hold them against the references, show and save what comes out."""
    from xr2text_core.inference.comparison import comparison_rows, studies_to_score
    from xr2text_core.inference.trained import TrainedModel
    from xr2text_core.metrics.published import published_table
    from xr2text_core.metrics.rows import warnings

    trained = TrainedModel.load(options.checkpoint)
    settings = trained.settings
    scored = studies_to_score(trained, options.split, options.num_studies, options.root, options.protocol)
    result = generate_reports(trained, scored.batches, options)
    name, other_name = row_names(options.checkpoint, options.against)
    models = [scored.yardstick.row_with_intervals(name, result.candidates)]
    theirs = reports_of_other(options, trained, scored) if options.against else []
    if theirs:
        models.append(scored.yardstick.row_with_intervals(other_name, theirs))
    others = comparison_rows(trained, scored, result.candidates, options.neighbours)
    about = about_table(options, settings.data, settings.section, scored.yardstick)

    print(f"loss {result.loss:.4f}")
    show_and_write(options, models, others, about)
    if theirs:
        compare(options, scored.yardstick.paired_differences(result.candidates, theirs), (name, other_name), about)
    if options.save_reports:
        write_reports_file(path_for(options, "reports"), scored.batches, result.candidates)
    if options.published or settings.data == "mimic-cxr":
        print("\n" + published_table())
    for line in warnings(models[0], others):
        print(f"warning: {line}", file=sys.stderr)
    return 0


def show_and_write(
    options: argparse.Namespace, models: "list[Row]", others: "list[Row]", about: dict[str, str]
) -> None:
    """The table of all rows, and the findings of the first model."""
    from xr2text_core.metrics import table

    print(table.say(about, models[0].scores.num_reports))
    print(table.table([*models, *others]))
    print(f"\nFindings that the rule labeler reads in references and in the reports of {models[0].name}:")
    print(table.finding_table(models[0].clinical))
    table.write_table(path_for(options, "scores"), [*models, *others], about)
    table.write_findings(path_for(options, "scores", "_findings"), models, about)
    print(f"written to {path_for(options, 'scores')} and ..._findings.csv")


def compare(
    options: argparse.Namespace,
    differences: "dict[str, PairedDifference]",
    names: tuple[str, str],
    about: dict[str, str],
) -> None:
    """The paired test of two checkpoints."""
    from xr2text_core.metrics import table

    print(f"\n{names[0]} minus {names[1]}, paired bootstrap over the same studies:")
    print(table.paired_table(differences))
    path = path_for(options, "paired")
    table.write_paired(path, differences, {"first": names[0], "second": names[1], **about})
    print(f"written to {path}")


def path_for(options: argparse.Namespace, kind: str, suffix: str = "") -> Path:
    folder: Path = options.out
    return folder / f"{kind}_{options.checkpoint.stem}_{options.split}{suffix}.csv"


def reports_of_other(options: argparse.Namespace, trained: "TrainedModel", scored: "Scored") -> list[str]:
    """What the checkpoint --against writes for the same studies."""
    from xr2text_core.inference.comparison import same_studies_for
    from xr2text_core.inference.trained import TrainedModel

    other = TrainedModel.load(options.against)
    batches = same_studies_for(other, options.against, trained, scored, options.root)
    return generate_reports(other, batches, options).candidates


def about_table(options: argparse.Namespace, data: str, section: str, yardstick: "Yardstick") -> dict[str, str]:
    """What stands in every row of every file, because a score without it says nothing."""
    lengths = reference_lengths(yardstick.references, options.protocol)
    return {
        "checkpoint": options.checkpoint.name,
        "data": data,
        "split": options.split,
        "section": section,
        "protocol": options.protocol,
        "beams": str(options.beams),
        "reference_tokens_mean": f"{lengths.mean:.2f}",
        "reference_tokens_median": f"{lengths.median:g}",
        "reference_tokens_p95": f"{lengths.percentile_95:g}",
        "reference_tokens_max": str(lengths.max),
        "reference_share_cut": f"{lengths.share_cut:.4f}",
    }


if __name__ == "__main__":
    sys.exit(main())
