"""The curves of a run, drawn from its history: losses, scores and learning rate, with the stages of the curriculum."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FIGURES = {
    "losses": (("train_loss", "training"), ("val_loss", "validation")),
    "scores": (("bleu_1", "BLEU-1"), ("bleu_4", "BLEU-4"), ("rouge_l", "ROUGE-L"), ("clinical_f1", "label F1")),
    "learning_rate": (("learning_rate", "learning rate"),),
}
Y_LABELS = {"losses": "token cross-entropy (nats)", "scores": "score (0 to 1)", "learning_rate": "learning rate"}


def draw_figures(history: Path, folder: Path) -> list[Path]:
    """Write one PNG per figure; raises FileNotFoundError or ValueError where the history has no rows."""
    mpl.use("Agg")
    rows = pd.read_csv(history)
    if rows.empty:
        raise ValueError(f"{history} has no rows yet")
    folder.mkdir(parents=True, exist_ok=True)
    return [_draw(rows, name, folder / f"{name}.png") for name in FIGURES]


def _draw(rows: pd.DataFrame, name: str, path: Path) -> Path:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for column, label in FIGURES[name]:
        axes.plot(rows["epoch"], rows[column], label=label, marker="o", markersize=3, linewidth=1.5)
    _mark_stages(axes, rows)
    best = rows.loc[rows["is_best"] == 1, "epoch"]
    if name == "scores" and not best.empty:
        axes.axvline(best.max(), color="0.2", linestyle=":", linewidth=1.5, label=f"best model (epoch {best.max()})")
    axes.set_xlabel("epoch")
    axes.set_ylabel(Y_LABELS[name])
    axes.set_xlim(rows["epoch"].min() - 0.5, rows["epoch"].max() + 0.5)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="best", frameon=False)
    figure.savefig(path, dpi=150)
    return path


def _mark_stages(axes: Axes, rows: pd.DataFrame) -> None:
    """A dashed line where a stage begins, its name above."""
    for stage, first in rows.groupby("stage", sort=False)["epoch"].min().items():
        if first > rows["epoch"].min():
            axes.axvline(first - 0.5, color="0.5", linestyle="--", linewidth=1)
        axes.annotate(
            str(stage).replace("_", "\n"), (first, 1.01), xycoords=("data", "axes fraction"), fontsize=8, color="0.3"
        )
