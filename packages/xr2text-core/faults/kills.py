"""kill -9 at random instants, up to three times in a run: its end must be that of an unbroken run, to the bit."""

import json
from collections import Counter

from bench import Bench, Trial, ended, outcome_of
from processes import rest, seeded
from table import Outcome
from tiny import AUTOSAVE_S, Repeated, TinyRun

TRIES = 20  # a start may end before its kill; then another instant is drawn
KILLED = -9
NONE = Repeated(0, 0.0, 0.0)
IMPORTS_S = 5.0  # of the real command, about


def run(bench: Bench, kills: int, real_kills: int) -> list[Outcome]:
    """`kills` runs started by fork, `real_kills` by the real command."""
    forked, real = bench.spread(killed, kills), bench.spread(killed, real_kills, is_real=True)
    return [
        outcome_of("kill -9, trainer forked", forked, summary(forked)),
        outcome_of("kill -9, the real command", real, summary(real)),
    ]


def summary(trials: list[Trial]) -> str:
    ends = sum(not trial.problems for trial in trials)
    most = max((each for trial in trials for each in trial.repeated), key=lambda each: each.seconds, default=NONE)
    during = Counter(word.rsplit(" ", 1)[-1] for trial in trials for word in trial.how)
    return (
        f"{len(trials)} runs, {ends} exact ends; at most {most.steps} steps of {most.seconds:.2f} s again (autosave {AUTOSAVE_S} s); "
        f"while {', '.join(f'{state} {count}' for state, count in during.most_common())}"
    )


def killed(bench: Bench, number: int, is_real: bool = False) -> Trial:
    """Kill a run one to three times, let it end, and compare it."""
    name = f"{'real-kill' if is_real else 'kill'}-{number}"
    random, trial, run = seeded(bench.seed, name), Trial(name, 0), bench.run(name)
    start = TinyRun.start_command if is_real else TinyRun.start
    longest_s = bench.duration_s + (IMPORTS_S if is_real else 0)
    wanted = random.choice((1, 1, 1, 2, 3))
    for _ in range(TRIES):
        process, instant = start(run), random.uniform(0, longest_s)
        if rest(process, instant):
            process.kill()
        code = ended(run, process)
        if code == KILLED:
            trial.injected += 1
            trial.how.append(f"{instant:.3f} s {run.starts[-1].state}")
            trial.problems += half_written(run)
        elif trial.injected or code:
            break
        else:
            run = bench.run(name)  # it ended before its first kill
        if trial.injected == wanted:
            break
    bench.let_it_end(run, trial)
    trial.problems += [f"{each} is more than an autosave interval" for each in trial.repeated if is_too_much(each)]
    if trial.bytes_lost:
        trial.problems.append(f"{trial.bytes_lost} bytes of events or history are gone")
    return trial


def is_too_much(again: Repeated) -> bool:
    """More than one interval, the update under way, and the copy and the write under way (an update each, at most)."""
    return again.seconds > AUTOSAVE_S + 3 * again.longest_gap_s


def half_written(run: TinyRun) -> list[str]:
    """A status.json that is there but no JSON."""
    try:
        json.loads(run.files.status.read_text())
    except FileNotFoundError:
        pass
    except ValueError as error:
        return [f"status.json is half written: {error}"]
    return []
