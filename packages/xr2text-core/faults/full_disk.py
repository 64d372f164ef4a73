"""A disk that is full for a while, or until somebody makes room: the run continues, or waits to be restarted."""

import shutil
from argparse import Namespace
from pathlib import Path

from bench import Bench, Trial, ended, outcome_of
from judge import rows_and_final_model, tracebacks, unreadable_now
from linux import can_mount, mount_tmpfs
from processes import in_child, rest, seeded
from table import Outcome
from tiny import TinyRun

DISK_MIB = 100
WHILE, UNTIL_ROOM = "for a while", "until somebody makes room"


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs on a disk that is full for a while, and half as many on one that stays full."""
    bench.folder.joinpath("can_mount").mkdir()
    if not in_child(can_mount, bench.folder / "can_mount"):
        return [Outcome("disk full (ENOSPC)", remark="skipped: no right to mount a small disk here")]
    return [
        outcome_of(f"disk full (ENOSPC) {WHILE}", bench.spread(full, options.trials, ends_by_itself=True)),
        outcome_of(f"disk full (ENOSPC) {UNTIL_ROOM}", bench.spread(full, options.trials // 2, ends_by_itself=False)),
    ]


class Ballast:
    """Takes all room that is left on the disk of a run, also room that becomes free meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ballast"

    def take_all(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def leave(self) -> None:
        self.path.unlink(missing_ok=True)


def full(bench: Bench, number: int, ends_by_itself: bool) -> Trial:
    """In a process of its own, which takes its mounts with it."""
    name = f"{'full' if ends_by_itself else 'full-until-room'}-{number}"
    trial: Trial = in_child(_full, bench, name, ends_by_itself)
    return trial


def _full(bench: Bench, name: str, ends_by_itself: bool) -> Trial:
    chance, trial, run = seeded(bench.seed, name), Trial(name), bench.run(name)
    mount_tmpfs(run.folder, DISK_MIB)
    instant, duration = (bench.duration_s * chance.uniform(*span) for span in ((0, 0.8), (0.1, 0.4)))
    trial.how.append(f"from {instant:.3f} s {f'for {duration:.3f} s' if ends_by_itself else WHILE}")
    process, ballast = run.start(), Ballast(run.folder)
    rest(process, instant)
    while process.poll() is None and (duration > 0 or not ends_by_itself):
        ballast.take_all()
        rest(process, 0.01)
        duration -= 0.01
    code = process.poll()
    bad = in_child(unreadable_now, run.files.checkpoints)
    trial.injected = int(ballast.path.exists())  # the run may have ended before
    ballast.leave()
    code = ended(run, process)
    trial.problems += [f"while the disk was full: {each}" for each in bad]
    trial.problems += refusal(run, code)
    failed = [event for event in run.events() if event["kind"].endswith("_failed")]
    trial.how.append(f"exit code {code}, {len(failed)} failures on record")
    trial.problems += [f"an event does not say why: {event}" for event in failed if "No space left" not in str(event)]
    run.run_to_the_end()  # also where the run ended while nothing could be written
    bench.finish(run, trial, rows_and_final_model)
    if trial.problems:
        shutil.copytree(run.folder, bench.folder / f"{name}-left")
    return trial


def refusal(run: TinyRun, code: int) -> list[str]:
    """A run may end for want of room, with one sentence that names a file and never with a traceback."""
    if code in (0, 1, 2) and "Traceback" not in run.printed():
        return []
    return [f"exit code {code}: {(tracebacks(run) or [run.last_words()])[-1]}"]
