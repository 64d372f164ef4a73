"""The frontier of words and findings: what a model gives up in BLEU-4 + ROUGE-L for each finding that it names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xr2text_core.metrics.rows import Row

LINE, POINT = "#0072B2", "#D55E00"  # Okabe and Ito 2008: told apart by everybody
LABEL_GAP_PT = 13  # from a point of the line to its name


def draw_frontier(frontier: Sequence[Row], others: Sequence[Row], path: Path) -> None:
    """BLEU-4 + ROUGE-L over label F1: a line through the sensitivities, a point for each of the others."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot(*_places(frontier), "-o", color=LINE)
    axis.plot(*_places(others), "s", color=POINT)
    axis.margins(x=0.15, y=0.1)
    figure.draw_without_rendering()  # now a point has its place on the page
    _name_line(axis, frontier)
    _name_points(axis, others)
    axis.set_xlabel("label F1, macro")
    axis.set_ylabel("BLEU-4 + ROUGE-L")
    axis.set_title("The sensitivity (at each point) trades words for findings", loc="left", fontsize=11)
    axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _name_line(axis: Axes, rows: Sequence[Row]) -> None:
    """The sensitivity of each point, beside the line: across the direction from the point before to the one after."""
    places = axis.transData.transform(np.column_stack(_places(rows)))
    for place, row, x, y in zip(range(len(rows)), rows, *_places(rows), strict=True):
        along = places[min(place + 1, len(rows) - 1)] - places[max(place - 1, 0)]
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        across *= LABEL_GAP_PT * (1 if across[1] >= 0 else -1)  # above
        axis.annotate(
            row.name.removeprefix("sensitivity "), (x, y), xytext=(float(across[0]), float(across[1])),
            textcoords="offset points", color=LINE, ha="center", va="center",
        )  # fmt: skip


def _name_points(axis: Axes, rows: Sequence[Row]) -> None:
    """The name of each point, towards the middle; a little higher where the one below it is close."""
    below = -np.inf
    for y, x, name in sorted((y, x, row.name) for row, x, y in zip(rows, *_places(rows), strict=True)):
        height = float(axis.transAxes.inverted().transform(axis.transData.transform((x, y)))[1])
        side, offset = ("right", -6) if x > sum(axis.get_xlim()) / 2 else ("left", 6)
        lift = 3 if 0 <= height - below < 0.05 else -4
        axis.annotate(name, (x, y), xytext=(offset, lift), textcoords="offset points", fontsize=9, ha=side)
        below = height


def _places(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    return [row.scores.clinical_f1 for row in rows], [row.bleu_and_rouge for row in rows]
