"""What every trial needs: where it works, the unbroken run it is compared with, and how it reports."""

import random
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from subprocess import Popen
from typing import Any, TypeVar

from judge import Comparison, Fingerprint, everything, fingerprint, problems
from processes import Forked, in_child, seeded, wait
from table import Outcome
from tiny import PATIENCE_S, Repeated, TinyRun

Result = TypeVar("Result")
TRIES = 4
OTHER_DICE = 1800  # added to the number of a trial: the kinds that it is shared out by are the same


@dataclass
class Trial:
    """What came of one trial; `how` is what chance chose, so that a failure can be understood and repeated."""

    name: str
    injected: int = 1
    how: list[str] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    bytes_lost: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(self.how)}"


@dataclass(frozen=True)
class Bench:
    """`duration_s` is that of an unbroken run beside `jobs - 1` others: random instants are drawn from it."""

    folder: Path
    seed: int = 0
    jobs: int = 2
    only_trial: int | None = None
    duration_s: float = 0.0
    unbroken: Fingerprint = field(default_factory=dict)

    def run(self, name: str) -> TinyRun:
        """A run in a new folder."""
        run = TinyRun(self.folder / name)
        run.remove()
        return run

    def begin(self, kind: str, number: int, injected: int = 1) -> tuple[random.Random, Trial, TinyRun]:
        """What a trial starts with: dice of its own, an account to fill, and a run in a new folder."""
        name = f"{kind}-{number}"
        return seeded(self.seed, name), Trial(name, injected), self.run(name)

    def spread(self, trial: Callable[..., Trial], num: int, **fixed: Any) -> list[Trial]:
        """The results of `trial(bench, number, **fixed)` for numbers below `num`, made `jobs` at a time."""
        numbers = range(num) if self.only_trial is None else [self.only_trial]
        return self.map(partial(_guarded, trial, self, **fixed), numbers)

    def map(self, function: Callable[[int], Result], numbers: Sequence[int]) -> list[Result]:
        """The same in any number of forked processes, with a word about where the suite is."""
        results = []
        with get_context("fork").Pool(self.jobs) as pool:
            for result in pool.imap(function, numbers):
                results.append(result)
                note(f"{len(results)}/{len(numbers)}")
        return results

    def finish(self, run: TinyRun, trial: Trial, compare: Comparison = everything) -> Trial:
        """Start the run until it is finished, and judge it: the last part of most trials."""
        is_over = bool(run.starts) and run.starts[-1].code == 0
        if not is_over and (code := run.run_to_the_end()):
            trial.problems.append(f"the last start ends with exit code {code}: {run.last_words()}")
            return trial
        trial.repeated = run.updates_repeated()
        trial.bytes_lost = run.kept.bytes_lost(run)
        trial.problems += in_child(problems, run, self.unbroken, compare)
        if not trial.problems:
            run.remove()
        return trial


def _guarded(trial: Callable[..., Trial], bench: Bench, number: int, **fixed: Any) -> Trial:
    """Again with other dice where a run ended before its fault came. Mistakes of the suite are shown like others."""
    try:
        for again in range(TRIES):
            result = trial(bench, number + again * OTHER_DICE, **fixed)
            if result.injected or result.problems:
                break
        return result
    except Exception:
        return Trial(f"{trial.__name__} {number}", how=["the suite failed"], problems=[traceback.format_exc()])


def ended(run: TinyRun, process: "Forked | Popen[Any]") -> int:
    """Wait for a start that was interfered with; its exit code."""
    return run.ended(process, wait(process, PATIENCE_S)).code


def outcome_of(fault: str, trials: Iterable[Trial], remark: str = "") -> Outcome:
    """The row of the table for all trials of one fault."""
    outcome = Outcome(fault, remark=remark)
    for trial in trials:
        steps = sum(each.steps for each in trial.repeated)
        outcome.add(trial.injected, trial.problems, str(trial), steps, trial.bytes_lost)
    return outcome


def measured(bench: Bench) -> Bench:
    """With the end and the seconds, as busy as the machine is now, of undisturbed runs."""
    runs = bench.map(partial(_unbroken, bench), range(bench.jobs))
    duration_s, marks = max(seconds for seconds, _ in runs), runs[0][1]
    if any(others != marks for _, others in runs):
        raise SystemExit("two undisturbed runs differ from each other: there is nothing to compare with")
    return replace(bench, duration_s=duration_s, unbroken=marks)


def _unbroken(bench: Bench, number: int) -> tuple[float, Fingerprint]:
    run, started = bench.run(f"unbroken-{number}"), time.monotonic()
    if run.run_to_the_end():
        raise SystemExit(f"the tiny run fails by itself: {run.last_words()}")
    return time.monotonic() - started, in_child(fingerprint, run)


def note(text: str) -> None:
    """Where the suite is, for somebody who waits at a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)
