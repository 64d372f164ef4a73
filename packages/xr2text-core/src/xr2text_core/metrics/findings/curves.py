"""ROC, precision-recall and calibration of the image head, a panel for each of the commonest findings.

Needs scikit-learn (extra `figures`). A panel has one curve and its name and number above it: no legend, no colours to
tell apart. F findings, N studies.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay, brier_score_loss

from xr2text_core.metrics.findings.auc import MIN_POSITIVES
from xr2text_core.metrics.findings.reading import LABELS, MESH, Eye, truths
from xr2text_core.metrics.ngrams import Bools
from xr2text_core.metrics.outcome import CURVES
from xr2text_core.report.vocabulary import FINDINGS

MOST_PANELS, COLUMNS = 8, 4
LINE, CHANCE = "#0072B2", "0.5"  # blue of Okabe and Ito 2008
BINS = 5  # of equally many studies

Floats = NDArray[np.floating]


def draw_curves(
    eye: Eye, references: Sequence[str], codes: Sequence[Collection[str]], paths: Mapping[str, Path], about: str
) -> list[Path]:
    """Draw the CURVES that `paths` names, and return the files.

    Truth is what the rule labeler reads in the references; where annotators coded studies, their codes too, in figures
    of their own (`..._mesh`). Findings that fewer than MIN_POSITIVES studies have are left out; a truth without others
    has no figure. `about` is the title. The ending of a path says its format.
    """
    is_read = ~np.isnan(eye.probabilities).any(axis=1)
    drawn = []
    for truth, true, _, known in truths(references, codes):
        rows = is_read & known
        panels = commonest(true[rows])
        title = f"{about}, {rows.sum()} studies; truth: {'rule labels' if truth == LABELS else truth}"
        wanted = [kind for kind in CURVES if kind in paths and kind.endswith("_mesh") == (truth == MESH)]
        for kind in wanted if panels else ():
            _draw(_CURVE[kind], eye.probabilities[rows], true[rows], panels, title, paths[kind])
            drawn.append(paths[kind])
    return drawn


def commonest(true: Bools) -> list[int]:
    """The columns of (N, F) that MIN_POSITIVES studies have, but not all: the MOST_PANELS commonest."""
    positives = true.sum(axis=0)
    order = np.argsort(-positives, kind="stable")
    return [int(column) for column in order if MIN_POSITIVES <= positives[column] < len(true)][:MOST_PANELS]


def _draw(
    curve: Callable[[Axes, Bools, Floats], str],
    probabilities: Floats,
    true: Bools,
    columns: Sequence[int],
    title: str,
    path: Path,
) -> None:
    across = min(len(columns), COLUMNS)
    down = -(-len(columns) // COLUMNS)
    figure = Figure(figsize=(max(2.6 * across, 5), 2.9 * down + 0.4), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    for place, axes in enumerate(panels.ravel()):
        if place >= len(columns):
            axes.set_axis_off()
            continue
        column = columns[place]
        number = curve(axes, true[:, column], probabilities[:, column])
        if legend := axes.get_legend():  # says what the title says
            legend.remove()
        axes.set_title(f"{FINDINGS[column]} (n = {true[:, column].sum()})\n{number}", loc="left", fontsize=9)
        axes.xaxis.label.set_visible(place + COLUMNS >= len(columns))
        axes.yaxis.label.set_visible(place % COLUMNS == 0)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"pdf.fonttype": 42}):  # text stays text
        figure.savefig(path, dpi=150)


def _roc(axes: Axes, true: Bools, probability: Floats) -> str:
    display = RocCurveDisplay.from_predictions(true, probability, ax=axes)
    display.line_.set(color=LINE, linewidth=1.8)
    axes.plot([0, 1], [0, 1], linestyle="--", color=CHANCE, linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
    return f"AUC {display.roc_auc:.2f}"


def _precision_recall(axes: Axes, true: Bools, probability: Floats) -> str:
    display = PrecisionRecallDisplay.from_predictions(true, probability, ax=axes)
    display.line_.set(color=LINE, linewidth=1.8)
    prevalence = float(true.mean())
    axes.axhline(prevalence, linestyle="--", color=CHANCE, linewidth=1)
    axes.set(xlabel="recall", ylabel="precision", aspect="equal", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return f"AP {display.average_precision:.2f}, by chance {prevalence:.2f}"


def _calibration(axes: Axes, true: Bools, probability: Floats) -> str:
    display = CalibrationDisplay.from_predictions(
        true, probability, n_bins=BINS, strategy="quantile", ax=axes, ref_line=False
    )
    display.line_.set(color=LINE, linewidth=1.8, markersize=4)
    most = min(1.0, 1.15 * max(*display.prob_true, *display.prob_pred, 0.05))
    axes.plot([0, most], [0, most], linestyle="--", color=CHANCE, linewidth=1)
    axes.set(xlabel="probability given", ylabel="share with the finding", aspect="equal")
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.locator_params(nbins=4)
    prevalence = float(true.mean())
    return f"Brier {brier_score_loss(true, probability):.3f}, by chance {prevalence * (1 - prevalence):.3f}"


_CURVE = dict(zip(CURVES, 2 * (_roc, _precision_recall, _calibration), strict=True))
