"""Is the end of an attacked run that of an unbroken one, to the bit?"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tiny import TinyRun, torn_lines

from xr2text_core.run.history import TIME_COLUMNS

Fingerprint = dict[str, str]
TIMES = ("_s", *TIME_COLUMNS)
Comparison = Callable[[str], bool]


def everything(mark: str) -> bool:
    return True


def rows_and_final_model(mark: str) -> bool:
    """Where a save failed for a while, another epoch may count as the best, and a periodic checkpoint be missing."""
    return mark.startswith(("row", "final_model.pt: model", "final_model.pt: optimizer")) and "is_best" not in mark


def steps_only(mark: str) -> bool:
    """Where arithmetic was forced to differ, the run still has the same epochs and steps."""
    return mark.startswith("row") and mark.endswith((": epoch", ": stage", ": step"))


def nothing(mark: str) -> bool:
    """Where it is another run."""
    return False


def fingerprint(run: TinyRun) -> Fingerprint:
    """A digest of everything that must not depend on interruptions. Uses torch: call it in a child."""
    from xr2text_core.run.checkpoint import load_checkpoint

    marks = {f"row {row['epoch']}: {name}": cell for row in run.rows() for name, cell in row.items()}
    if run.files.best_results.is_file():
        marks["best_results.csv"] = next(csv.DictReader(run.files.best_results.open()))["epoch"]
    for path in sorted(run.files.checkpoints.glob("*.pt")):
        found = load_checkpoint(path)
        for part in ("model", "optimizer", "progress"):
            marks[f"{path.name}: {part}"] = digest(getattr(found, part))
    return marks


def problems(run: TinyRun, unbroken: Fingerprint, compare: Comparison) -> list[str]:
    """What is wrong with a run that has ended; nothing, when it is as if nothing had happened. Call it in a child."""
    try:
        marks = fingerprint(run)
    except Exception as error:
        return [f"its files cannot be read: {type(error).__name__}: {error}"]
    differ = [name for name in sorted({*marks, *unbroken}) if compare(name) and marks.get(name) != unbroken.get(name)]
    more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
    found = [f"differs from the unbroken run: {', '.join(differ[:3])}{more}"] if differ else []
    found += [f"torn line: {line}" for line in torn_lines(run)]
    found += [f"left behind: {path.name}" for path in sorted(run.folder.rglob("*.tmp"))]
    if run.state() != "finished":
        found.append(f"status.json says {run.state()}")
    if not any(run.files.figures.glob("*.png")):
        found.append("no figures")
    return found + [f"traceback: {last}" for last in tracebacks(run)]


def tracebacks(run: TinyRun) -> list[str]:
    """The last lines of the tracebacks on the terminal, each once."""
    pattern = r"^Traceback \(most recent call last\):\n(?:[ \n].*\n)*(.*)"
    return list(dict.fromkeys(re.findall(pattern, run.printed(), re.MULTILINE)))


def digest(part: Any) -> str:
    """Of nested dicts and lists of tensors and numbers, without times."""
    total = hashlib.sha256()
    for name, value in leaves(part, ""):
        if not name.endswith(TIMES):
            total.update(name.encode() + (value.numpy().tobytes() if hasattr(value, "numpy") else repr(value).encode()))
    return total.hexdigest()


def leaves(part: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        for key in sorted(part, key=str):
            yield from leaves(part[key], f"{name}/{key}")
    elif isinstance(part, list | tuple):
        for number, value in enumerate(part):
            yield from leaves(value, f"{name}/{number}")
    else:
        yield name, part


def unreadable_now(folder: Path) -> list[str]:
    """Checkpoints in `folder` that cannot be loaded at this moment. Uses torch: call it in a child."""
    from xr2text_core.run.checkpoint import CheckpointError, load_checkpoint

    bad = []
    for path in sorted(folder.glob("*.pt")):
        try:
            load_checkpoint(path)
        except (CheckpointError, OSError) as error:
            bad.append(str(error))
    return bad
