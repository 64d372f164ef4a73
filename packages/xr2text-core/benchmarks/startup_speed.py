"""How long a run takes from the command to its first step, by running the command and watching its status.json.

    python benchmarks/startup_speed.py [--studies 200000] [--quick]

Makes a manifest of as many studies with distinct reports and tiny images, and starts a run on it three times: the
first decodes, tokenizes and labels everything, the second (the first was killed) finds that done, the third resumes
from a checkpoint. Then the phantom run that needs no data, and `--help`. status.json is written once a second, so a
first step is seen up to a second late. The second column is the processor time of the trainer: where it is much less
than the first, other programs had the processors. --quick takes 20,000 studies.
"""

import argparse
import csv
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from xr2text_core.drawing.scene import sample_scene
from xr2text_core.drawing.writing import write_report

COMMAND = [sys.executable, "-m", "xr2text_core.train"]
NUM_SCENES = 2000
FOLDER_SIZE = 1000
TIMEOUT_S = 900
POLL_S = 0.02
MOST_S = 10.0  # the target for all starts but the first on a large data set
HELP_S = 0.5


def make_data_set(root: Path, num_studies: int) -> None:
    """manifest.csv and an image of 16 x 16 px for each study; no two reports are the same."""
    texts = [write_report(sample_scene(0, number)).findings for number in range(NUM_SCENES)]
    random = np.random.default_rng(0)
    images = [png(random.integers(0, 255, (16, 16), dtype=np.uint8)) for _ in range(64)]
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["study_id", "patient_id", "image", "report", "view"])
        for number in range(num_studies):
            folder = f"{number // FOLDER_SIZE:03d}"
            (root / folder).mkdir(exist_ok=True)
            image = f"{folder}/{number:06d}.png"
            (root / image).write_bytes(images[number % len(images)])
            turn, scene = divmod(number, NUM_SCENES)
            report = f"{texts[scene]} {texts[(scene + turn + 1) % NUM_SCENES]}"
            rows.writerow([f"s{number:06d}", f"p{number // 2:06d}", image, report, "PA"])


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def first_step(flags: Sequence[str], out: Path, kill: bool = True) -> tuple[float, float]:
    """Seconds to the first step, and of processor time; then the training is killed, or asked to save and leave."""
    status = out / "data" / "statistics" / "status.json"
    status.unlink(missing_ok=True)
    started = time.perf_counter()
    with (
        (out / "output.txt").open("w") as output,
        subprocess.Popen([*COMMAND, *flags, "--out", str(out)], stdout=output, stderr=subprocess.STDOUT) as trainer,
    ):
        while not has_stepped(status):
            if trainer.poll() is not None or time.perf_counter() - started > TIMEOUT_S:
                trainer.kill()
                sys.exit(f"error: no first step came of it:\n{(out / 'output.txt').read_text()[-2000:]}")
            time.sleep(POLL_S)
        seconds = time.perf_counter() - started
        used = psutil.Process(trainer.pid).cpu_times()
        if kill:
            trainer.kill()
        else:
            trainer.terminate()
    return seconds, used.user + used.system


def has_stepped(status: Path) -> bool:
    try:
        fields = json.loads(status.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return fields.get("state") == "training" and fields.get("loss") is not None


def seconds_of_help() -> float:
    """The median of five."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def show(what: str, seconds: float, processor_s: float | None = None, most: float | None = None) -> None:
    target = "" if most is None else f"<= {most:g} s  {'met' if seconds <= most else 'MISSED'}"
    processor = "" if processor_s is None else f"{processor_s:.2f} s"
    print(f"{what:<40} {seconds:>9.2f} s {processor:>11}   {target}", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="20,000 studies")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    num_studies = 20_000 if options.quick else options.studies
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        large, phantoms = Path(name) / "large", Path(name) / "phantoms"
        for folder in (large / "films", phantoms):
            folder.mkdir(parents=True)
        make_data_set(large / "films", num_studies)
        flags = ["--data", "manifest", "--root", str(large / "films"), "--preset", "phantom", "--image-size", "64"]
        print(f"From the command to the first step, {os.cpu_count()} CPUs")
        show(f"{num_studies:,} studies, first time", *first_step(flags, large))
        show(f"{num_studies:,} studies, again", *first_step(flags, large, kill=False), MOST_S)
        show(f"{num_studies:,} studies, resumed", *first_step(flags, large), MOST_S)
        show("phantoms, first time", *first_step([], phantoms), MOST_S)
        show("phantoms, again", *first_step([], phantoms), MOST_S)
        show("--help", seconds_of_help(), most=HELP_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
