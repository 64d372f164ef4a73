"""The frontier of words and findings: what a model gives up in BLEU-4 + ROUGE-L for each finding that it names."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from xr2text_core.metrics.rows import Row

LINE, POINT = "#0072B2", "#D55E00"  # Okabe and Ito 2008: told apart by everybody


def draw_frontier(frontier: Sequence[Row], others: Sequence[Row], path: Path) -> None:
    """BLEU-4 + ROUGE-L over label F1: a line through the sensitivities, a point for each of the others, as PNG."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot(*_places(frontier), "-o", color=LINE)
    for row, x, y in zip(frontier, *_places(frontier), strict=True):
        name = row.name.removeprefix("sensitivity ")
        axis.annotate(name, (x, y), xytext=(4, 5), textcoords="offset points", color=LINE)
    for row, x, y in zip(others, *_places(others), strict=True):
        axis.plot(x, y, "s", color=POINT)
        side, offset = ("right", -6) if x > axis.get_xlim()[1] / 2 else ("left", 6)  # towards the middle
        axis.annotate(row.name, (x, y), xytext=(offset, -4), textcoords="offset points", fontsize=9, ha=side)
    axis.set_xlabel("label F1, macro")
    axis.set_ylabel("BLEU-4 + ROUGE-L")
    axis.set_title("The sensitivity (at each point) trades words for findings", loc="left", fontsize=11)
    axis.grid(alpha=0.3)
    axis.margins(x=0.15, y=0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _places(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    return [row.scores.clinical_f1 for row in rows], [row.bleu_and_rouge for row in rows]
