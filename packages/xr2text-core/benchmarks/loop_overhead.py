"""What the training loop costs: an epoch of the real trainer against a bare loop over the same micro-batches.

    python benchmarks/loop_overhead.py [--quick] [--studies 1280] [--epochs 8]

--quick counts one epoch, three quarters as long: what an epoch costs once weighs more in it.

The bare loop is forward, backward and the update (AdamW, the same learning-rate groups) over micro-batches that lie in
memory: no clipping, no loss is read, nothing is written. An epoch of the trainer is everything but its validation:
augmented batches made from the cache, clipping, progress, status.json, history, the copy for the checkpoint and what
its writer takes of the processors meanwhile. The two take turns, step by step, so that a slow minute meets both;
medians of the epochs, the first left out.
Two cases: the phantom preset, and ConvNeXt-atto with the micro-batches of a small GPU (4 x 8).
"""

from timed import Stopwatch, TimedTrainer  # isort: skip (sets OpenMP up before torch is imported)

import argparse
import statistics
import sys
import tempfile
import time

import torch

from xr2text_core.data.batches import Batch
from xr2text_core.inference.evaluation import Evaluation
from xr2text_core.machine.watch import MachineWatch
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.supervisor.signals import StopAfterStep
from xr2text_core.training.optimizer import allocate_state, build_optimizer

TARGET = 1.03
ATTO = [
    "--preset",
    "phantom",
    "--encoder",
    "convnext_atto",
    "--image-size",
    "128",
    "--batch",
    "4",
    "--accumulation",
    "8",
]
CASES: dict[str, list[str]] = {"phantom": [], "convnext_atto": ATTO}
SMALLER = {"phantom": 1, "convnext_atto": 2}  # the slower model gets fewer studies


class BareLoop:
    """A model of the same sizes and nothing around it."""

    def __init__(self, trainer: TimedTrainer) -> None:
        self.trainer = trainer
        self.device = trainer.parts.accelerator.device
        self.model = XR2TextModel(trainer.model.config).to(self.device).train()
        self.optimizer = build_optimizer(self.model, trainer.settings, self.device)
        allocate_state(self.optimizer)
        self.precision = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(trainer.settings.precision)

    def step_s(self, parts: list[Batch]) -> float:
        started = self.now()
        for part in parts:
            with torch.autocast(self.device.type, self.precision, enabled=self.device.type == "cuda"):
                output = self.model(part.images, part.tokens, part.finding_labels)
            (output.loss + output.finding_loss_sum / len(part)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return self.now() - started

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class TakingTurns(TimedTrainer):
    """After a step the bare loop takes the same micro-batches; while a checkpoint is written, it lets them wait."""

    def __init__(self, flags: list[str]) -> None:
        super().__init__(flags)
        self.bare = BareLoop(self)
        self.bare_s: list[float] = [0.0]  # of each epoch
        self.parts_s: list[tuple[float, float]] = []  # of each epoch: making batches, taking steps
        self.making = Stopwatch(self.parts.batches.training)
        self.stepping = Stopwatch(self.parts.stepper.take_step)
        self.waiting: list[Batch] = []
        object.__setattr__(self.parts.batches, "training", self.make)  # both are frozen
        object.__setattr__(self.parts.stepper, "take_step", self.stepping)

    def make(self, studies: list[int], epoch: int) -> Batch:
        batch: Batch = self.making(studies, epoch)
        self.waiting.append(batch)
        return batch

    def _check_machine(self, watch: MachineWatch, stop: StopAfterStep) -> None:
        super()._check_machine(watch, stop)
        if not self.checkpoints.writer._under_way:
            self.let_bare_go()

    def let_bare_go(self) -> None:
        started = self.bare.now()
        for batch in self.waiting:
            self.bare_s[-1] += self.bare.step_s(list(batch.parts(self.micro_batch)))
        self.waiting.clear()
        self.leave_out(time.perf_counter() - started)

    def not_timed(self, stop: StopAfterStep) -> Evaluation | None:
        self.parts_s.append((self.making.take(), self.stepping.take()))
        self.let_bare_go()
        self.bare_s.append(0.0)
        return super().not_timed(stop)


def measure(name: str, num_studies: int, options: argparse.Namespace) -> None:
    """Run one case and show it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = [*CASES[name], "--num-studies", str(num_studies), "--epochs", str(options.epochs + 1)]
        flags += ["--no-curriculum", "--val-studies", "8", "--out", folder, "--device", options.device]
        trainer = TakingTurns(flags)
        trainer.fit()
    ours, bare = trainer.epochs_s[1:], trainer.bare_s[1:-1]
    ratio = statistics.median(ours) / statistics.median(bare)
    each = [one / other for one, other in zip(ours, bare, strict=True)]
    num_steps = trainer.plan.num_steps(1)
    print(f"{name}: {num_studies} studies, {num_steps} steps of {trainer.settings.micro_batch} x "
          f"{trainer.settings.accumulation}, {len(ours)} epochs of each")  # fmt: skip
    print(f"  trainer   {statistics.median(ours):8.3f} s an epoch ({min(ours):.3f} to {max(ours):.3f})")
    print(f"  bare loop {statistics.median(bare):8.3f} s an epoch ({min(bare):.3f} to {max(bare):.3f})")
    print(f"  ratio     {ratio:8.3f}   ({min(each):.3f} to {max(each):.3f})   target {TARGET}")
    making, stepping = (statistics.median(column) for column in zip(*trainer.parts_s[1:], strict=True))
    rest = statistics.median(ours) - making - stepping
    print(f"  of an epoch: {making:.3f} s make batches, {stepping:.3f} s take steps, {rest:.3f} s all else", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="count one epoch, of fewer studies")
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--studies", type=int, default=1280)
    parser.add_argument("--epochs", type=int, default=8, help="that count; one more goes before them")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.quick:
        options.studies, options.epochs = 960, 1
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in options.cases:
        measure(name, options.studies // SMALLER[name], options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
