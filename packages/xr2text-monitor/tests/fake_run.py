"""Writes the files of a run as docs/run-files.md describes them, for tests, pictures and benchmarks. Not a test itself.

Run it to have something to watch:  python tests/fake_run.py FOLDER [--epoch 12] [--live]
"""

import argparse
import json
import math
import os
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

HEADER = (
    "epoch,stage,step,train_loss,val_loss,bleu_1,bleu_2,bleu_3,bleu_4,rouge_l,cider,clinical_f1,distinct_reports,"
    "learning_rate,grad_norm,studies_per_s,train_s,validation_s,epoch_s,gpu_peak_mib,gpu_max_c,micro_batch,accumulation,"
    "skipped_steps,oom_retries,is_best,finished_at"
)
# The invented run: 960 steps of 32 studies in 820.4 s, then 93.2 s of validation; now in step 410 of epoch 13.
TRAIN_S = 820.4
EPOCH_S = 913.6
LAST_S = TRAIN_S * 410 / 960  # since the end of epoch 12
BEFORE_S = 12 * EPOCH_S + LAST_S  # since the start
STAGE_ENDS = ((5, "normal_cases"), (15, "single_region"), (30, "multi_region"), (10**9, "complex_cases"))


class FakeRun:
    """The files of one run below `out`, written like the trainer writes them (row in one write, status replaced)."""

    def __init__(self, out: Path, name: str = "", now: float | None = None) -> None:
        self.statistics = out / "data" / "statistics" / name
        self.checkpoints = out / "checkpoints" / name
        self.name = name
        self.now = time.time() if now is None else now
        self.statistics.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    @property
    def history(self) -> Path:
        return self.statistics / "training_history.csv"

    def rows(self, epochs: Sequence[int]) -> None:
        """Append rows of these epochs, with the header where the file is new."""
        text = "" if self.history.exists() else HEADER + "\n"
        with self.history.open("a") as file:
            file.write(text + "".join(row(epoch, self.now) + "\n" for epoch in epochs))

    def status(self, state: str = "training", **changes: object) -> None:
        """Replace status.json; by default a training in epoch 13 of 50, written by the process that runs this."""
        losses = [1.95 + 0.09 * math.sin(step * step * 1.7) - step / 2400 for step in range(240)]
        fields: dict[str, object] = {
            "format": 1,
            "state": state,
            "run": self.name,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process_started_s": psutil.Process().create_time(),
            "started_at": iso(self.now - BEFORE_S),
            "epoch": 13,
            "epochs": 50,
            "stage": "single_region",
            "step": 410,
            "steps_in_epoch": 960,
            "loss": losses[-1],
            "recent_losses": losses,
            "learning_rate": 4.2e-5,
            "studies_per_s": 37.4,
            "eta_s": 50 * EPOCH_S - BEFORE_S,
            "best_score": round(sum(scores(11)), 4),
            "best_epoch": 11,
            "select_by": "bleu_4+rouge_l",
            "last_checkpoint": "latest.pt",
            "last_checkpoint_at": iso(self.now - 240),
            "checkpoints_dir": str(self.checkpoints.resolve()),
            "micro_batch": 4,
            "accumulation": 8,
            "device": "cpu",
            "message": "",
            "updated_at": iso(self.now),
        }
        fields.update(changes)
        temporary = self.statistics / "status.json.tmp"
        temporary.write_text(json.dumps(fields, indent=1) + "\n")
        temporary.replace(self.statistics / "status.json")

    def event(self, kind: str, message: str, age_s: float = 0.0, **fields: object) -> None:
        with (self.statistics / "events.jsonl").open("a") as file:
            file.write(json.dumps({"at": iso(self.now - age_s), "kind": kind, "message": message, **fields}) + "\n")

    def run_json(self, **fields: object) -> None:
        contents = {
            "format": 1,
            "version": "0.1.0",
            "data": {"name": "manifest"},
            "num_parameters": 170_000_000,
            **fields,
        }
        (self.statistics / "run.json").write_text(json.dumps(contents))

    def checkpoint(self, name: str, size: int = 1 << 20, age_s: float = 0.0) -> None:
        """A sparse file of this size and age: the monitor never looks inside."""
        path = self.checkpoints / name
        with path.open("wb") as file:
            file.truncate(size)
        os.utime(path, (self.now - age_s, self.now - age_s))

    def typical(self) -> None:
        """A training in its thirteenth epoch: the picture of the README and of the snapshots."""
        self.rows(range(1, 13))
        self.status()
        self.run_json()
        for name, age_s in (
            ("latest.pt", 240),
            ("best_model.pt", LAST_S + EPOCH_S),
            ("checkpoint_epoch_10.pt", LAST_S + 2 * EPOCH_S),
            ("checkpoint_epoch_5.pt", LAST_S + 7 * EPOCH_S),
        ):
            self.checkpoint(name, 2_040_000_000 if name != "best_model.pt" else 680_000_000, age_s)
        self.event("started", "Training 50 epochs", BEFORE_S, epoch=1)
        self.event(
            "stage_changed", "Curriculum stage changed: normal_cases -> single_region", LAST_S + 7 * EPOCH_S, epoch=6
        )
        self.event(
            "checkpoint_saved",
            "Checkpoint saved: checkpoint_epoch_10.pt",
            LAST_S + 2 * EPOCH_S,
            epoch=10,
            checkpoint="checkpoint_epoch_10.pt",
        )
        self.event("new_best", "New best model! BLEU-4 + ROUGE-L = 0.3275 (saved)", LAST_S + EPOCH_S, epoch=11)
        self.event("skipped_step", "Step 388 of epoch 13 was left out: the gradients were not finite.", 19, epoch=13)


