"""`train --supervise`: the process that watches the trainer. Imports nothing heavy."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from xr2text_core.run.console import set_up_console
from xr2text_core.run.folder import RunError, RunFolder
from xr2text_core.settings.settings import Settings
from xr2text_core.supervisor.supervise import EXIT_UNUSABLE, supervise

log = logging.getLogger(__name__)


def train_supervised(flags: Sequence[str], settings: Settings) -> int:
    """Train with these flags in a child process that is started again after a failure; return the exit code."""
    set_up_console()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        log.error("--supervise watches one process; leave it out here: torchrun --max-restarts 3 restarts them all")
        return EXIT_UNUSABLE
    try:
        folder = RunFolder.under(Path(settings.out), settings.run)
    except RunError as error:
        log.error("%s", error)
        return EXIT_UNUSABLE
    return supervise(flags, folder, set_up_console)
