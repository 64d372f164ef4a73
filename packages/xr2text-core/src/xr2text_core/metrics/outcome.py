"""The outcome of scoring reports of any origin: shown as tables, written as CSV files, judged by warnings."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xr2text_core.metrics import table
from xr2text_core.metrics.bootstrap import PairedDifference
from xr2text_core.metrics.findings.reading import Measure
from xr2text_core.metrics.meteor import Meteor, find_meteor
from xr2text_core.metrics.protocols import PROTOCOLS
from xr2text_core.metrics.radeval_scores import ClinicalScore, clinical_scores, metric_names
from xr2text_core.metrics.rows import Row, warnings
from xr2text_core.run.errors import UserError
from xr2text_core.run.screen import folded, screen_width

# Pictures of the image head, against the rule labels and against the codes of annotators.
CURVES = tuple(f"{kind}{truth}" for truth in ("", "_mesh") for kind in ("roc", "precision_recall", "calibration"))


@dataclass(frozen=True)
class Extras:
    """Scores that cost minutes rather than a second, and are computed only when asked for."""

    meteor: Meteor | None = None
    clinical: Sequence[str] = ()  # metrics of radeval
    weights: Path | None = None  # folder of their weights
    notes: Sequence[str] = ()  # why something is not available

    @classmethod
    def asked_for(cls, options: argparse.Namespace) -> "Extras":
        """Those of the flags of `add_score_flags`."""
        meteor, why_not = find_meteor() if options.meteor else (None, "")
        notes = [f"METEOR is {why_not}"] if why_not else []
        return cls(meteor, options.clinical or (), options.clinical_weights, notes)

    def clinical_scores(self, reports: Mapping[str, Sequence[str]], references: Sequence[str]) -> list[ClinicalScore]:
        """Of each list of reports, by the name of its row; empty where none were asked for."""
        return clinical_scores(self.clinical, reports, references, self.weights) if self.clinical else []


NO_EXTRAS = Extras()


@dataclass(frozen=True)
class Outcome:
    """`models` are the scored reports and those they are compared with, `others` the baselines.

    `about` is what the scores depend on; it belongs in every row of every file. `differences` are first minus second
    model by measure; `unmeasured` are the baselines that would need images; `reading` tells eye from pen; `frontier`
    has a row for each sensitivity; `notes` say what was left out and the like.
    """

    about: Mapping[str, str]
    models: Sequence[Row]
    others: Sequence[Row]
    differences: Mapping[str, PairedDifference] = field(default_factory=dict)
    unmeasured: Sequence[str] = ()
    clinical: Sequence[ClinicalScore] = ()
    reading: Sequence[Measure] = ()
    frontier: Sequence[Row] = ()
    notes: Sequence[str] = ()

    def show(self) -> None:
        """The table of all rows, the findings of the first model, the paired test of two; warnings go to stderr."""
        first, *second = self.models
        width = screen_width()
        print(table.heading(self.about, first.scores.num_reports, width))
        print(table.table([first, *second, *self.others], self.unmeasured, width))
        print(
            folded(f"\nFindings that the rule labeler reads in references and in the reports of {first.name}:", width)
        )
        print(table.finding_table(first.clinical))
        if self.reading:
            print("\n" + table.reading_table(self.reading, width))
        if self.frontier:
            print("\n" + table.table(self.frontier, width=width))
        if self.clinical:
            print("\n" + table.clinical_table(self.clinical))
        for other in second:
            print(folded(f"\n{first.name} minus {other.name}, paired bootstrap over the same studies:", width))
            print(table.paired_table(self.differences))
        for line in [*self.notes, *warnings(first, self.others)]:
            print(f"warning: {line}", file=sys.stderr)

    def write_latex(self, path: Path) -> None:
        """The table of all rows for a thesis; UserError where it cannot be written."""
        caption = table.heading(self.about, self.models[0].scores.num_reports)
        try:
            table.write_latex(path, [*self.models, *self.others], caption, self.unmeasured)
        except OSError as error:
            raise UserError(f"--latex {path}: cannot be written: {error}") from error
        print(f"written to {path}")

    def write(self, folder: Path, name: str, picture: str = "png") -> None:
        """The same as CSV files in `folder`, named after `name`, and the frontier as a `picture`; UserError where that
        cannot be written."""
        paths = output_paths(folder, name, picture)
        about = {**self.about, "warnings": "; ".join(self.notes)}
        try:
            table.write_table(paths["scores"], [*self.models, *self.others], about, self.unmeasured)
            table.write_findings(paths["findings"], self.models, about)
            table.write_reading(paths["reading"], self.reading, about)
            print(folded(f"written to {paths['scores']}, ..._findings.csv and ..._reading.csv", screen_width()))
            if self.frontier:
                from xr2text_core.metrics.findings.frontier import draw_frontier  # matplotlib, for a picture only

                table.write_table(paths["frontier"], self.frontier, about)
                draw_frontier(self.frontier, [*self.models[1:], *self.others], paths["figure"])
                print(f"written to {paths['frontier']} and its picture, .{picture}")
            if self.differences:
                names = {"first": self.models[0].name, "second": self.models[1].name}
                table.write_paired(paths["paired"], self.differences, {**names, **about})
                print(f"written to {paths['paired']}")
            if self.clinical:
                table.write_clinical(paths["clinical"], self.clinical, about)
                print(f"written to {paths['clinical']}")
        except OSError as error:
            raise UserError(f"cannot write below {folder}: {error}; give another folder with --out") from error


def output_paths(folder: Path, name: str, picture: str = "png") -> dict[str, Path]:
    """Every file that scoring may write, by kind."""
    return {
        "scores": folder / f"scores_{name}.csv",
        "findings": folder / f"scores_{name}_findings.csv",
        "reading": folder / f"scores_{name}_reading.csv",
        "frontier": folder / f"frontier_{name}.csv",
        "figure": folder / f"frontier_{name}.{picture}",
        **{kind: folder / f"{kind}_{name}.{picture}" for kind in CURVES},
        "clinical": folder / f"scores_{name}_clinical.csv",
        "paired": folder / f"paired_{name}.csv",
        "reports": folder / f"reports_{name}.csv",
    }


def add_score_flags(parser: argparse.ArgumentParser, out: Path | None) -> None:
    """The flags of every command that scores: how, what else, and where the files go (None: beside the run)."""
    parser.add_argument(
        "--protocol",
        choices=[each.name for each in PROTOCOLS],
        default="clean-full",
        help="how texts become tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--meteor", action="store_true", help="also compute METEOR (half a minute; needs Java or WordNet)"
    )
    parser.add_argument(
        "--clinical",
        type=_clinical,
        metavar="NAME,...",
        help="metrics of the package radeval, such as chexbert,radgraph (default: none)",
    )
    parser.add_argument(
        "--clinical-weights", type=Path, metavar="DIR", help="folder of their weights (default: the usual caches)"
    )
    parser.add_argument("--latex", type=Path, metavar="FILE", help="also write the table as LaTeX (default: none)")
    default = out or "that of the run"
    parser.add_argument(
        "--out", type=Path, default=out, metavar="DIR", help=f"folder of the CSV files (default: {default})"
    )


def _clinical(text: str) -> list[str]:
    try:
        return metric_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
