"""Where a checkpoint comes from: its contents, and the run.json of its run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xr2text_core.inference.trained import settings_from
from xr2text_core.run.checkpoint import Checkpoint
from xr2text_core.run.folder import statistics_of
from xr2text_core.settings.changes import changes, refusal
from xr2text_core.settings.settings import Settings
from xr2text_core.training.progress import Progress


@dataclass(frozen=True)
class Origin:
    """`run` holds the fields of run.json (docs/run-files.md); empty if missing or of another run."""

    checkpoint: str  # name of the file
    version: str
    settings: Settings
    progress: Progress
    run: dict[str, Any]

    @property
    def is_within_epoch(self) -> bool:
        """Saved in the middle of an epoch, which therefore has no scores."""
        return self.progress.step_in_epoch > 0

    @property
    def row(self) -> dict[str, str]:
        """The history row of the epoch that ends with these weights; empty if there is none."""
        last = self.progress.rows[-1] if self.progress.rows else {}
        return last if last.get("step") == str(self.progress.step) else {}


def origin_of(path: Path, checkpoint: Checkpoint) -> Origin:
    """The origin of the checkpoint at `path`."""
    settings = settings_from(checkpoint)
    progress = Progress.from_dict(checkpoint.progress)
    return Origin(path.name, checkpoint.version, settings, progress, _run_of(settings, path.resolve()))


def _run_of(settings: Settings, path: Path) -> dict[str, Any]:
    """OUT/checkpoints/RUN/file.pt belongs to OUT/data/statistics/RUN/run.json."""
    statistics = statistics_of(path)
    run = _read_json(statistics / "run.json") if statistics else {}
    return {} if refusal(changes(run.get("settings", {}), settings)) else run


def _read_json(path: Path) -> dict[str, Any]:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return contents if isinstance(contents, dict) else {}
