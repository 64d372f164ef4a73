"""Where a start begins: the checkpoint it finds, the position in it, and what settings that changed do there."""

import logging
from pathlib import Path
from typing import Literal, NamedTuple

from xr2text_core.data.study import Dataset
from xr2text_core.inference.initial import load_initial
from xr2text_core.inference.trained import settings_from
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


class Found(NamedTuple):
    """A checkpoint that a start begins with; `origin`: "run" for one of its own, or the flag that names it."""

    path: Path
    checkpoint: Checkpoint
    origin: Literal["run", "resume", "init"]

    def keep_beginning(self, settings: Settings) -> Settings:
        """The settings of a start that need not say again how its run began."""
        return keep_beginning(self.checkpoint.settings, settings)

    def check_studies(self, dataset: Dataset) -> None:
        """RunError where a run would go on with other studies, unless its file was asked for by name."""
        now = fingerprint_of(dataset, settings_from(self.checkpoint).val_studies)
        if self.origin == "run" and share_in_common(self.checkpoint.fingerprint, now) < SAME_RUN:
            raise RunError(
                f"{self.path} was trained on other studies than {dataset.name} {dataset.root} holds now; "
                "--run NAME begins another run beside it, --fresh moves it aside, --resume FILE goes on all the same"
            )


def find_checkpoint(
    folder: RunFolder, settings: Settings, resume: Path | None, events: Events, fresh: bool = False
) -> Found | None:
    """The checkpoint to continue from: `resume` where it is given, else the newest good one, else that of --init.

    `fresh` passes over those that lie in the folder.

    RunError for one that belongs to another model or another run; CheckpointError where all are damaged.
    """
    if resume:
        found = Found(resume, load_checkpoint(resume), "resume")
    else:
        others = [path for path in folder.checkpoints.glob("*.pt") if path != folder.latest]
        newest = None if fresh else newest_good(folder.latest, others)
        if newest is None:
            initial = Path(settings.init)
            return Found(initial, load_initial(initial, settings), "init") if settings.init else None
        path, checkpoint, damaged = newest
        for reason in damaged:
            events.add("checkpoint_damaged", f"Ignoring damaged checkpoint: {reason}", reason=reason)
        found = Found(path, checkpoint, "run")
    differ = changes(found.checkpoint.settings, settings)
    if why := refusal(differ, is_asked_for=resume is not None):
        raise RunError(f"{found.path} {why}")
    for each in differ:
        log.info("Resuming with another setting than before: %s", each)
    return found


def holds_best(best: Path, progress: Progress, events: Events) -> bool:
    """Whether the best model that `progress` knows is there and undamaged; if not, the next epoch's takes its place."""
    if not best.exists():
        return False
    try:
        check(best)
        found = load_progress(best)
    except (CheckpointError, OSError) as error:
        events.add("checkpoint_damaged", f"The next epoch replaces it: {error}", reason=str(error))
        return False
    return bool(progress.best_epoch and found.get("best_epoch") == progress.best_epoch)


class Position(NamedTuple):
    """The position itself, the plan of what is left, and how many studies pass the model at once."""

    progress: Progress
    plan: Plan
    micro_batch: int


def position_of(checkpoint: Checkpoint, settings: Settings, plan: Plan, rewarm: bool) -> Position:
    """`plan` is that of a new run with these settings. A function of its arguments: a start that died is repeated."""
    progress, old = Progress.from_dict(checkpoint.progress), settings_from(checkpoint)
    seen = progress.sums.num_studies
    plan = plan.taking_over(old, progress.since, progress.epoch, seen, rewarm)
    progress.since = plan.since
    if old.effective_batch != settings.effective_batch:  # count the epoch in new steps
        progress.step_in_epoch = seen // settings.effective_batch
    if old.val_studies != settings.val_studies:
        progress.forget_best()  # scores of other studies do not compare
    is_new = old.micro_batch != settings.micro_batch or not progress.micro_batch
    progress.micro_batch = settings.micro_batch if is_new else progress.micro_batch  # halved where memory did not do
    return Position(progress, plan, progress.micro_batch)
