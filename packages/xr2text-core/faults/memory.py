"""Out of memory, real and pretended, and losses that are not finite."""

import resource
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench import Bench, Trial, ended, outcome_of
from judge import nothing, steps_only
from table import Outcome
from tiny import FLAGS
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

MIB = 2**20
UPDATES = 13  # of the tiny run


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Runs of each kind."""
    return [
        outcome_of("out of memory (RLIMIT_DATA)", bench.spread(limited, options.trials)),
        outcome_of("out of memory on a device (pretended)", bench.spread(pretended, options.trials)),
        outcome_of("loss not finite", bench.spread(not_finite, options.trials)),
        outcome_of("loss not finite, 20 times in a row", bench.spread(never_finite, 1)),
    ]


def limited(bench: Bench, number: int) -> Trial:
    """The system refuses memory: the end is on record, and the next start, with memory, is exact."""
    chance, trial, run = bench.begin("limit", number)
    mib = chance.randrange(4, 250)
    code = ended(run, run.start(lambda: limit_memory(mib)))
    trial.how += [f"{mib} MiB more than at the start", f"exit code {code}"]
    trial.injected = int(code != 0)
    if "failed" not in run.kinds() and run.state() not in ("importing", "finished"):
        trial.problems.append(f"exit code {code}, and nothing is on record")
    run.output.unlink()  # PyTorch raises what it likes where memory ends; this start may end with a traceback
    return bench.finish(run, trial)


def limit_memory(mib: int) -> None:
    """Let the data of this process grow by so much and no further."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now = int(fields["VmData"].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (now + mib * MIB,) * 2)


def pretended(bench: Bench, number: int) -> Trial:
    """A forward pass raises torch.OutOfMemoryError: the step is repeated with half the micro-batch."""
    chance, trial, run = bench.begin("memory", number)
    first, times = chance.randrange(UPDATES), chance.choice((1, 2))
    trial.how.append(f"passes {first} to {first + times - 1}")

    def fail(call: int) -> None:
        if first <= call < first + times:
            raise torch.OutOfMemoryError("pretended")

    if code := ended(run, run.start(lambda: at_every_pass(fail))):
        trial.problems.append(f"exit code {code}: {run.last_words()}")
    if "out_of_memory" not in run.kinds():
        trial.problems.append("it is not on record")
    return bench.finish(run, trial, steps_only)


def not_finite(bench: Bench, number: int) -> Trial:
    """A few losses in a row are NaN: their updates are left out, counted and shown."""
    chance, trial, run = bench.begin("nan", number)
    first, times = chance.randrange(UPDATES - 3), chance.choice((1, 2, 3))
    trial.how.append(f"passes {first} to {first + times - 1}")
    if code := ended(run, run.start(lambda: spoil_passes(first, times))):
        trial.problems.append(f"exit code {code}: {run.last_words()}")
    if run.kinds().count("skipped_step") != times:
        trial.problems.append(f"{run.kinds().count('skipped_step')} of {times} are on record")
    return bench.finish(run, trial, steps_only)


def never_finite(bench: Bench, number: int) -> Trial:
    """From the sixth pass on all losses are NaN: the run ends in one sentence, its checkpoints are older than that."""
    trial, run = Trial("never-finite", 20), replace(bench.run("never-finite"), flags=(*FLAGS, "--epochs", "10"))
    code = ended(run, run.start(lambda: spoil_passes(5, 1000)))
    trial.how.append(f"exit code {code}")
    if code != 2 or "had no finite loss" not in run.last_words():
        trial.problems.append(f"exit code {code}: {run.last_words()}")
    return bench.finish(run, trial, nothing)


def spoil_passes(first: int, times: int) -> None:
    """In the trainer: every linear layer gives NaN in these passes of the model."""
    spoiled = [False]

    def begin(call: int) -> None:
        spoiled[0] = first <= call < first + times

    def spoil(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
        return output * float("nan") if spoiled[0] and module.training and isinstance(module, torch.nn.Linear) else None

    at_every_pass(begin)
    register_module_forward_hook(spoil)


def at_every_pass(function: Any) -> None:
    """In the trainer: call `function` with the number of the training pass before each."""
    calls = iter(range(10**6))

    def before(module: torch.nn.Module, inputs: Any) -> None:
        if module.training and type(module).__name__ == "XR2TextModel":
            function(next(calls))

    register_module_forward_pre_hook(before)
