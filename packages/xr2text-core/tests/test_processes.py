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

from xr2text_core.machine.processes import Processes
from xr2text_core.run.checkpoint import load_checkpoint
from xr2text_core.run.errors import UserError
from xr2text_core.run.history import TIME_COLUMNS

FLAGS = ["--num-studies", "40", "--val-studies", "7", "--image-size", "64", "--batch", "4", "--accumulation", "4"]
# The trainer without dropout, whose draws differ between the processes.
SCRIPT = """
import sys
import torch
from xr2text_core.training.trainer import Trainer
from xr2text_core.settings.arguments import parse_arguments, settings_of

trainer = Trainer(settings_of(parse_arguments(sys.argv[1:])))
for module in trainer.model.modules():
    for name in ("p", "dropout", "activation_dropout"):
        if isinstance(getattr(module, name, None), float):
            setattr(module, name, 0.0)
sys.exit(trainer.fit())
"""
# One step of a tiny model in two processes; memory runs out once, in rank 1 alone, at each of these places.
STEP = """
import json
import torch
from accelerate import Accelerator
from torch.overrides import TorchFunctionMode
from xr2text_core.data.batches import Batch
from xr2text_core.machine import processes as module
from xr2text_core.model.build import build_model
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.training.step import Stepper

processes = module.Processes.join(use_gpu=False)
module.BUCKET = 50_000
failures = []
images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(processes.rank))
batch = Batch(images, torch.ones(2, 8, dtype=torch.long), torch.rand(2, len(REGIONS) + 1, len(FINDINGS)))
exchange = module.Processes.sum_gradients

def fail_at(place):
    if place in failures:
        failures.remove(place)
        raise torch.OutOfMemoryError("CUDA out of memory (made up)")

class Full(TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), options=None):
        if function in (torch.cat, torch.empty, torch.Tensor.new_empty):
            fail_at("sum")
        return function(*arguments, **(options or {}))

def sum_gradients(*arguments):
    with Full():
        return exchange(*arguments)

module.Processes.sum_gradients = sum_gradients

def take_step(place, micro_batch):
    failures[:] = [place] * processes.rank
    torch.manual_seed(0)
    model = build_model("phantom", "phantom", "none", 64, 16, ReportTokenizer.learn(["the lungs are clear"])).eval()
    accelerator = Accelerator(cpu=True)
    clip = accelerator.clip_grad_norm_
    accelerator.clip_grad_norm_ = lambda *arguments: fail_at("clip") or clip(*arguments)
    optimizer = accelerator.prepare(torch.optim.SGD(model.parameters(), lr=0.1))
    result = Stepper(accelerator, model, optimizer, 1.0, 0, processes).take_step(batch, micro_batch, 0)
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return processes.gather((result.micro_batch, result.oom_retries, weights.double().sum().item()))

found = {"nowhere": take_step("nowhere", 1), "sum": take_step("sum", 2), "clip": take_step("clip", 2)}
if processes.is_rank_0:
    print(json.dumps(found))
"""
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# --multi_gpu is its word for several processes on one computer; without a GPU they talk through gloo.
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]


def flags(folder: Path, epochs: int) -> list[str]:
    return [*FLAGS, "--epochs", str(epochs), "--out", str(folder)]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    assert all(torch.equal(ours.model[name], tensor) for name, tensor in theirs.model.items())
    assert "resumed" in (rows.parent / "events.jsonl").read_text()


@pytest.mark.slow
def test_out_of_memory_on_one_rank_after_its_backward_pass_repeats_the_step_on_all(tmp_path: Path) -> None:
    script = tmp_path / "step.py"
    script.write_text(STEP)
    found = json.loads(run([*TOGETHER, str(script)]).splitlines()[-1])
    (_, _, weights), _ = found["nowhere"]
    assert found["nowhere"] == [[1, 0, weights]] * 2
    assert found["sum"] == found["clip"] == [[1, 1, weights]] * 2  # halved once, and the same weights on both ranks


def test_more_processes_than_gpus_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"process 2 on this computer finds 1 GPU\(s\).*--nproc-per-node.*--device cpu"):
        Processes.join(use_gpu=True)
