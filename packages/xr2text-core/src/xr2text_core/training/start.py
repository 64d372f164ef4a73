"""Where a start begins: the checkpoint it finds, the position in it, and what settings that changed do there."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NamedTuple

from xr2text_core.data.study import Dataset
from xr2text_core.inference.initial import load_initial
from xr2text_core.inference.trained import reading, settings_from
from xr2text_core.run.checkpoint import (
    Checkpoint,
    CheckpointError,
    check,
    load_checkpoint,
    load_progress,
    newest_good,
)
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.status import Events
from xr2text_core.settings.changes import changes, keep_beginning, refusal
from xr2text_core.settings.fingerprint import SAME_RUN, share_in_common
from xr2text_core.settings.settings import Settings
from xr2text_core.training.plan import Plan
from xr2text_core.training.prepared import fingerprint_of
from xr2text_core.training.progress import Progress

log = logging.getLogger("xr2text_core.train")


class Position(NamedTuple):
    """The position itself, the plan of what is left, and how many studies pass the model at once."""

    progress: Progress
    plan: Plan
    micro_batch: int


class Found(NamedTuple):
    """A checkpoint that a start begins with; `origin`: "run" for one of its own, or the flag that names it."""

    path: Path
    checkpoint: Checkpoint
    origin: Literal["run", "resume", "init"]

    def keep_beginning(self, settings: Settings) -> Settings:
        """The settings of a start that need not say again how its run began."""
        return keep_beginning(self.checkpoint.settings, settings)

    def reading(self) -> AbstractContextManager[None]:
        """Contents that fit neither this version nor this model are a CheckpointError that names the file."""
        return reading(self.path)

    def log_changes(self, settings: Settings) -> None:
        """One line for each setting that is not what it was."""
        for each in changes(self.checkpoint.settings, settings):
            log.info("Resuming with another setting than before: %s", each)

    def check_studies(self, dataset: Dataset) -> None:
        """RunError where a run would continue with other studies, unless its file was named."""
        now = fingerprint_of(dataset, settings_from(self.checkpoint).val_studies)
        if self.origin == "run" and share_in_common(self.checkpoint.fingerprint, now) < SAME_RUN:
            raise RunError(
                f"{self.path} was trained on other studies than {dataset.name} {dataset.root} holds now; "
                "--run NAME starts another run beside it, --fresh moves it aside, --resume FILE continues it anyway"
            )

    def position(self, settings: Settings, plan: Plan, rewarm: bool) -> Position:
        """Where the run resumes; `plan` is that of a new run with these settings. The same whenever it is asked."""
        progress, old = Progress.from_dict(self.checkpoint.progress), settings_from(self.checkpoint)
        seen = progress.sums.num_studies
        plan = plan.taking_over(old, progress.since, progress.epoch, seen, rewarm)
        progress.since = plan.since
        if old.effective_batch != settings.effective_batch:  # count the epoch in new steps
            progress.step_in_epoch = seen // settings.effective_batch
        if old.val_studies != settings.val_studies:
            progress.forget_best()  # scores on other studies are not comparable
        if old.micro_batch != settings.micro_batch or not progress.micro_batch:
            progress.micro_batch = settings.micro_batch  # else what memory has allowed so far
        return Position(progress, plan, progress.micro_batch)

    def knows_best(self, best: Path, settings: Settings, progress: Progress, events: Events) -> bool:
        """Whether the best model on disk is undamaged, and that of this run; if not, the next epoch's replaces it.

        One of a later epoch counts where the settings are the same: the run comes to it again.
        """
        if not best.exists():
            return False
        try:
            check(best)
            then = Progress.from_dict(load_progress(best))
        except (CheckpointError, OSError) as error:
            events.add("checkpoint_damaged", f"The next epoch replaces it: {error}", reason=str(error))
            return False
        is_repeated = then.step > progress.step and not changes(self.checkpoint.settings, settings)
        return then.best_epoch == progress.best_epoch or is_repeated


def find_checkpoint(
    folder: RunFolder, settings: Settings, resume: Path | None, events: Events, fresh: bool = False
) -> Found | None:
    """The checkpoint to continue from: `resume` where it is given, else the newest good one, else that of --init.

    `fresh` passes over those that lie in the folder.
    RunError for one that belongs to another model or another run; CheckpointError where all are damaged.
    """
    found = named_checkpoint(resume) if resume else None if fresh else _newest(folder, events)
    if found is None:
        initial = Path(settings.init)
        return Found(initial, load_initial(initial, settings), "init") if settings.init else None
    if why := refusal(changes(found.checkpoint.settings, settings), is_asked_for=found.origin == "resume"):
        raise RunError(f"{found.path} {why}")
    return found


def named_checkpoint(path: Path) -> Found:
    """The one that somebody asks for by name; CheckpointError where it is missing or damaged."""
    return Found(path, load_checkpoint(path), "resume")


def _newest(folder: RunFolder, events: Events) -> Found | None:
    others = [path for path in folder.checkpoints.glob("*.pt") if path != folder.latest]
    newest = newest_good(folder.latest, others)
    if newest is None:
        return None
    path, checkpoint, damaged = newest
    for reason in damaged:
        events.add("checkpoint_damaged", f"Ignoring damaged checkpoint: {reason}", reason=reason)
    return Found(path, checkpoint, "run")
