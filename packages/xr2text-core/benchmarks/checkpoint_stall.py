"""How long the loop waits for a checkpoint, against a plain `torch.save` of the same contents, in one process.

    python benchmarks/checkpoint_stall.py [--repeats 5] [--folder DIR]

The contents are those of the laptop preset: ConvNeXt base and a BART base decoder (about 190 M parameters, random
weights) with the moments of AdamW. Fails when the two files differ in a tensor.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from xr2text_core.model.build import BART_BASE, build_model
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.checkpoint import Checkpoint, load_checkpoint
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import Settings
from xr2text_core.training.checkpoints import CheckpointWriter
from xr2text_core.training.optimizer import allocate_state, build_optimizer

TARGET = 0.05
BART_VOCABULARY = 50_265


def checkpoint_of_laptop() -> tuple[Checkpoint, int]:
    """A checkpoint of the laptop preset, and how many parameters the model has."""
    settings = Settings(**PRESETS["laptop"])
    tokenizer = ReportTokenizer.learn(["the lungs are clear"])
    sizes = (settings.image_size, settings.max_tokens)
    model = build_model(settings.encoder, "bart-base", "none", *sizes, tokenizer)
    assert model.config.bart["d_model"] == BART_BASE["d_model"]
    model.resize_token_embeddings(BART_VOCABULARY)  # a pretrained decoder brings its own vocabulary
    optimizer = build_optimizer(model, settings, torch.device("cpu"))
    allocate_state(optimizer)
    checkpoint = Checkpoint({}, "", "", "", {}, model.state_dict(), optimizer.state_dict())
    return checkpoint, sum(parameter.numel() for parameter in model.parameters())


def seconds(action: Any) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    options = parser.parse_args()
    checkpoint, num_parameters = checkpoint_of_laptop()
    writer = CheckpointWriter()
    writer.reserve(checkpoint)
    plain, stall, whole = [], [], []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for _ in range(options.repeats):
            plain.append(seconds(lambda: torch.save(vars(checkpoint), Path(folder) / "plain.pt")))
            stall.append(seconds(lambda: writer.save(checkpoint, [Path(folder) / "ours.pt"])))
            whole.append(stall[-1] + seconds(writer.wait))
        size = (Path(folder) / "ours.pt").stat().st_size
        ours, theirs = load_checkpoint(Path(folder) / "ours.pt"), torch.load(Path(folder) / "plain.pt")
        is_same = all(torch.equal(ours.model[name], tensor) for name, tensor in theirs["model"].items())
    waits, plainly, wholly = map(statistics.median, (stall, plain, whole))
    print(f"{num_parameters / 1e6:.1f} M parameters, {size / 1e9:.2f} GB, medians of {options.repeats}")
    print(f"plain torch.save, not fsynced, no checksum   {plainly:8.3f} s")
    print(f"ours: fsynced, checksummed, beside the loop  {wholly:8.3f} s")
    print(f"of which the loop waits                      {waits:8.3f} s = {waits / plainly:.1%} of the plain save "
          f"(target {TARGET:.0%}), {waits / wholly:.1%} of ours")  # fmt: skip
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
