"""Files taken away, replaced, or made read-only while the trainer works: it continues, or ends in one sentence."""

import shutil
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import Bench, Trial, ended, outcome_of
from full_disk import refusal
from judge import rows_and_final_model
from linux import drop_privileges
from processes import Forked, rest
from table import Outcome
from tiny import TinyRun

Change = Callable[[TinyRun], Callable[[], object]]  # does harm, and returns what undoes it


def nothing() -> None:
    pass


def deleted(name: str) -> Change:
    def change(run: TinyRun) -> Callable[[], object]:
        path = run.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return nothing

    return change


def replaced_by_a_folder(name: str) -> Change:
    def change(run: TinyRun) -> Callable[[], object]:
        path = run.folder / name
        aside = path.with_name(f"{path.name}.aside")
        path.rename(aside)
        path.mkdir()
        return partial(_back, path, aside)

    return change


def _back(path: Path, aside: Path) -> None:
    if path.is_dir():
        path.rmdir()
    aside.replace(path)


def read_only(name: str) -> Change:
    def change(run: TinyRun) -> Callable[[], object]:
        path = run.folder / name
        before = path.stat().st_mode
        path.chmod(before & ~0o222)
        return lambda: path.chmod(before)

    return change


STATISTICS = "data/statistics"
CHANGES: dict[str, Change] = {
    **{f"{name} deleted": deleted(name) for name in (
        f"{STATISTICS}/status.json", f"{STATISTICS}/events.jsonl", f"{STATISTICS}/training_history.csv",
        f"{STATISTICS}/train.log", f"{STATISTICS}/best_results.csv", "checkpoints/latest.pt",
        "checkpoints/best_model.pt", "data/cache")},
    **{f"{name} is a folder": replaced_by_a_folder(name) for name in (
        f"{STATISTICS}/status.json", f"{STATISTICS}/events.jsonl", f"{STATISTICS}/training_history.csv",
        f"{STATISTICS}/best_results.csv", "checkpoints/latest.pt", "checkpoints/best_model.pt")},
    **{f"{name} read-only": read_only(name) for name in (
        "checkpoints", STATISTICS, f"{STATISTICS}/training_history.csv", f"{STATISTICS}/figures")},
}  # fmt: skip


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Every change about once, each at another instant."""
    trials = bench.spread(changed, -(-options.trials // 8) * len(CHANGES))
    kinds = ("deleted", "is a folder", "read-only")
    return [
        outcome_of(f"file {kind} while training", [trial for trial in trials if trial.how[0].endswith(kind)])
        for kind in kinds
    ]


def changed(bench: Bench, number: int) -> Trial:
    """Do harm at a random instant, undo it a little later, and let the run end."""
    what, change = list(CHANGES.items())[number % len(CHANGES)]
    chance, trial, run = bench.begin("files", number, 0)
    instant, duration = bench.duration_s * chance.uniform(0.1, 0.8), bench.duration_s * chance.uniform(0.1, 0.5)
    process = run.start(drop_privileges)
    rest(process, instant)
    undo = _as_soon_as_possible(run, process, change)
    trial.injected = int(process.poll() is None)
    trial.how += [what, f"from {instant:.3f} s for {duration:.3f} s"]
    rest(process, duration)
    if chance.random() < 0.5:  # else it stays so until the start is over
        undo()
        undo = nothing
    code = ended(run, process)
    undo()
    trial.problems += refusal(run, code)
    run.run_to_the_end()  # also where the run ended while something could not be written
    return bench.finish(run, trial, rows_and_final_model)


def _as_soon_as_possible(run: TinyRun, process: Forked, change: Change) -> Callable[[], object]:
    """The file may not be there yet, or be replaced at this very moment."""
    while True:
        try:
            return change(run)
        except OSError:
            if not rest(process, 0.01):
                return nothing
