"""Damaged checkpoints: every one is noticed by its name, none crashes the trainer, none is taken for a fresh start."""

import random
import shutil
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench import Bench, Trial, ended, outcome_of
from judge import rows_and_final_model
from processes import rest, seeded
from table import Outcome
from tiny import TinyRun

from xr2text_core.run.checkpoint import TAIL, CheckpointError, load_checkpoint, newest_good

PER_TRIAL = 20
BLOCK = 4096  # what a disk writes at once


def one_bit(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def bit_in_the_first_bytes(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(64)] ^= 1 << chance.randrange(8)


def bit_in_the_zip_directory(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(max(0, len(data) - TAIL - 20_000), len(data) - TAIL)] ^= 1 << chance.randrange(8)


def bit_in_the_checksum(data: bytearray, chance: random.Random) -> None:
    data[-1 - chance.randrange(TAIL)] ^= 1 << chance.randrange(8)


def cut_short(data: bytearray, chance: random.Random) -> None:
    del data[chance.choice((0, 1, TAIL, len(data) - 1, len(data) - TAIL, chance.randrange(len(data)))) :]


def zeros_at_the_end(data: bytearray, chance: random.Random) -> None:
    size = chance.choice((TAIL, BLOCK, chance.randrange(1, len(data))))
    data[-size:] = bytes(size)


def zeros_within(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(0, len(data) - BLOCK, BLOCK) if len(data) > BLOCK else 0
    data[start : start + BLOCK] = bytes(len(data[start : start + BLOCK]))


def blocks_swapped(data: bytearray, chance: random.Random) -> None:
    one, two = (BLOCK * chance.randrange(len(data) // BLOCK) for _ in range(2))
    data[one : one + BLOCK], data[two : two + BLOCK] = data[two : two + BLOCK], data[one : one + BLOCK]


def bytes_appended(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.choice((1, TAIL, BLOCK)))


def noise(data: bytearray, chance: random.Random) -> None:
    data[:] = chance.randbytes(min(len(data), 1 << 16))


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    one_bit, one_bit, one_bit, one_bit, one_bit,  # most often, as no loader of tensors notices it
    cut_short, cut_short, bit_in_the_first_bytes, bit_in_the_zip_directory, bit_in_the_checksum,
    zeros_at_the_end, zeros_within, blocks_swapped, bytes_appended, noise,
)  # fmt: skip


def damaged(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Other bytes than `data`, and how they came about."""
    while True:
        kind, changed = chance.choice(DAMAGES), bytearray(data)
        kind(changed, chance)
        if changed != data:
            return bytes(changed), kind.__name__.replace("_", " ")


def goes_unnoticed(path: Path, is_good: Path | None = None) -> str | None:
    """What is wrong with how a damaged file is met: alone, or beside a good one. Uses torch."""
    try:
        if is_good:
            found = newest_good(path, [is_good])
            if found is None or found[0] != is_good or str(path) not in "".join(found[2]):
                return f"newest_good gives {found and (found[0], found[2])}"
        else:
            load_checkpoint(path)
            return "it is loaded as if nothing had happened"
    except CheckpointError as error:
        return None if str(path) in str(error) else f"the message does not name the file: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Damaged files of a run that are read, and starts of the trainer over damaged ones."""
    stopped_run(bench)
    read = bench.spread(read_damaged, -(-options.damage // PER_TRIAL))
    kinds = Counter(word for trial in read for word in trial.how)
    remark = ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
    rows = [outcome_of("damaged checkpoint, read", read, remark)]
    cases = {"the newest": one_damaged, "the best": best_damaged, "all of them": all_damaged}
    return rows + [
        outcome_of(f"damaged checkpoint, started: {case}", bench.spread(trial, options.trials))
        for case, trial in cases.items()
    ]


def read_damaged(bench: Bench, number: int) -> Trial:
    """Some damages of one file; this process never forks, so it may use torch."""
    chance, trial = seeded(bench.seed, "damage", number), Trial(f"damage-{number}", PER_TRIAL)
    originals = sorted((bench.folder / "stopped" / "checkpoints").glob("*.pt"))
    original = originals[number % len(originals)]
    data, victim = original.read_bytes(), bench.folder / f"damage-{number}" / original.name
    victim.parent.mkdir()
    for attempt in range(PER_TRIAL):
        changed, kind = damaged(data, chance)
        victim.write_bytes(changed)
        trial.how.append(kind)
        if problem := goes_unnoticed(victim, original if attempt == 0 else None):
            trial.problems.append(f"{original.name}, {kind}: {problem}")
    shutil.rmtree(victim.parent)
    return trial


def stopped_run(bench: Bench) -> None:
    """A run that was asked to stop in its third epoch, with a latest, a best and a periodic checkpoint."""
    run = bench.run("stopped")
    process = run.start()
    while len(run.rows()) < 2 and rest(process, 0.01):
        pass
    process.send_signal(15)
    ended(run, process)


def _started(bench: Bench, kind: str, number: int, victims: Callable[[TinyRun], list[Path]]) -> tuple[TinyRun, Trial]:
    """A copy of the stopped run with damaged files, started once."""
    chance, trial, run = bench.begin(kind, number)
    shutil.copytree(bench.folder / "stopped", run.folder)
    for path in victims(run):
        changed, kind = damaged(path.read_bytes(), chance)
        path.write_bytes(changed)
        trial.how.append(f"{path.name}: {kind}")
    ended(run, run.start())
    return run, trial


def one_damaged(bench: Bench, number: int) -> Trial:
    """The newest is ignored by name, an older one is used, and the result is that of an undisturbed run."""
    run, trial = _started(bench, "newest-damaged", number, lambda run: [run.files.latest])
    return bench.finish(run, _named(run, trial, "latest.pt"))


def best_damaged(bench: Bench, number: int) -> Trial:
    """A damaged best model is found out before it is too late to keep another."""
    run, trial = _started(bench, "best-damaged", number, lambda run: [run.files.best])
    return bench.finish(run, _named(run, trial, "best_model.pt"), rows_and_final_model)


def _named(run: TinyRun, trial: Trial, name: str) -> Trial:
    reasons = [event["reason"] for event in run.events() if event["kind"] == "checkpoint_damaged"]
    if not any(name in reason for reason in reasons):
        trial.problems.append(f"no event checkpoint_damaged names {name}: {reasons}")
    return trial


def all_damaged(bench: Bench, number: int) -> Trial:
    """The trainer refuses, names every file, and leaves them as they are: no fresh start over somebody's night."""
    paths: list[Path] = []

    def every(run: TinyRun) -> list[Path]:
        paths.extend(sorted(run.files.checkpoints.glob("*.pt")))
        return paths

    run, trial = _started(bench, "all-damaged", number, every)
    printed = run.printed()
    if run.starts[-1].code != 2:
        trial.problems.append(f"exit code {run.starts[-1].code} instead of 2: {run.last_words()}")
    trial.problems += [f"{path.name} is not named" for path in paths if str(path) not in printed]
    trial.problems += ["a traceback"] if "Traceback" in printed else []
    if len(list(run.files.checkpoints.glob("*.pt"))) != len(paths) or len(run.rows()) < 2:
        trial.problems.append("files of the run were changed")
    if not trial.problems:
        run.remove()
    return trial
