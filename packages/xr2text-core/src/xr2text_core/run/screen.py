"""How wide a table may be: what is wider is folded into several tables, and prose into several lines."""

import shutil
import textwrap
from collections.abc import Sequence

UNLIMITED = 10_000  # a file or a pipe: one table, whole lines


def screen_width() -> int:
    """Columns of the terminal; UNLIMITED where the output goes elsewhere."""
    return shutil.get_terminal_size((UNLIMITED, 24)).columns


def folded(text: str, width: int, indent: str = "  ") -> str:
    """The text with every line broken at words so that it fits; what follows a break is indented."""
    lines = text.splitlines()
    return "\n".join(part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=indent) or [""])


def parts_that_fit(sizes: Sequence[int], room: int) -> list[range]:
    """Consecutive columns, each part as many as fit into the room with a space before each; at least one."""
    starts, used = [0], 0
    for column, size in enumerate(sizes):
        used += size + 1
        if used > room and column > starts[-1]:
            starts.append(column)
            used = size + 1
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(sizes)], strict=True)]
