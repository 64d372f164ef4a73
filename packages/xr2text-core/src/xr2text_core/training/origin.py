"""Where a checkpoint comes from: what it holds, and what its run left beside it in data/statistics/."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xr2text_core.run.folder import RunFolder
from xr2text_core.run.history import read_rows
from xr2text_core.training.progress import Progress
from xr2text_core.training.settings import Settings
from xr2text_core.training.trained import settings_from


@dataclass(frozen=True)
class Origin:
    """`run` is run.json, `row` the history row of the epoch that the weights end; empty where it was not found."""

    checkpoint: str
    version: str
    settings: Settings
    progress: Progress
    run: dict[str, Any]
    row: dict[str, str]

    @property
    def is_within_epoch(self) -> bool:
        """Saved in the middle of an epoch, which therefore has no scores."""
        return self.progress.step_in_epoch > 0


def origin_of(path: Path, contents: dict[str, Any]) -> Origin:
    """The origin of the checkpoint at `path` with these contents."""
    folder = _statistics_of(path.resolve())
    progress = Progress.from_dict(contents["progress"])
    return Origin(
        checkpoint=path.name,
        version=contents["version"],
        settings=settings_from(contents),
        progress=progress,
        run=_read_json(folder.run_json) if folder else {},
        row=_row_of(progress, folder.history) if folder else {},
    )


def _statistics_of(path: Path) -> RunFolder | None:
    """OUT/checkpoints/RUN/file.pt belongs to OUT/data/statistics/RUN/; None where the file was moved elsewhere."""
    for parent in path.parents:
        if parent.name == "checkpoints":
            return RunFolder(path.parent, parent.parent / "data" / "statistics" / path.parent.relative_to(parent))
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return contents if isinstance(contents, dict) else {}


def _row_of(progress: Progress, history: Path) -> dict[str, str]:
    """The row of the last whole epoch, if the history really is of this run: its number of steps must agree."""
    wanted = (str(progress.epoch - 1), str(progress.step))
    rows = [row for row in read_rows(history) if (row.get("epoch"), row.get("step")) == wanted]
    return rows[-1] if rows and not progress.step_in_epoch else {}
