"""Shows that the monitor never affects a training: the same run twice, once beside a monitor that is killed 50 times.

    python benchmarks/kill_fifty_times.py [--kills 50] [-- further flags of xr2text_core.train]

Compares every weight, the optimizer and the history (times left out) to the bit, and the seconds taken. Needs
xr2text-core; a run on the CPU, so that arithmetic repeats.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import MONITOR, Terminal

TIMES = ("studies_per_s", "train_s", "validation_s", "epoch_s", "gpu_max_c", "finished_at")
SMALL = ["--device", "cpu", "--num-studies", "160", "--image-size", "64", "--epochs", "12", "--val-studies", "16"]
COMPARE = """
import sys, torch
def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
one, two = (torch.load(path, weights_only=True) for path in sys.argv[1:])
print(*(key for key in ("model", "optimizer") if not same(one[key], two[key])))
"""


def train(folder: Path, flags: list[str], num_kills: int, life_s: float) -> tuple[float, int]:
    """Seconds of the training, and how often a monitor beside it was killed."""
    log = (folder / "console.log").open("wb")
    command = [sys.executable, "-m", "xr2text_core.train", "--out", str(folder), *flags]
    started, kills = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=log, stderr=log) as trainer:
        while trainer.poll() is None:
            if kills < num_kills:
                monitor = Terminal([*MONITOR, "--out", str(folder)])
                time.sleep(life_s * (0.8 + 0.04 * (kills % 10)))
                monitor.close()  # kill -9
                kills += 1
            else:
                time.sleep(0.05)
    if trainer.returncode != 0:
        raise SystemExit(f"the training failed: {(folder / 'console.log').read_text()[-2000:]}")
    return time.perf_counter() - started, kills


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "data/statistics/training_history.csv").open() as file:
        return [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--life-s", type=float, default=0.4, help="how long each monitor lives, about")
    parser.add_argument("flags", nargs="*", default=SMALL, help="flags of the training, after --")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # sums in the same order both times
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        alone_s, _ = train(Path(one), options.flags, 0, 0.0)
        watched_s, kills = train(Path(two), options.flags, options.kills, options.life_s)
        print(f"alone {alone_s:.1f} s; beside a monitor that was killed {kills} times {watched_s:.1f} s")
        final = [str(Path(folder) / "checkpoints/final_model.pt") for folder in (one, two)]
        different = subprocess.run([sys.executable, "-c", COMPARE, *final], check=True, capture_output=True, text=True)
        print(f"differing parts of final_model.pt: {different.stdout.strip() or 'none'}")
        print(f"history: {'the same' if history(Path(one)) == history(Path(two)) else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
