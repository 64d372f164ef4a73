"""Does the curriculum help? Trains on phantoms with and without it, several seeds each, and prints the test scores.

    python benchmarks/curriculum_ablation.py --out ablation [--epochs 25] [--seeds 0 1 2] [--jobs 2]

Each seed draws its own phantoms; both arms of a seed train and are scored on the same ones. A run that is finished is
not trained again, so the command can be interrupted. With the same number of epochs the arm without curriculum takes
more steps; `--epochs-without` evens that out.
"""

import argparse
import csv
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SCORES = ("bleu_4", "rouge_l", "clinical_f1")
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided 95 % quantile of Student's t for so many seeds


def run(arm: str, seed: int, epochs: int, out: Path) -> dict[str, float]:
    """Train one run if need be, score its final model on the test split (greedy), return the scores."""
    name = f"{arm}-{seed}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    flags = ["--seed", str(seed), "--epochs", str(epochs), "--out", str(out), "--run", name]
    if arm == "without":
        flags.append("--no-curriculum")
    command = [sys.executable, "-m", "xr2text_core.train", *flags]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint, scores = out / "checkpoints" / name / "final_model.pt", out / "scores" / name
    command = [sys.executable, "-m", "xr2text_core.evaluate", "--checkpoint", str(checkpoint), "--beams", "1"]
    command += ["--out", str(scores)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with (scores / "scores_final_model_test.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    with (out / "data" / "statistics" / name / "training_history.csv").open(encoding="utf-8") as file:
        steps = list(csv.DictReader(file))[-1]["step"]
    return {**{score: float(row[score]) for score in SCORES}, "steps": float(steps)}


def interval(values: list[float]) -> str:
    """Mean and 95 % interval over seeds."""
    half = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.3f} ± {half:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--epochs-without", type=int, default=0, help="epochs without curriculum (the same)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="two to five seeds")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, one thread each")
    options = parser.parse_args()
    epochs = {"with": options.epochs, "without": options.epochs_without or options.epochs}
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = {
            (arm, seed): pool.submit(run, arm, seed, epochs[arm], options.out)
            for seed in options.seeds
            for arm in epochs
        }
        results = {key: future.result() for key, future in futures.items()}
    print("| curriculum | epochs | steps | BLEU-4 | ROUGE-L | label F1 |\n|---|---|---|---|---|---|")
    for arm in epochs:
        rows = [results[arm, seed] for seed in options.seeds]
        cells = [interval([row[score] for row in rows]) for score in SCORES]
        print(f"| {arm} | {epochs[arm]} | {rows[0]['steps']:.0f} | {' | '.join(cells)} |")
    paired = [
        interval([results["with", seed][score] - results["without", seed][score] for seed in options.seeds])
        for score in SCORES
    ]
    print(f"| difference, paired by seed | | | {' | '.join(paired)} |")


if __name__ == "__main__":
    main()
