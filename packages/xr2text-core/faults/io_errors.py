"""A disk that fails, and kills between file operations: something happens at the n-th call, SQLite's way to test."""

from argparse import Namespace
from functools import partial

from bench import Bench, Trial, ended, outcome_of
from full_disk import refusal
from judge import everything, rows_and_final_model
from linux import Shim
from table import Outcome

PLACES = {"checkpoints": "/checkpoints", "data/statistics": "/data/statistics"}
MODES = {"e": "EIO", "s": "half a write", "k": "kill -9 before fsync or rename"}


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs for each place and each way of failing, twice as many for kills."""
    if not Shim.is_loaded():
        return [Outcome("input/output error (EIO)", remark="skipped: needs Linux and a C compiler, for shim.c")]
    return [_row(bench, mode, place, options.trials * (2 if mode == "k" else 1)) for mode in MODES for place in PLACES]


def _row(bench: Bench, mode: str, place: str, count: int) -> Outcome:
    run, shim = bench.run("calls"), Shim()
    ended(run, run.start(lambda: shim.fail_calls(PLACES[place], mode, 0)))
    total = shim.calls.value
    trials = bench.spread(failing, count, place=place, mode=mode, total=total)
    return outcome_of(f"{MODES[mode]} in {place}", trials, f"at one of {total} calls")


def failing(bench: Bench, number: int, place: str, mode: str, total: int) -> Trial:
    """One call goes wrong, an early or any one; the run continues or ends in one sentence, and ends complete."""
    chance, trial, run = bench.begin(f"{MODES[mode]}-{place}".replace(" ", "-").replace("/", "-"), number)
    call, shim = number // 2 + 1 if number % 2 else chance.randint(1, total), Shim()
    code = ended(run, run.start(partial(shim.fail_calls, PLACES[place], mode, call)))
    trial.how += [f"call {call}", f"exit code {code}"]
    trial.injected = int(shim.calls.value >= call)
    if mode != "k":
        trial.problems += refusal(run, code)
        run.run_to_the_end()  # also where the run ended while something could not be written
    return bench.finish(run, trial, everything if mode == "k" else rows_and_final_model)
