"""Where a run goes on from a checkpoint, and what settings that changed since then do there."""

from typing import NamedTuple

from xr2text_core.inference.trained import settings_from
from xr2text_core.run.checkpoint import Checkpoint
from xr2text_core.settings.settings import Settings
from xr2text_core.training.plan import Plan
from xr2text_core.training.progress import Progress


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
