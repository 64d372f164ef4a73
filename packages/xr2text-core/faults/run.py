"""The fault suite of the trainer: a tiny run is attacked hundreds of times and must end as if nothing had happened.

    python packages/xr2text-core/faults/run.py                          all of it, 20 minutes on two quiet cores
    python packages/xr2text-core/faults/run.py --only kills --kills 20  one family
    python packages/xr2text-core/faults/run.py --only kills --trial 17  one trial again, with the same dice
    python packages/xr2text-core/faults/run.py --markdown               the table for docs/faults.md

Every trial starts a whole training of a few seconds in a folder of its own, does harm at a random instant, starts it
again until it ends, and compares it with an undisturbed run: history, weights, optimizer, positions and best
model to the bit, lines whole, figures drawn, nothing left behind, no traceback. A family is a module; `processes.py`
tells why most starts are forks. Chance is seeded by (--seed, trial), and a failure prints what chance chose and leaves
its folder. The exit code is 1 when a trial failed. Needs Linux; --folder should be in memory (the default is), because
a suite writes some 30 GB and kill -9 takes nothing from a disk that it does not take from memory.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", JE_ARROW_MALLOC_CONF="background_thread:false")  # a fork must find no threads

import argparse
import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from linux import start_again_with_shim
from table import Outcome, as_markdown, as_text

FAMILIES = (
    "kills",
    "changes",
    "damage",
    "hostile",
    "full_disk",
    "io_errors",
    "files",
    "signals",
    "clock",
    "company",
    "memory",
)
IN_MEMORY = Path("/dev/shm")


def main() -> int:
    options = _parser().parse_args()
    if sys.platform != "linux":
        print("The fault suite runs on Linux only: it forks, mounts and preloads.")
        return 0
    start_again_with_shim()
    folder = Path(tempfile.mkdtemp(prefix="xr2text-faults-", dir=options.folder))
    started = time.monotonic()
    outcomes = attack(options, folder)
    print((as_markdown if options.markdown else as_text)(outcomes))
    has_problems = any(outcome.problems for outcome in outcomes)
    left = f"; the folders of failed trials are in {folder}" if has_problems else ""
    print(f"\nseed {options.seed}, {time.monotonic() - started:.0f} s, {options.jobs} at a time{left}")
    if not has_problems:
        shutil.rmtree(folder, ignore_errors=True)
    return int(has_problems)


def attack(options: argparse.Namespace, folder: Path) -> list[Outcome]:
    """All families that are asked for; each is a module with a function `run`."""
    from processes import ready_to_fork

    ready_to_fork()
    from bench import Bench, measured

    bench = Bench(folder, options.seed, options.jobs, options.trial)
    rows: list[Outcome] = []
    for name in options.only or FAMILIES:
        started = time.monotonic()
        rows += importlib.import_module(name).run(measured(bench), options)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--kills", type=int, default=200, metavar="N", help="runs killed, trainer forked (200)")
    add("--real-kills", type=int, default=5, metavar="N", help="runs killed, by the real command (5)")
    add("--damage", type=int, default=1000, metavar="N", help="damaged checkpoints (1000)")
    add("--hostile", type=int, default=100, metavar="N", help="hostile files (100)")
    add("--trials", type=int, default=8, metavar="N", help="runs of most other kinds (8)")
    add("--only", nargs="+", choices=FAMILIES, help="these families (all)")
    add("--trial", type=int, metavar="N", help="only the trial of this number")
    add("--seed", type=int, default=0, help="of all chance (0)")
    add("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="runs at a time (2)")
    add("--folder", type=Path, default=IN_MEMORY if IN_MEMORY.is_dir() else None, help="where the runs live (/dev/shm)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