def row(epoch: int, now: float) -> str:
    """One row of the history; the curves look like those of a training."""
    stage = next(name for last, name in STAGE_ENDS if epoch <= last)
    bump = 0.25 * math.exp(-((epoch - 6) ** 2) / 2) + 0.2 * math.exp(-((epoch - 16) ** 2) / 3)
    train = 1.7 + 2.6 * math.exp(-epoch / 6) + bump
    validation = train + 0.05 + 0.004 * epoch
    bleu_4, rouge_l = scores(epoch)
    is_best = int(all(sum(scores(earlier)) < bleu_4 + rouge_l for earlier in range(1, min(epoch, 60))))
    cells: list[object] = [epoch, stage, epoch * 960, f"{train:.5g}", f"{validation:.5g}", 0.33, 0.21, 0.15]
    cells += [f"{bleu_4:.5g}", f"{rouge_l:.5g}", 0.31, 0.42, 57 + epoch, 5e-5, 1.31, 37.4, TRAIN_S, 93.2, EPOCH_S]
    cells += [6120.5, 78, 4, 8, 0, 0, is_best, iso(now - LAST_S - (12 - epoch) * EPOCH_S)]
    return ",".join(str(cell) for cell in cells)


def scores(epoch: int) -> tuple[float, float]:
    """BLEU-4 and ROUGE-L: rising, with ups and downs."""
    bleu_4 = 0.12 * (1 - math.exp(-epoch / 9)) + 0.006 * math.sin(epoch * 1.7 + 1.72)
    rouge_l = 0.27 * (1 - math.exp(-epoch / 6)) + 0.01 * math.sin(epoch * 1.3 - 0.16)
    return bleu_4, rouge_l


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="")
    parser.add_argument("--live", action="store_true", help="go on as if training, a step every 0.1 s, until Ctrl-C")
    options = parser.parse_args()
    run = FakeRun(options.folder, options.name)
    run.typical()
    step, epoch, losses = 410, 13, [1.95 - k / 2400 for k in range(240)]
    while options.live:
        time.sleep(1.0)
        step += 10
        run.now = time.time()
        losses = [*losses[10:], *(1.85 + 0.1 * math.sin((step + k) / 9) for k in range(10))]
        if step > 960:
            run.rows([epoch])
            run.event("checkpoint_saved", f"Checkpoint saved: checkpoint_epoch_{epoch}.pt", epoch=epoch)
            step, epoch = 0, epoch + 1
        run.status(epoch=epoch, step=step, loss=losses[-1], recent_losses=losses, eta_s=(50 - epoch) * 96.0)


if __name__ == "__main__":
    main()
