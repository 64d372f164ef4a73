"""Where a run goes on: the checkpoint that is whole, furthest, and of this run."""

import logging
from pathlib import Path
from typing import Any

from xr2text_core.run.checkpoint import CheckpointError, check, load_checkpoint, newest_good
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.run.status import Events
from xr2text_core.settings.settings import DEFINE_THE_MODEL, DEFINE_THE_RUN, Settings, differences

log = logging.getLogger("xr2text_core.train")


def find_checkpoint(
    folder: RunFolder, settings: Settings, resume: Path | None, events: Events
) -> tuple[Path, dict[str, Any]] | None:
    """The checkpoint to continue from and its contents: `resume` where it is given, else the newest good one, if any.

    RunError for one that belongs to another model or another run; CheckpointError where there are only damaged ones.
    """
    damaged: list[str] = []
    if resume:
        path, contents = resume, load_checkpoint(resume)
    else:
        others = [path for path in folder.checkpoints.glob("*.pt") if path != folder.latest]
        newest = newest_good(folder.latest, others)
        if newest is None:
            return None
        path, contents, damaged = newest
    for reason in damaged:
        events.add("checkpoint_damaged", f"Left aside: {reason}", reason=reason)
    differ = differences(contents["settings"], settings)
    must_match = DEFINE_THE_MODEL if resume else DEFINE_THE_RUN
    if wrong := [f"{name}: {differ[name]}" for name in must_match if name in differ]:
        raise RunError(
            f"{path} belongs to a run with other settings ({'; '.join(wrong)}). Give the same flags to resume it, "
            "--run NAME to begin another run beside it, or --fresh to move it aside"
        )
    for name, change in differ.items():
        log.info("Resuming with another setting than before: %s: %s", name, change)
    return path, contents


def is_whole(best: Path, events: Events) -> bool:
    """Whether the best model is there and undamaged; if not, the next epoch's takes its place."""
    if not best.exists():
        return False
    try:
        check(best)
    except (CheckpointError, OSError) as error:
        events.add("checkpoint_damaged", f"The next epoch replaces it: {error}", reason=str(error))
        return False
    return True
