"""kill -9 at random instants, up to three times in a run: its end must be that of an unbroken run, to the bit."""

import json
from argparse import Namespace
from collections import Counter

from bench import Bench, Trial, ended, outcome_of
from processes import rest
from table import Outcome
from tiny import AUTOSAVE_S, Repeated, TinyRun

TRIES = 20  # a start may end before its kill; then another instant is drawn
KILLED = -9
NONE = Repeated(0, 0.0)
IMPORTS_S = 5.0  # of the real command, about


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs started by fork, and a few by the real command."""
    forked, real = bench.spread(killed, options.kills), bench.spread(killed, options.real_kills, is_real=True)
    return [
        outcome_of("kill -9, trainer forked", forked, summary(forked)),
        outcome_of("kill -9, the real command", real, summary(real)),
    ]


def summary(trials: list[Trial]) -> str:
    ends = sum(not trial.problems for trial in trials)
    most = max((each for trial in trials for each in trial.repeated), key=lambda each: each.seconds, default=NONE)
    during = Counter(word.rsplit(" ", 1)[-1] for trial in trials for word in trial.how)
    return (
        f"{len(trials)} runs, {ends} exact ends; at most {most.steps} steps of {most.seconds:.2f} s again "
        f"(autosave every {AUTOSAVE_S} s); "
        f"while {', '.join(f'{state} {count}' for state, count in during.most_common())}"
    )


def killed(bench: Bench, number: int, is_real: bool = False) -> Trial:
    """Kill a run one to three times, let it end, and compare it."""
    chance, trial, run = bench.begin("real-kill" if is_real else "kill", number, 0)
    start = TinyRun.start_command if is_real else TinyRun.start
    longest_s = bench.duration_s + (IMPORTS_S if is_real else 0)
    wanted = chance.choice((1, 1, 1, 2, 3))
    for _ in range(TRIES):
        process, instant = start(run), chance.uniform(0, longest_s)
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
            run = bench.run(trial.name)  # it ended before its first kill
        if trial.injected == wanted:
            break
    bench.finish(run, trial)
    if trial.bytes_lost:
        trial.problems.append(f"{trial.bytes_lost} bytes of events or history are gone")
    return trial


def half_written(run: TinyRun) -> list[str]:
    """A status.json that is there but no JSON."""
    try:
        json.loads(run.files.status.read_text())
    except FileNotFoundError:
        pass
    except ValueError as error:
        return [f"status.json is half written: {error}"]
    return []
