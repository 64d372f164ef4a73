"""Two processes train as one: the same losses, one set of files, and the death of one is survived."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from xr2text_core.run.checkpoint import load_checkpoint
from xr2text_core.run.history import TIME_COLUMNS

FLAGS = ["--num-studies", "40", "--val-studies", "7", "--image-size", "64", "--batch", "4", "--accumulation", "4"]
# The trainer without dropout, whose draws differ between the processes.
SCRIPT = """
import sys
import torch
from xr2text_core.train import Trainer
from xr2text_core.settings.arguments import parse_arguments, settings_of

trainer = Trainer(settings_of(parse_arguments(sys.argv[1:])))
for module in trainer.model.modules():
    for name in ("p", "dropout", "activation_dropout"):
        if isinstance(getattr(module, name, None), float):
            setattr(module, name, 0.0)
sys.exit(trainer.fit())
"""
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# --multi_gpu is its word for several processes on one computer; without a GPU they talk through gloo.
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]


def flags(folder: Path, epochs: int) -> list[str]:
    return [*FLAGS, "--epochs", str(epochs), "--out", str(folder)]


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "data/statistics/training_history.csv").open() as file:
        return [{key: cell for key, cell in row.items() if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_and_one_set_of_files(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run([sys.executable, str(script), *flags(tmp_path / "one", 2)])
    run([*ACCELERATE, "--main_process_port", "0", str(script), *flags(tmp_path / "two", 2)])
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    for ours, theirs in zip(two, one, strict=True):
        assert (ours["step"], ours["stage"]) == (theirs["step"], theirs["stage"])
        for name in ("train_loss", "val_loss", "grad_norm"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4), name
    assert [row["accumulation"] for row in two] == ["2", "2"]  # the effective batch is the same
    names = [sorted(path.name for path in (tmp_path / each / "checkpoints").iterdir()) for each in ("one", "two")]
    assert names[0] == names[1]
    events = (tmp_path / "two/data/statistics/events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in events]
    assert kinds.count("started") == kinds.count("finished") == 1


@pytest.mark.slow
def test_the_death_of_one_process_is_survived_to_the_bit(tmp_path: Path) -> None:
    train = [*TOGETHER, "--max-restarts", "2", "-m", "xr2text_core.train"]
    run([*train, *flags(tmp_path / "unbroken", 4)])
    rows = tmp_path / "broken/data/statistics/training_history.csv"
    command = [*train, *flags(tmp_path / "broken", 4)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as job:
        deadline = time.monotonic() + 200
        while not (rows.exists() and rows.read_text().count("\n") >= 3):
            assert job.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        first = json.loads((rows.parent / "status.json").read_text())["pid"]
        (other,) = [child for child in psutil.Process(job.pid).children() if child.pid != first]
        other.kill()
        said, _ = job.communicate(timeout=250)
    assert job.returncode == 0, said.decode()
    assert history(tmp_path / "broken") == history(tmp_path / "unbroken")
    ours, theirs = (load_checkpoint(tmp_path / each / "checkpoints/final_model.pt") for each in ("broken", "unbroken"))
    assert all(torch.equal(ours["model"][name], tensor) for name, tensor in theirs["model"].items())
    assert "resumed" in (rows.parent / "events.jsonl").read_text()
