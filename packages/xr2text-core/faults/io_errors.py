"""A disk that fails: write, fsync or rename gives EIO, or writes half, at the n-th call. SQLite's way of testing."""

import errno

from bench import Bench, Trial, ended, outcome_of
from judge import rows_and_final_model
from full_disk import refusal
from linux import Shim
from processes import seeded
from table import Outcome

PLACES = ("/checkpoints/", "/data/statistics/")


def run(bench: Bench, count: int) -> list[Outcome]:
    """`count` runs for each place and way of failing: at each of the first calls, the others at random ones."""
    if not Shim.is_loaded():
        return [Outcome("input/output error (EIO)", remark="skipped: needs Linux and a C compiler, for shim.c")]
    rows = []
    for place in PLACES:
        total = calls_of_a_run(bench, place)
        for is_short, what in ((False, "EIO"), (True, "half a write")):
            trials = bench.spread(failing, count, place=place, is_short=is_short, total=total)
            rows.append(outcome_of(f"{what} in {place.strip('/')}", trials, f"at one of about {total} calls"))
    return rows


def calls_of_a_run(bench: Bench, place: str) -> int:
    """How many calls there are that could fail."""
    run, shim = bench.run("calls"), Shim()
    ended(run, run.start(lambda: shim.fail_calls(place, errno.EIO, 0, 0)))
    return shim.calls.value


def failing(bench: Bench, number: int, place: str, is_short: bool, total: int) -> Trial:
    """One call fails; the run goes on or ends in one sentence, and is whole in the end."""
    name = f"{'short' if is_short else 'eio'}-{place.strip('/').replace('/', '-')}-{number}"
    trial, run, shim = Trial(name), bench.run(name), Shim()
    call = number // 2 + 1 if number % 2 else seeded(bench.seed, name).randint(1, total)
    code = ended(run, run.start(lambda: shim.fail_calls(place, errno.EIO, call, call, is_short)))
    trial.how += [f"call {call}", f"exit code {code}"]
    trial.injected = int(shim.calls.value >= call)
    trial.problems += refusal(run, code)
    return bench.let_it_end(run, trial, rows_and_final_model)
