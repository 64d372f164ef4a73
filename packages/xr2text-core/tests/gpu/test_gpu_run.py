"""A run on a card: its scaler is resumed, its checkpoints are whole, its driver answers, its reports are written."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from xr2text_core.data.batches import BatchMaker
from xr2text_core.machine.nvml import GpuReader
from xr2text_core.model.writing.generation import write_reports
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import Checkpoint, load_checkpoint
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.checkpoints import CheckpointWriter
from xr2text_core.training.optimizer import allocate_state
from xr2text_core.training.trainer import Trainer

pytestmark = pytest.mark.gpu
TINY = ["--num-studies", "40", "--val-studies", "6", "--image-size", "64", "--batch", "8", "--accumulation", "2"]


def trainer(folder: Path, *flags: str) -> Trainer:
    return Trainer(settings_of(parse_arguments([*TINY, "--precision", "fp16", "--out", str(folder), *flags])))


def test_the_state_of_the_fp16_scaler_survives_a_resume_to_the_bit(tmp_path: Path) -> None:
    first = trainer(tmp_path, "--epochs", "1")
    state = first.parts.accelerator.scaler.state_dict() | {"scale": 1234.5, "_growth_tracker": 7}
    first.parts.accelerator.scaler.load_state_dict(state)
    assert first.fit() == 0
    saved = load_checkpoint(tmp_path / "checkpoints" / "latest.pt").scaler
    assert saved == first.parts.accelerator.scaler.state_dict() and saved["_growth_tracker"] > 7
    second = trainer(tmp_path, "--epochs", "2")
    assert second.parts.accelerator.scaler.state_dict() == saved


def test_the_copies_that_a_checkpoint_is_written_from_equal_what_the_card_holds(
    tiny_model: XR2TextModel, tmp_path: Path
) -> None:
    model = tiny_model.cuda()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    allocate_state(optimizer)
    checkpoint = Checkpoint({}, "", "{}", "", {}, model.state_dict(), optimizer.state_dict())
    before = {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}
    writer = CheckpointWriter()
    writer.reserve(checkpoint)
    writer.save(checkpoint, [tmp_path / "latest.pt"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)  # the run goes on while the file is written
    (written,) = writer.wait()
    assert written.error is None
    found = load_checkpoint(tmp_path / "latest.pt").model
    assert all(torch.equal(found[name], tensor) for name, tensor in before.items())
    ordinary = [place for place, buffer in writer._buffers.items() if buffer.numel() and not buffer.is_pinned()]
    assert not [place for place in ordinary if place[0] == "model"]


def test_the_driver_knows_the_card_that_torch_uses() -> None:
    properties = torch.cuda.get_device_properties(0)
    reading = GpuReader(str(properties.uuid)).read()
    assert reading is not None and reading.name == properties.name
    assert reading.memory_total_mib == pytest.approx(properties.total_memory / 2**20, rel=0.1)


def test_the_driver_tells_what_nvidia_smi_tells() -> None:
    query = ["nvidia-smi", "--query-gpu=uuid,memory.used,temperature.gpu", "--format=csv,noheader,nounits"]
    rows = [line.split(", ") for line in subprocess.check_output(query, text=True).splitlines()]
    told = {uuid.removeprefix("GPU-"): (float(used), float(heat)) for uuid, used, heat in rows}
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    used, heat = told[uuid.removeprefix("GPU-")]
    reading = GpuReader(uuid).read()
    assert reading is not None
    assert reading.memory_used_mib == pytest.approx(used, abs=64)
    assert reading.temperature_c == pytest.approx(heat, abs=3)


def test_a_run_killed_on_the_card_ends_equal_to_the_bit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xr2text_core.train", *TINY, "--precision", "fp16", "--epochs", "6"]
    command += ["--encoder", "resnet18", "--pretrained", "none", "--autosave-min", "0"]
    once, twice = (tmp_path / name for name in ("once", "twice"))
    subprocess.run([*command, "--out", str(once)], check=True, capture_output=True)
    latest = twice / "checkpoints" / "latest.pt"
    with subprocess.Popen([*command, "--out", str(twice)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and not (latest.exists() and load_checkpoint(latest).progress["epoch"] > 2):
            time.sleep(0.05)
        run.kill()
    assert not (twice / "checkpoints" / "final_model.pt").exists(), "it ended before it was killed"
    subprocess.run([*command, "--out", str(twice)], check=True, capture_output=True)
    found, expected = (load_checkpoint(each / "checkpoints" / "final_model.pt") for each in (twice, once))
    differ = [name for name, tensor in expected.model.items() if not torch.equal(found.model[name], tensor)]
    assert not differ and found.scaler == expected.scaler


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_reports_are_written_in_mixed_precision(
    precision: torch.dtype,
    num_beams: int,
    tiny_model: XR2TextModel,
    tokenizer: ReportTokenizer,
    cuda_batches: BatchMaker,
) -> None:
    model = tiny_model.cuda().eval()
    batch = cuda_batches.plain(range(6))
    with torch.no_grad(), torch.autocast("cuda", precision):
        seen = model.get_encoder()(batch.images)
        assert seen.last_hidden_state.isfinite().all()
        reports = write_reports(model, tokenizer, seen, 20, num_beams)
    assert len(reports) == 6
