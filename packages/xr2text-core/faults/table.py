"""What a family of faults found, and the table of all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

COLUMNS = ("fault", "injected", "survived", "steps lost", "bytes lost", "remark")


@dataclass
class Outcome:
    """One row: how often a fault was injected and survived; steps that had to be done again; bytes gone for good."""

    fault: str
    injected: int = 0
    survived: int = 0
    steps_lost: int = 0
    bytes_lost: int = 0
    remark: str = ""
    problems: list[str] = field(default_factory=list)

    def add(self, injected: int, problems: Iterable[str], trial: str, steps: int = 0, lost: int = 0) -> None:
        """Count a trial; `trial` names it so that it can be repeated."""
        found = list(problems)
        self.injected += injected
        self.survived += 0 if found else injected
        self.steps_lost += steps
        self.bytes_lost += lost
        self.problems += [f"{self.fault} [{trial}]: {problem}" for problem in found]

    def cells(self) -> list[str]:
        if not self.injected:
            return [self.fault, "-", "-", "-", "-", self.remark or "skipped"]
        counts = (self.injected, self.survived, self.steps_lost, self.bytes_lost)
        return [self.fault, *(f"{count:,}" for count in counts), self.remark]


def as_text(outcomes: list[Outcome]) -> str:
    """For a terminal: columns side by side, then what went wrong."""
    rows = [list(COLUMNS), *(outcome.cells() for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if column in (0, 5) else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *_failures(outcomes)])


def as_markdown(outcomes: list[Outcome]) -> str:
    """For docs/faults.md."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(outcome.cells()) + " |" for outcome in outcomes]
    return "\n".join([*lines, *_failures(outcomes)])


def _failures(outcomes: list[Outcome]) -> list[str]:
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    return ["", f"{len(problems)} problems:", *problems] if problems else []
