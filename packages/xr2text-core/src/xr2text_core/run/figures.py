"""The curves of a run, drawn from its history: losses, scores and learning rate, with the stages of the curriculum."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

FIGURES = {
    "losses": (("train_loss", "training"), ("val_loss", "validation")),
    "scores": (
        ("bleu_1", "BLEU-1"),
        ("bleu_4", "BLEU-4"),
        ("rouge_l", "ROUGE-L"),
        ("clinical_f1", "label F1"),
        ("finding_auc", "finding AUC"),
    ),
    "learning_rate": (("learning_rate", "learning rate"),),
}
Y_LABELS = {
    "losses": "token cross-entropy (nats), log scale",
    "scores": "score on the validation split (0 to 1)",
    "learning_rate": "learning rate",
}
# Okabe and Ito, Color Universal Design, 2008: told apart by colour-blind readers, and in print with the markers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")
LABEL_GAP = 0.05  # between the labels of two curves, share of the height


def draw_figures(history: Path, folder: Path, file_format: str = "png") -> list[Path]:
    """Write one file per figure; raises FileNotFoundError or ValueError where the history has no rows."""
    mpl.use("Agg")
    rows = pd.read_csv(history)
    if rows.empty:
        raise ValueError(f"{history} has no rows yet")
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"pdf.fonttype": 42}):  # text stays text
        return [_draw(rows, name, folder / f"{name}.{file_format}") for name in FIGURES]


def _draw(rows: pd.DataFrame, name: str, path: Path) -> Path:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("epoch")
    axes.set_ylabel(Y_LABELS[name])
    axes.set_xlim(rows["epoch"].min() - 0.5, rows["epoch"].max() + 0.5)
    axes.grid(alpha=0.3)
    _curves(axes, rows, name)
    _mark_stages(axes, rows)
    best = rows.loc[rows["is_best"] == 1, "epoch"]
    if name == "scores" and not best.empty:
        _mark_best(axes, int(best.max()))
    figure.savefig(path, dpi=150)
    return path


def _curves(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """One curve per column that was measured, each with its name at its end."""
    ends: list[tuple[float, str, str]] = []
    for (column, label), colour, marker in zip(FIGURES[name], COLOURS, MARKERS, strict=False):
        known = rows[["epoch", column]].dropna() if column in rows else rows[:0]
        if len(known):
            axes.plot(known["epoch"], known[column], color=colour, marker=marker, markersize=3, linewidth=1.5)
            ends.append((float(known[column].iloc[-1]), label, colour))
    if name == "losses" and ends:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    _label(axes, ends)


def _label(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """The names to the right of the curves, from below, moved apart where they would overlap."""
    place = axes.transData + axes.transAxes.inverted()
    lowest = 0.0
    for value, label, colour in sorted(ends):
        height = max(float(place.transform((axes.get_xlim()[1], value))[1]), lowest)
        axes.text(1.01, height, label, color=colour, va="center", transform=axes.transAxes)
        lowest = height + LABEL_GAP


def _mark_best(axes: Axes, epoch: int) -> None:
    """A dotted line at the epoch of the best model, its name at the foot."""
    axes.axvline(epoch, color="0.2", linestyle=":", linewidth=1.5)
    is_right = epoch > sum(axes.get_xlim()) / 2
    axes.annotate(
        f"best model (epoch {epoch})", (epoch, 0.02), xycoords=("data", "axes fraction"), fontsize=8, color="0.2",
        xytext=(-4 if is_right else 4, 0), textcoords="offset points", ha="right" if is_right else "left",
    )  # fmt: skip


def _mark_stages(axes: Axes, rows: pd.DataFrame) -> None:
    """A dashed line where a stage begins, its name above."""
    for stage, first in rows.groupby("stage", sort=False)["epoch"].min().items():
        if first > rows["epoch"].min():
            axes.axvline(first - 0.5, color="0.5", linestyle="--", linewidth=1)
        axes.annotate(
            str(stage).replace("_", "\n"), (first, 1.01), xycoords=("data", "axes fraction"), fontsize=8, color="0.3"
        )
