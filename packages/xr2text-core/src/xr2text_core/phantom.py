"""Writes the phantom out as a manifest data set, so that any program can train on it.

python -m xr2text_core.phantom --out data/phantom --num-train 1280 --num-val 160 --num-test 300 --size 256
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from xr2text_core.data.readers.phantom import read
from xr2text_core.data.study import Study
from xr2text_core.drawing.drawing import draw_scene
from xr2text_core.drawing.names import named_scene
from xr2text_core.drawing.scene import scene_labels

COLUMNS = ("study_id", "image", "report", "findings", "impression", "view", "patient_id", "split", "labels")
MIN_SIZE_PX = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the data set; return 0, or 2 for a folder that is not empty and for invalid counts."""
    options = _parser().parse_args(arguments)
    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        print(f"{out} is not an empty folder: name a new one with --out, nothing was written", file=sys.stderr)
        return 2
    studies = read(options.num_train, options.num_val, options.num_test, options.seed).studies
    if not studies:
        print("nothing to write: --num-train, --num-val and --num-test are all 0", file=sys.stderr)
        return 2
    write_manifest(studies, out, options.size)
    print(f"Wrote {len(studies)} studies: {out / 'manifest.csv'}")
    return 0


def write_manifest(studies: Sequence[Study], out: Path, size: int) -> None:
    """Write manifest.csv and images/STUDY_ID.png, grey, `size` pixels wide and high, into the folder `out`."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        for study in tqdm(studies, desc="Drawing", unit="image"):
            rows.writerow(_write_study(study, out, size))


def _write_study(study: Study, out: Path, size: int) -> dict[str, str]:
    """Draw the image of a study and return its row; `image` is relative to the folder of the manifest."""
    scene = named_scene(study.frontal)
    image = f"images/{study.study_id}.png"
    Image.fromarray(draw_scene(scene, size)).save(out / image)
    return {
        "study_id": study.study_id,
        "image": image,
        "report": study.report.findings,
        "findings": study.report.findings,
        "impression": study.report.impression,
        "view": study.views[0],
        "patient_id": study.patient_id,
        "split": study.split,
        "labels": "; ".join(sorted(scene_labels(scene).findings)),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.phantom",
        usage="%(prog)s --out DIR [flags]",
        description=f"{__doc__.splitlines()[0]} Defaults are in parentheses.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder to write into")
    parser.add_argument("--num-train", type=_count, default=1280, metavar="N", help="training studies (1280)")
    parser.add_argument("--num-val", type=_count, default=160, metavar="N", help="validation studies (160)")
    parser.add_argument("--num-test", type=_count, default=300, metavar="N", help="test studies (300)")
    parser.add_argument("--size", type=_size, default=256, metavar="PX", help="width and height in pixels (256)")
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="each seed draws other studies (0)")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is less than 0")
    return value


def _size(text: str) -> int:
    value = int(text)
    if value < MIN_SIZE_PX:
        raise argparse.ArgumentTypeError(f"{value} px shows nothing: give {MIN_SIZE_PX} or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
