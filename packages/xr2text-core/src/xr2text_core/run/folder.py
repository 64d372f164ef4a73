"""Where the files of one run are, and moving a finished run aside."""

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xr2text_core.run.errors import UserError


class RunError(UserError):
    """The run cannot start or continue; the message says why and what to do."""


# What lies in the folders of a run without a name, beside which those of named runs stand.
RESERVED = re.compile(
    r"(?:figures|tensorboard|wandb|before-.*|.*\.(?:pt|csv|json|jsonl|log|lock|tmp|png|pdf|svg)|(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?)",
    re.IGNORECASE,
)
MOST_LETTERS = 100


@dataclass(frozen=True)
class RunFolder:
    """The two folders of a run and the names in them (docs/run-files.md)."""

    checkpoints: Path
    statistics: Path
    name: str = ""

    @classmethod
    def under(cls, root: Path, name: str = "") -> "RunFolder":
        """The run `name` below `root`; without a name the files lie directly in checkpoints/ and data/statistics/."""
        if name and (why := _why_no_name(name)):
            raise RunError(f"--run {name[:MOST_LETTERS]!r}: {why}")
        root = root.resolve()
        return cls(root / "checkpoints" / name, root / "data" / "statistics" / name, name)

    def create(self) -> None:
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.figures.mkdir(parents=True, exist_ok=True)

    @property
    def history(self) -> Path:
        return self.statistics / "training_history.csv"

    @property
    def best_results(self) -> Path:
        return self.statistics / "best_results.csv"

    @property
    def status(self) -> Path:
        return self.statistics / "status.json"

    @property
    def events(self) -> Path:
        return self.statistics / "events.jsonl"

    @property
    def run_json(self) -> Path:
        return self.statistics / "run.json"

    @property
    def log(self) -> Path:
        return self.statistics / "train.log"

    @property
    def figures(self) -> Path:
        return self.statistics / "figures"

    @property
    def latest(self) -> Path:
        return self.checkpoints / "latest.pt"

    @property
    def lock(self) -> Path:
        return self.checkpoints / "run.lock"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best_model.pt"

    @property
    def final(self) -> Path:
        return self.checkpoints / "final_model.pt"

    def periodic(self, epoch: int) -> Path:
        return self.checkpoints / f"checkpoint_epoch_{epoch}.pt"

    def files(self) -> list[Path]:
        """What exists of this run (other runs may live in sub-folders beside it)."""
        statistics = [self.history, self.best_results, self.status, self.events, self.run_json, self.log, self.figures]
        found = [*self.checkpoints.glob("*.pt"), *self.statistics.glob("*.csv"), *statistics]
        return sorted({path for path in found if path.exists()})

    def move_aside(self) -> Path | None:
        """Move all files of this run into a dated sub-folder of each folder; return the one of the checkpoints."""
        files = self.files()
        if not files:
            return None
        name = f"before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        for path in files:
            destination = path.parent / name
            destination.mkdir(exist_ok=True)
            shutil.move(path, destination / path.name)
        return self.checkpoints / name

    def move_back(self, name: str) -> None:
        """Undo a move to the sub-folders `name`: what has been written since goes where it is in the way."""
        for folder in {self.checkpoints, self.statistics}:
            if not (aside := folder / name).is_dir():
                continue
            for path in aside.iterdir():
                _remove(folder / path.name)
                shutil.move(path, folder / path.name)
            aside.rmdir()


def statistics_of(checkpoint: Path, run: str | None = None) -> Path | None:
    """OUT/checkpoints/RUN/file.pt belongs to OUT/data/statistics/RUN; None for a file elsewhere. `run`: another one."""
    path = checkpoint.resolve()
    for parent in path.parents:
        if parent.name == "checkpoints":
            return parent.parent / "data" / "statistics" / (path.parent.relative_to(parent) if run is None else run)
    return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _why_no_name(name: str) -> str:
    """Why a run cannot have this name; empty where it can."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return "use letters, digits, '.', '_' and '-', beginning with a letter or digit"
    if len(name) > MOST_LETTERS:
        return f"use at most {MOST_LETTERS} letters"
    if RESERVED.fullmatch(name) or name.endswith("."):
        return "this name is kept for files, of a run without a name or of the system; choose another"
    return ""
