"""kill -9, then a start with another flag that may change: the run ends as docs/run-files.md says."""

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bench import Bench, Trial, ended, outcome_of
from judge import Comparison, everything, nothing, rows_and_final_model, steps_only
from kills import KILLED, TRIES
from processes import rest
from table import Outcome
from tiny import TinyRun

EPOCHS = 4  # of the tiny run
STAGES = ("normal_cases", "single_region", "multi_region", "complex_cases")


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Half as many runs as are killed without a change."""
    trials = bench.spread(changed, options.kills // 2)
    flags = Counter(trial.how[0].split()[0] for trial in trials if trial.how)
    remark = ", ".join(f"{flag} {count}" for flag, count in flags.most_common())
    return [outcome_of("kill -9, then another flag", trials, remark)]


def schedule_alone(mark: str) -> bool:
    """Other validation studies: the same steps; but the decoder is told findings as wrong as the head was on them."""
    return mark.startswith("row") and mark.endswith((": step", ": stage", ": learning_rate"))


def epochs_alone(mark: str) -> bool:
    """Another effective batch: the same epochs and stages in other steps."""
    return mark.startswith("row") and mark.endswith((": epoch", ": stage"))


def rate_falls(run: TinyRun, epochs: int) -> list[str]:
    """Every epoch once, no stage comes back, and the learning rate never rises after its peak."""
    rows = run.rows()
    stages = [STAGES.index(row["stage"]) for row in rows]
    rates = [float(row["learning_rate"]) for row in rows]
    falling = rates[rates.index(max(rates)) :]
    wrong = [] if [row["epoch"] for row in rows] == [str(each + 1) for each in range(epochs)] else ["other epochs"]
    wrong += [] if stages == sorted(stages) else [f"stages {stages}"]
    return wrong + ([] if falling == sorted(falling, reverse=True) else [f"learning rates {rates}"])


def no_more(run: TinyRun, epochs: int) -> list[str]:
    return []


@dataclass(frozen=True)
class Change:
    """Flags of the later starts; what of the end must be that of the unbroken run; what else must hold."""

    flags: tuple[str, ...]
    compare: Comparison
    check: Callable[[TinyRun, int], list[str]] = no_more
    epochs: int = EPOCHS


CHANGES = (
    Change(("--epochs", "6"), nothing, rate_falls, 6),
    Change(("--batch", "2", "--accumulation", "2"), steps_only, rate_falls),
    Change(("--batch", "8"), epochs_alone, rate_falls),
    Change(("--batch", "2"), epochs_alone, rate_falls),
    Change(("--val-studies", "1"), schedule_alone, rate_falls),
    Change(("--decoder-rate", "0.001"), steps_only),
    Change(("--checkpoint-every", "1"), rows_and_final_model, rate_falls),
    Change(("--autosave-min", "10"), everything, rate_falls),
)


def changed(bench: Bench, number: int) -> Trial:
    """Kill a run once, change a flag, and let it end."""
    chance, trial, run = bench.begin("changed", number, 0)
    change = CHANGES[number % len(CHANGES)]
    trial.how.append(" ".join(change.flags))
    for _ in range(TRIES):
        process, instant = run.start(), chance.uniform(0, bench.duration_s)
        if rest(process, instant):
            process.kill()
        if (code := ended(run, process)) == KILLED:
            trial.injected = 1
            trial.how.append(f"{instant:.3f} s {run.starts[-1].state}")
            break
        if code:
            break
        run = bench.run(trial.name)  # it ended before its kill
    has_ended = "finished" in run.kinds()  # killed while it drew its figures: there is nothing left to change
    run.flags = (*run.flags, *change.flags)
    if not run.run_to_the_end() and not has_ended:
        trial.problems += change.check(run, change.epochs)
    return bench.finish(run, trial, change.compare)
