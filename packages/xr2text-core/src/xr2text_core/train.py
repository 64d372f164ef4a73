"""Trains a report writer, resumes it after any interruption, and scores it every epoch.

    python -m xr2text_core.train                                     the built-in phantoms, on a CPU, in minutes
    python -m xr2text_core.train --data iu-xray --root DIR           real radiographs, on an 8 GB GPU, over a night

The same command again continues where the last one stopped.
"""

import argparse
import faulthandler
import gc
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from xr2text_core.machine.garbage import paused_garbage_collection
from xr2text_core.run.console import open_missing_streams, set_up_console
from xr2text_core.run.errors import UserError
from xr2text_core.run.folder import RunFolder
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.supervisor.supervise import EXIT_FAILED, EXIT_UNUSABLE, supervise

log = logging.getLogger("xr2text_core.train")


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.flags.optimize > 1:
        print("error: python -OO removes docstrings that transformers needs; start without it", file=sys.stderr)
        return EXIT_UNUSABLE
    options = parse_arguments(arguments)  # before the heavy imports: --help and a mistyped flag are answered at once
    open_missing_streams()
    set_up_console()
    try:
        if options.explain:
            return explain_start(options)
        if options.supervise:
            return train_supervised(options, sys.argv[1:] if arguments is None else arguments)
        return train(options)
    except UserError as error:
        log.error("%s", error)
        return EXIT_UNUSABLE
    except OSError as error:
        if error.filename is None:
            raise
        log.error("A file cannot be read or written: %s. The same command continues from what is saved", error)
        return EXIT_FAILED  # and --supervise tries it again
    except KeyboardInterrupt:
        log.info("Stopped before training began; the same command starts it again.")
        return 130


def explain_start(options: argparse.Namespace) -> int:
    """Say what a start would do, without doing any of it."""
    settings = settings_of(options)
    from xr2text_core.checks.explain import explain

    for line in explain(settings, options.resume, options.fresh, options.rewarm):
        print(line)
    return 0


def train_supervised(options: argparse.Namespace, flags: Sequence[str]) -> int:
    """Train in a child process that is started again after a failure. This process imports nothing heavy."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("--supervise watches one process; leave it out: torchrun --max-restarts 3 restarts them all")
    settings = settings_of(options)
    return supervise(flags, RunFolder.under(Path(settings.out), settings.run), set_up_console)


def train(options: argparse.Namespace) -> int:
    """Run the quick checks, and train."""
    # Threads of OpenMP that wait for each other in a busy loop are ten times slower beside another busy program.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    with suppress(OSError, ValueError):  # where stderr is no file
        faulthandler.enable()  # a crash in native code shows where
    settings = settings_of(options)
    with paused_garbage_collection():  # imports and data create many objects and no garbage
        from xr2text_core.checks.run import continues
        from xr2text_core.checks.survey import is_ready
        from xr2text_core.machine.memory import ADVICE, is_out_of_memory
        from xr2text_core.training.trainer import Trainer

        gc.freeze()  # imported modules stay; scanning them for garbage takes half a second
        resumes = continues(settings, options.resume, options.fresh)
        is_rank_0 = os.environ.get("RANK", "0") == "0"  # of several processes
        if is_rank_0 and not is_ready(settings, resumes, options.fresh):
            return EXIT_UNUSABLE
    try:
        return Trainer(settings, resume=options.resume, fresh=options.fresh, rewarm=options.rewarm).fit()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"out of memory outside a step ({str(error).splitlines()[0]}): {ADVICE}") from error


if __name__ == "__main__":
    sys.exit(main())
