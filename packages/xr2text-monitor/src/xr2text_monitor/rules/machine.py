"""The disk that checkpoints go to, and the command that the user wants to be told by."""

from xr2text_monitor.rules.reading import MACHINE, MONITOR, Reading, Watched
from xr2text_monitor.text import size

BYTES_PER_PARAMETER = 12  # weights and the two moments of AdamW in FP32: the size of a checkpoint not yet written


def disk(watched: Watched) -> list[Reading]:
    """A checkpoint is written beside the old one before it takes its place: room for one more is needed."""
    if not watched.is_working:
        return []
    largest = max((checkpoint.size for checkpoint in watched.checkpoints), default=0)
    needed = largest or (watched.info.num_parameters or 0) * BYTES_PER_PARAMETER
    free = watched.host.disk_free
    is_over = None if free is None else free < 1.1 * needed
    title = f"disk: {size(free)} free, the next checkpoint needs {size(needed)}"
    advice = "free some space now (old checkpoint_epoch_N.pt files can go); training continues meanwhile"
    return [Reading("disk", is_over, (free or 0) > 1.5 * needed, title, advice, "critical", MACHINE, free)]


def command(watched: Watched) -> list[Reading]:
    """A message that does not go out must be seen here."""
    if not watched.command_problem:
        return []
    title = f"the command of --on-alert failed: {watched.command_problem}"
    return [Reading("on_alert", True, False, title, "try it: the same options and --test-alert", group=MONITOR)]
