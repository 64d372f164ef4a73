"""Rows of cells as aligned text that fits the screen, and as a LaTeX table."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from xr2text_core.run.screen import UNLIMITED, parts_that_fit

Block = tuple[str, list[list[str]]]  # the name of a row, and its cells: one line, or several below each other

DASH = "-"
NAME_WIDTH = 29  # of rows on a narrow screen: five columns beside it make 80
NARROWEST = 9  # a column of cells


def aligned(titles: Sequence[str], blocks: Sequence[Block], width: int = UNLIMITED) -> str:
    """The blocks as aligned text. Columns that do not fit into the width go into a second table below."""
    rows = [titles, *(cells for _, lines in blocks for cells in lines)]
    sizes = [max(NARROWEST, *map(len, column)) for column in zip(*rows, strict=True)]
    longest = max(len(name) for name, _ in blocks)
    is_whole = longest + sum(sizes) + len(sizes) <= width
    name_width = longest if is_whole else min(longest, NAME_WIDTH)
    lines = [("", list(titles))]
    for name, cells in blocks:
        lines += _named(name, cells, name_width)
    return "\n\n".join(
        "\n".join(
            " ".join([f"{name:<{name_width}}", *(f"{texts[each]:>{sizes[each]}}" for each in part)]).rstrip()
            for name, texts in lines
        )
        for part in parts_that_fit(sizes, width - name_width)
    )


def _named(name: str, lines: Sequence[list[str]], width: int) -> list[tuple[str, list[str]]]:
    """Lines of cells with the name before them, in several lines where it is longer than the width."""
    names, nothing = textwrap.wrap(name, width), [""] * len(lines[0])
    count = max(len(names), len(lines))
    cells = [*lines, *[nothing] * (count - len(lines))]
    return list(zip([*names, *[""] * (count - len(names))], cells, strict=True))


def write_latex_table(path: Path, titles: Sequence[str], blocks: Sequence[Block], caption: str) -> None:
    """The blocks as a LaTeX table (of the package booktabs); its caption says what the scores depend on."""
    import pandas as pd  # a second; only where it was asked for

    lines = [(name if number == 0 else "", cells) for name, block in blocks for number, cells in enumerate(block)]
    names, cells = zip(*lines, strict=True)
    frame = pd.DataFrame(list(cells), index=list(names), columns=list(titles))
    style = frame.style.format(escape="latex").format_index(escape="latex", axis=0).format_index(escape="latex", axis=1)
    text = style.to_latex(
        column_format="l" + "r" * len(titles), hrules=True, position_float="centering", label="tab:scores",
        caption=_escaped(". ".join(caption.splitlines())),
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _escaped(text: str) -> str:
    """Plain text for LaTeX."""
    words = {"<": r"\textless{}", ">": r"\textgreater{}"}
    return re.sub(r"[%&_#$<>]", lambda found: words.get(found[0], f"\\{found[0]}"), text)
