"""Files made to run code when they are loaded, and files of the right form with the wrong contents."""

import io
import itertools
import os
import pickle
import shutil
import subprocess
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from bench import Bench, Trial, ended, outcome_of
from processes import in_child, seeded
from table import Outcome

from xr2text_core.run.checkpoint import FORMAT, MARK, CheckpointError, load_checkpoint, write_contents

PER_TRIAL = 20
KEYS = ("settings", "config", "tokenizer", "progress", "model", "optimizer", "scaler", "fingerprint")


class Trap:
    """Unpickling this calls a function; all of ours leave a mark in the file system."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def traps(mark: Path) -> list[Trap]:
    write = f"open({str(mark)!r}, 'w').close()"
    return [
        Trap(os.system, f"touch '{mark}'"),
        Trap(exec, write),
        Trap(eval, write),
        Trap(open, str(mark), "w"),
        Trap(os.mkdir, str(mark)),
        Trap(subprocess.call, ["touch", str(mark)]),
        Trap(Path.touch, mark),
        Trap(pickle.loads, pickle.dumps(Trap(exec, write))),
    ]


def containers(trap: Trap) -> Iterator[tuple[str, bytes]]:
    """The ways in which a file can carry a trap."""
    for protocol in (0, 2, 4):
        yield f"pickle protocol {protocol}", pickle.dumps(trap, protocol)
    for place, contents in (("alone", trap), ("as the model", {"format": FORMAT, "model": trap}),
                            ("as a key", {"format": FORMAT, "progress": [trap]})):  # fmt: skip
        for is_zip in (True, False):
            buffer = io.BytesIO()
            torch.save(contents, buffer, _use_new_zipfile_serialization=is_zip)
            yield f"torch.save {place}, {'zip' if is_zip else 'legacy'}", buffer.getvalue()
    for record in ("constants.pkl", "../data.pkl"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(trap, 2))
            archive.writestr(f"archive/{record}", pickle.dumps(trap, 2))
            archive.writestr("archive/version", "3\n")
        yield f"zip with {record}", buffer.getvalue()


def hostile_files(mark: Path) -> Iterator[tuple[str, bytes]]:
    """Every trap in every container, with and without the checksum that a forger can work out as well as we."""
    for trap, is_sealed in itertools.product(traps(mark), (True, False)):
        for name, data in containers(trap):
            seal = MARK + sha256(data).digest() if is_sealed else b""
            yield f"{trap.call[0].__name__} in {name}, {'right checksum' if is_sealed else 'no checksum'}", data + seal


def harm(path: Path, mark: Path) -> str | None:
    """What a hostile file did when it was loaded. Uses torch."""
    problem: str | None = "it was loaded"
    try:
        load_checkpoint(path)
    except CheckpointError as error:
        problem = None if str(path) in str(error) else f"the message does not name the file: {error}"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return "IT RAN CODE" if mark.exists() else problem


def run(bench: Bench, options: Namespace) -> list[Outcome]:
    """Hostile files that are read, and starts of the trainer over hostile ones and over ones with wrong contents."""
    return [
        outcome_of("hostile file, read", bench.spread(read_hostile, -(-options.hostile // PER_TRIAL))),
        outcome_of("hostile file as latest.pt, started", bench.spread(start_on_hostile, options.trials)),
        outcome_of("right checksum, wrong contents, started", bench.spread(start_on_wrong, 2 * len(KEYS))),
    ]


def read_hostile(bench: Bench, number: int) -> Trial:
    """Some of all hostile files; this process never forks, so it may use torch."""
    warnings.simplefilter("ignore")  # torch warns of the strangest ones before it refuses them
    trial, folder = Trial(f"hostile-{number}", PER_TRIAL), bench.folder / f"hostile-{number}"
    folder.mkdir()
    path, mark = folder / "latest.pt", folder / "mark"
    files = list(hostile_files(mark))
    for name, data in seeded(bench.seed, "hostile", number).sample(files, PER_TRIAL):
        path.write_bytes(data)
        if problem := harm(path, mark):
            trial.problems.append(f"{name}: {problem}")
    return trial


def start_on_hostile(bench: Bench, number: int) -> Trial:
    """The trainer meets a hostile latest.pt: names it, runs nothing of it, continues from an older one."""
    _, trial, run = bench.begin("start-hostile", number)
    shutil.copytree(bench.folder / "stopped", run.folder)
    mark = run.folder / "mark"
    name, data = in_child(_choose, bench.seed, number, mark)
    run.files.latest.write_bytes(data)
    trial.how.append(name)
    ended(run, run.start())
    if mark.exists():
        trial.problems.append("IT RAN CODE")
    if not any(event["kind"] == "checkpoint_damaged" and "latest.pt" in event["reason"] for event in run.events()):
        trial.problems.append("no event names latest.pt")
    return bench.finish(run, trial)


def _choose(seed: int, number: int, mark: Path) -> tuple[str, bytes]:
    return seeded(seed, "start-hostile", number).choice(list(hostile_files(mark)))


def start_on_wrong(bench: Bench, number: int) -> Trial:
    """One part of latest.pt is missing or of another type: it is ignored, or the trainer refuses in one sentence."""
    _, trial, run = bench.begin("start-wrong", number)
    shutil.copytree(bench.folder / "stopped", run.folder)
    key, value = KEYS[number // 2 % len(KEYS)], (None, 3)[number % 2]
    trial.how.append(f"{key} {'is missing' if value is None else 'is a number'}")
    in_child(_spoil, run.files.latest, key, value)
    code = ended(run, run.start())
    if code == 2 and "Traceback" not in run.printed() and "latest.pt" in run.last_words():
        run.remove()
        return trial
    return bench.finish(run, trial)


def _spoil(path: Path, key: str, value: Any) -> None:
    contents = {"format": FORMAT, **vars(load_checkpoint(path))}
    contents.pop(key)
    write_contents(path, contents if value is None else {**contents, key: value})
