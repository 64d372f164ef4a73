"""Ctrl-C, SIGTERM and SIGHUP, alone and in storms: the exit code says which, and the next start continues."""

import signal
from argparse import Namespace

from bench import Bench, Trial, ended, outcome_of
from processes import rest
from table import Outcome

STARTS = 3
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs that get one signal, and as many that get storms."""
    return [
        outcome_of("one SIGINT, SIGTERM or SIGHUP", bench.spread(stopped_once, options.trials)),
        outcome_of("storm of SIGINT, SIGTERM, SIGHUP", bench.spread(storm, options.trials)),
    ]


def stopped_once(bench: Bench, number: int) -> Trial:
    """A single signal loses nothing once training has begun: the next start repeats no step."""
    chance, trial, run = bench.begin("signal", number, 0)
    which, instant = STOPPING[number % 3], bench.duration_s * chance.random()
    process = run.start()
    rest(process, instant)
    state = run.state()
    process.send_signal(which)
    code = ended(run, process)
    is_saved = "interrupted" in run.kinds()
    trial.how.append(f"{which.name} at {instant:.3f} s while {state}: exit code {code}")
    trial.injected = int(code != 0)
    trial.problems += wrong_code(code, {which})
    bench.finish(run, trial)
    if is_saved and any(each.steps for each in trial.repeated):
        trial.problems.append("steps were done again although the trainer could save")
    return trial


def storm(bench: Bench, number: int) -> Trial:
    """Up to thirty signals at a time, in three starts one after the other."""
    chance, trial, run = bench.begin("storm", number, 0)
    for _ in range(STARTS):
        process, sent = run.start(), []
        rest(process, bench.duration_s * chance.random())
        for _ in range(chance.randrange(2, 30)):
            if rest(process, chance.expovariate(1 / 0.01)):
                sent.append(chance.choice(STOPPING))
                process.send_signal(sent[-1])
        code = ended(run, process)
        trial.injected += len(sent)
        trial.how.append(f"{len(sent)} signals: exit code {code}")
        trial.problems += wrong_code(code, set(sent))
        if code == 0:
            break
    return bench.finish(run, trial)


def wrong_code(code: int, sent: set[signal.Signals]) -> list[str]:
    """0 when the run was over before; else 128 + the number, or the signal itself where it came before the training."""
    allowed = {0, *(128 + number for number in sent), *(-number for number in sent)}
    return [] if code in allowed else [f"exit code {code} after {', '.join(each.name for each in sent)}"]
