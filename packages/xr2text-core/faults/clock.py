"""The wall clock jumps, back and forth, by hours and years: training, saving and results are as without."""

from argparse import Namespace

from bench import Bench, Trial, ended, outcome_of
from linux import Shim
from table import Outcome

HOUR_S, YEAR_S = 3600.0, 31_557_600.0
JUMPS = (-2 * HOUR_S, HOUR_S, -YEAR_S, 5 * YEAR_S, -50 * YEAR_S, 0.0)


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs with four jumps each."""
    if not Shim.is_loaded():
        return [Outcome("clock jumps", remark="skipped: needs Linux and a C compiler, for shim.c")]
    return [outcome_of("clock jumps by -50 to +5 years", bench.spread(jumping, options.trials))]


def jumping(bench: Bench, number: int) -> Trial:
    """Four jumps in a run."""
    chance, trial, run = bench.begin("clock", number, 4)
    jumps = sorted((bench.duration_s * chance.random(), chance.choice(JUMPS)) for _ in range(4))
    trial.how = [f"{offset / HOUR_S:+.0f} h at {after:.3f} s" for after, offset in jumps]
    shim = Shim()
    if code := ended(run, run.start(lambda: shim.jump_clock(jumps))):
        trial.problems.append(f"exit code {code}: {run.last_words()}")
    return bench.finish(run, trial)
