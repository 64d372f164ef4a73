"""Scores a checkpoint on a split beside baselines, with 95 % intervals; compares two; or gathers several runs.

python -m xr2text_core.evaluate [--checkpoint checkpoints/best_model.pt] [--split test] [--against OTHER.pt]
python -m xr2text_core.evaluate --runs seed0 seed1 seed2
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from xr2text_core.metrics.findings.auc import MIN_POSITIVES
from xr2text_core.metrics.outcome import CURVES, Extras, add_score_flags, output_paths
from xr2text_core.metrics.published import published_table
from xr2text_core.metrics.tables import runs
from xr2text_core.run.errors import UserError
from xr2text_core.run.folder import statistics_of
from xr2text_core.run.outputs import keep_inputs
from xr2text_core.run.screen import screen_width
from xr2text_core.settings.arguments import add_checkpoint_flag
from xr2text_core.settings.numbers import above_zero, not_negative, positive
from xr2text_core.settings.settings import BEAMS

if TYPE_CHECKING:
    from xr2text_core.inference.scoring import CheckpointScores

STATISTICS = Path("data/statistics")
MOST_LETTERS = 150  # of the names of runs in the name of a file
NEIGHBOURS = 20_000  # training images for the nearest-neighbour row: bounds its memory to a few hundred MiB


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.evaluate", usage="%(prog)s [flags]", description=__doc__.splitlines()[0]
    )
    add_checkpoint_flag(parser, "file to score")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="second checkpoint: both on the same studies, with a paired test (default: none)",
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="studies to score (default: %(default)s)"
    )
    parser.add_argument("--root", default="", metavar="DIR", help="folder of the data set (default: as in training)")
    parser.add_argument(
        "--beams", type=positive, default=BEAMS, metavar="N", help="beam width; 1 is greedy (default: %(default)s)"
    )
    parser.add_argument(
        "--num-studies",
        type=not_negative,
        default=0,
        metavar="N",
        help="score only the first N studies, into files of their own (default: all)",
    )
    parser.add_argument(
        "--neighbours",
        type=not_negative,
        default=NEIGHBOURS,
        metavar="N",
        help="training images for the nearest-neighbour baseline; 0 skips it (default: %(default)s)",
    )
    parser.add_argument(
        "--sensitivity",
        type=above_zero,
        metavar="R",
        help="write findings R times as often as training reports do (default: the model's own)",
    )
    parser.add_argument("--frontier", action="store_true", help="also score a range of sensitivities, 0.3 to 2")
    parser.add_argument(
        "--figures",
        nargs="?",
        const="png",
        choices=("png", "pdf", "svg"),
        metavar="FORMAT",
        help="draw ROC, precision-recall and calibration of the image head: png (default), pdf or svg",
    )
    parser.add_argument("--published", action="store_true", help="also show published scores (always with mimic-cxr)")
    parser.add_argument(
        "--save-reports", action="store_true", help="also write candidates and references (report text!)"
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        metavar="RUN",
        help="only gather scored runs: mean, SD and t interval. Names of runs, or their scores_*.csv (default: none)",
    )
    add_score_flags(parser, None)
    options = parser.parse_args(arguments)
    if options.runs:
        _check_gathering(parser, options)
    return options


def _check_gathering(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """An error for flags that could change nothing."""
    given = {name for name, value in vars(options).items() if value != parser.get_default(name)}
    if idle := sorted(given - {"runs", "checkpoint", "split", "num_studies", "sensitivity", "latex", "out"}):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
        parser.error(f"--runs reads scores that are there already: leave out {flags}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    if options.runs:
        return gather(options)
    options.out = options.out or statistics_of(options.checkpoint) or STATISTICS
    name = name_of(options)
    picture = options.figures or "png"
    paths = output_paths(options.out, name, picture)
    from xr2text_core.inference.scoring import score_checkpoint

    inputs = [path for path in (options.checkpoint, options.against, options.root) if path]
    try:
        if options.figures and find_spec("sklearn") is None:
            raise UserError("--figures needs scikit-learn: `pip install scikit-learn` installs it")
        keep_inputs("--out", paths.values(), inputs)
        keep_inputs("--latex", [options.latex] if options.latex else [], inputs)
        scores = score_checkpoint(
            options.checkpoint, options.split, options.protocol, options.beams, options.num_studies,
            options.neighbours, options.root, options.against, Extras.asked_for(options), options.sensitivity,
            options.frontier,
        )  # fmt: skip
        keep_inputs("--out", paths.values(), [scores.trained.settings.root])
        print(f"loss {scores.result.loss:.4f} (token cross-entropy, nats)")
        scores.outcome.show()
        scores.outcome.write(options.out, name, picture)
        if options.figures:
            draw_figures({kind: paths[kind] for kind in CURVES}, scores, options.split)
        if options.latex:
            scores.outcome.write_latex(options.latex)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.save_reports:
        write_reports(paths["reports"], scores)
    if options.published or scores.trained.settings.data == "mimic-cxr":
        print("\n" + published_table(screen_width()))
    return 0


def name_of(options: argparse.Namespace) -> str:
    """CHECKPOINT_SPLIT of the files, with what makes the scores others than those of the whole split."""
    point = "" if options.sensitivity is None else f"_sensitivity_{options.sensitivity:g}"
    part = f"_first_{options.num_studies}" if options.num_studies else ""
    return f"{options.checkpoint.stem}_{options.split}{part}{point}"


def gather(options: argparse.Namespace) -> int:
    """Show and write means and spreads of the scores that earlier calls wrote."""
    folder, name = statistics_of(options.checkpoint, "") or STATISTICS, name_of(options)
    files = {
        run: Path(run) if run.endswith(".csv") else output_paths(folder / run, name)["scores"] for run in options.runs
    }
    names = "_".join(path.parent.name for path in files.values())
    what = next(iter(files.values())).stem.removeprefix("scores_")
    path = (options.out or folder) / f"runs_{names[:MOST_LETTERS]}_{what}.csv"
    try:
        keep_inputs("--out", [path], files.values())
        keep_inputs("--latex", [options.latex] if options.latex else [], files.values())
        gathered = runs.read_runs(files)
        print(runs.show(gathered, screen_width()))
        runs.write(gathered, path)
        print(f"written to {path}")
        if options.latex:
            runs.write_latex(gathered, options.latex)
            print(f"written to {options.latex}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def draw_figures(paths: Mapping[str, Path], scores: "CheckpointScores", split: str) -> None:
    """ROC, precision-recall and calibration; UserError where they cannot be written."""
    from xr2text_core.metrics.findings.curves import draw_curves  # needs scikit-learn

    eye, codes = scores.eye
    if eye is None:
        raise UserError("--figures: this model decides no findings first, so it has no curves")
    settings = scores.trained.settings
    name = "/".join(filter(None, (settings.run, scores.outcome.models[0].name)))
    try:
        drawn = draw_curves(
            eye, scores.scored.references.texts, codes, paths, f"{name}, {split} split of {settings.data}"
        )
    except OSError as error:
        raise UserError(f"--figures: cannot be written: {error}; give another folder with --out") from error
    print(f"drawn: {', '.join(map(str, drawn))}" if drawn else f"no curves: no finding is in {MIN_POSITIVES} studies")


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
